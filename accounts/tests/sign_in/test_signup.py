"""Sign-up: the RFC, the code, the same answer for known and unknown, one account per form."""

import html
import re

import pytest
from allauth.account.models import EmailAddress
from django.test import Client
from django.urls import reverse

from accounts.models import Contact, Customer, User
from factureya.core.mail import outbox
from factureya.core.models import OutboxMessage
from factureya.testing.people import PASSWORD, make_contact, make_customer

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
    return client.post(reverse("account_email_verification_sent"), {"code": code_of(last_mail()), "action": "verify"})


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


def test_the_code_is_wiped_once_its_mail_is_sent(client):
    sign_up(client)
    mail = last_mail()
    code = code_of(mail)
    assert outbox.deliver(mail.pk)
    mail.refresh_from_db()
    assert code not in mail.body


def test_a_wrong_code_is_refused_with_words_and_the_third_ends_it(client):
    sign_up(client)
    url = reverse("account_email_verification_sent")
    for _ in range(2):
        page = client.post(url, {"code": "AAAA-AAAA", "action": "verify"})
        assert "Ese código no es correcto" in page.content.decode()
    assert client.post(url, {"code": "AAAA-AAAA", "action": "verify"}).url == reverse("account_login")
    assert not EmailAddress.objects.get().verified


def test_another_code_can_be_asked_for_and_the_first_stops_working(client):
    sign_up(client)
    first = code_of(last_mail())
    url = reverse("account_email_verification_sent")
    assert client.post(url, {"action": "resend"}).url == url
    assert code_of(last_mail()) != first
    assert client.post(url, {"code": first, "action": "verify"}).status_code == 200
    assert prove_mail(client).url == reverse("tickets:list")


def test_a_person_who_mistyped_the_mail_starts_again(client):
    sign_up(client)
    assert client.get(reverse("account_signup")).status_code == 302
    again = client.post(reverse("account_logout"), {"next": reverse("account_signup")})
    assert again.url == reverse("account_signup")
    assert client.get(again.url).status_code == 200


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("rfc", "", "Escriba el RFC de su empresa"),
        ("rfc", "XAXX010101000", "RFC genérico"),
        ("rfc", "COMG600703", "con homoclave"),
        ("legal_name", "", "Escriba la razón social"),
        ("legal_name", "x" * 255, "254 caracteres"),
        ("full_name", " ", "Escriba su nombre completo"),
        ("email", "", "Escriba su correo"),
        ("email", "abril", "Escriba el correo completo"),
        ("email", "a" * 400 + "@ejemplo.mx", "Un correo tiene hasta"),
        ("password1", "", "Elija una contraseña"),
        ("password1", "corta", "12 caracteres"),
        ("password1", "1q2w3e4r5t6y", "de uso común"),
        ("password1", "abril@ejemplo.mx", "se parece a su nombre o a su correo"),
        ("password1", "Abril Mora 12", "se parece a su nombre o a su correo"),
    ],
)
def test_each_error_has_its_words_and_the_rest_is_kept(client, field, value, says):
    response = sign_up(client, **{field: value})
    page = response.content.decode()
    assert response.status_code == 200
    assert says in page
    assert "<title>Error: " in page
    assert "Este campo es obligatorio" not in page
    for kept in {"rfc", "legal_name", "full_name", "email"} - {field}:
        assert html.escape(SIGNUP[kept]) in page
    assert SIGNUP["password1"] not in page
    assert not User.objects.exists()


def test_a_wrong_check_digit_is_flagged_to_staff_not_refused(client):
    sign_up(client, rfc="VACE460910SX6")
    assert Customer.objects.get().rfc_check_failed


def test_a_known_rfc_makes_another_unverified_company_that_learns_nothing(client):
    known = make_customer("MAB9307148T4", "Mudanzas Abril")
    response = sign_up(client)
    assert response.url == reverse("account_email_verification_sent")
    assert last_mail().kind == "account/email_confirmation_signup"
    assert prove_mail(client).url == reverse("tickets:list")
    mine = Customer.objects.exclude(pk=known.pk).get()
    assert not mine.is_verified
    page = client.get(reverse("accounts:home")).content.decode()
    assert known.registered_email not in page
    assert "Por verificar" in page


def test_a_taken_address_gets_the_same_answer_and_its_owner_a_mail(client):
    owner = make_contact(email="ana@ejemplo.mx")
    people, companies = User.objects.count(), Customer.objects.count()
    fresh, taken = Client(), Client()
    answer_fresh = sign_up(fresh, email="nueva@ejemplo.mx", form_key="k1")
    answer_taken = sign_up(taken, email="ANA@ejemplo.mx", form_key="k2")
    assert answer_fresh.status_code == answer_taken.status_code == 302
    assert answer_fresh.url == answer_taken.url
    page_fresh, page_taken = fresh.get(answer_fresh.url), taken.get(answer_taken.url)
    assert neutral(page_fresh, "nueva@ejemplo.mx") == neutral(page_taken, "ana@ejemplo.mx")

    mail = last_mail()
    assert (mail.kind, mail.to) == ("account/account_already_exists", "ana@ejemplo.mx")
    assert "Mudanzas" not in mail.body
    assert User.objects.count() == people + 1
    assert Customer.objects.count() == companies + 1
    assert User.objects.get(pk=owner.pk).check_password(PASSWORD)

    wrong = {"code": "AAAA-AAAA", "action": "verify"}
    assert neutral(fresh.post(answer_fresh.url, wrong), "nueva@ejemplo.mx") == neutral(
        taken.post(answer_taken.url, wrong), "ana@ejemplo.mx"
    )
    resend = {"action": "resend"}
    assert fresh.post(answer_fresh.url, resend).url == taken.post(answer_taken.url, resend).url


def test_the_same_form_sent_twice_makes_one_account_and_both_tabs_go_on(client):
    """The second click left before the first one's cookie came: it knows nothing of it."""
    first, second = Client(), Client()
    assert sign_up(first).url == sign_up(second).url
    assert User.objects.count() == Customer.objects.count() == 1
    assert prove_mail(second).url == reverse("tickets:list")


def test_another_form_with_the_same_address_is_another_person(client):
    sign_up(Client())
    sign_up(Client(), form_key="key-2", password1="otra-lluvia-de-abril")
    assert User.objects.count() == Customer.objects.count() == 1
    assert last_mail().kind == "account/account_already_exists"


def test_the_key_alone_opens_nobodys_account(client):
    sign_up(Client())
    thief = Client()
    sign_up(thief, password1="una-contraseña-distinta")
    assert last_mail().kind == "account/account_already_exists"
    assert "_auth_user_id" not in thief.session


def test_verification_page_without_anything_to_verify_leads_to_login(client):
    url = reverse("account_email_verification_sent")
    assert client.get(url).url == reverse("account_login")
    client.force_login(make_contact())
    assert client.get(url).url == reverse("tickets:list")


def neutral(response, email: str) -> str:
    page = response.content.decode().replace(email, "X")
    return re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", page)


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("form_key", "", "El formulario perdió su validez."),
        ("form_key", "k" * 81, "El formulario perdió su validez."),
        ("legal_name", "Ocaso\0SA", "Trae un carácter que no se puede guardar"),
        ("full_name", "Ana\0", "Trae un carácter que no se puede guardar"),
    ],
)
def test_what_no_browser_sends_is_said_in_our_words(client, field, value, says):
    page = sign_up(client, **{field: value})
    assert says in page.content.decode()
    assert not Customer.objects.exists()
