"""Mails of the door that no other test names: what leaves, to whom, and what is kept of it afterwards."""

import re
from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from accounts.models import RoleAssignment
from accounts.operations import end_office
from accounts.tests.sign_in.test_factor import code, enrolled, sign_in
from factureya.core.clock import now
from factureya.core.mail import outbox
from factureya.core.models import OutboxMessage
from factureya.core.record import anchors
from factureya.testing.people import PASSWORD, Cast, make_contact, make_superuser

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


@pytest.mark.clause("M26")
def test_the_security_officers_of_today_get_the_whole_hash_of_the_days_anchor(settings, tmp_path):
    settings.ANCHORS_DIR = tmp_path
    cast = Cast()
    anchor = anchors.seal_day()
    assert anchor is not None
    mail = OutboxMessage.objects.get(kind="accounts/day_sealed")
    assert (mail.to, mail.about) == (cast.elsa.email, "anchor:1")
    assert mail.subject == "Se selló la bitácora: ancla 1"
    assert f"Huella (SHA-256): {anchor.hash}\n" in mail.body
    assert f"{anchor.day:%Y-%m-%d}.json" in mail.body


@pytest.mark.clause("M26")
def test_who_was_an_officer_until_yesterday_gets_none(settings, tmp_path):
    settings.ANCHORS_DIR = tmp_path
    cast = Cast()
    end_office(RoleAssignment.objects.get(user=cast.elsa).pk, actor=make_superuser())
    with time_machine.travel(now() + timedelta(days=1)):
        anchors.seal_day()
    assert not OutboxMessage.objects.filter(kind="accounts/day_sealed").exists()
