"""Sign-up: the RFC, the code, the same answer for known and unknown, one account per form."""

import re

import pytest
from allauth.account.models import EmailAddress
from django.urls import reverse

from accounts.models import Contact, Customer, User
from accounts.tests.factories import PASSWORD, make_contact, make_customer
from factureya.core.models import OutboxMessage

pytestmark = pytest.mark.django_db
SIGNUP = {
    "rfc": "MAB-930714 8t4",
    "legal_name": "Mudanzas  Abril SA de CV",
    "full_name": "Abril Mora",
    "email": "Abril@Ejemplo.mx",
    "password1": "lluvia-de-abril-93",
    "form_key": "key-1",
}


def sign_up(client, **changes):
    return client.post(reverse("account_signup"), {**SIGNUP, **changes})


def last_mail() -> OutboxMessage:
    return OutboxMessage.objects.latest("pk")


def code_of(mail: OutboxMessage) -> str:
    return re.search(r"^[A-Z]{4}-[A-Z]{4}$", mail.body, re.M).group()


def prove_mail(client):
    return client.post(
        reverse("account_email_verification_sent"),
        {"code": code_of(last_mail()), "action": "verify"},
    )


@pytest.mark.clause("M2")
def test_a_new_company_signs_up_proves_its_mail_and_may_open_tickets(client):
    response = sign_up(client)
    assert response.status_code == 302
    assert response.url == reverse("account_email_verification_sent")
    page = client.get(response.url)
    assert "abril@ejemplo.mx" in page.content.decode()

    mail = last_mail()
    assert mail.kind == "account/email_confirmation_signup"
    assert mail.to == "abril@ejemplo.mx"
    assert mail.is_secret
    assert not EmailAddress.objects.get(email="abril@ejemplo.mx").verified

    response = prove_mail(client)
    assert response.url == reverse("tickets:list")
    customer = Customer.objects.get()
    assert (customer.rfc, customer.legal_name) == ("MAB9307148T4", "Mudanzas Abril SA de CV")
    assert customer.registered_email == "abril@ejemplo.mx"
    assert customer.state_label == "Por verificar"
    assert customer.events().get().verb == "company.registered"
    contact = Contact.objects.get()
    assert contact.role == Contact.Role.CONTACT
    assert client.get(reverse("accounts:home")).status_code == 200
