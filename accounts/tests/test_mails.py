"""Mails of the door that no other test names: what leaves, to whom, and what is kept of it afterwards."""

import re

import pytest
from django.test import Client
from django.urls import reverse

from accounts.tests.sign_in.test_factor import code, enrolled, sign_in
from factureya.core.mail import outbox
from factureya.core.models import OutboxMessage
from factureya.testing.people import PASSWORD, make_contact

pytestmark = pytest.mark.django_db


def test_a_reset_code_is_wiped_once_it_is_sent(client: Client):
    ana = make_contact(email="ana@ocaso.mx")
    client.post(reverse("account_reset_password"), {"email": ana.email})
    mail = OutboxMessage.objects.get(kind="account/password_reset_code", to=ana.email)
    (secret,) = re.findall(r"^[A-Z]{4}-[A-Z]{4}$", mail.body, re.M)
    assert secret not in mail.subject
    assert outbox.deliver(mail.pk)
    mail.refresh_from_db()
    assert secret not in mail.body


def test_switching_the_second_factor_off_is_told(client: Client):
    ana = enrolled(make_contact(email="ana@ocaso.mx"))
    sign_in(client, ana)
    client.post(reverse("mfa_authenticate"), {"code": code()})
    client.post(reverse("account_reauthenticate"), {"password": PASSWORD})
    client.post(reverse("mfa_deactivate_totp"))
    assert OutboxMessage.objects.get(kind="account/totp_deactivated").to == ana.email
