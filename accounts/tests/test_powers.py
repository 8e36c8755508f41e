"""Expired or revoked powers manage nobody: pages, operations and labels ask those in force today (M8)."""

from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone
from time_machine import travel

from accounts import mail_sender, operations, policy
from accounts.models import Contact, Customer, User
from accounts.tests.test_people import accept, invite, token_of
from factureya.core.clock import now
from factureya.testing.pages import text_of
from factureya.testing.people import make_agent, make_contact, make_customer, make_superuser, represent

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M8")]
PEOPLE = reverse("accounts:people")
AFTER = timedelta(days=3)


def verified_with(*powers: dict[str, Any]) -> list[User]:
    """The people who hold these powers in a verified company."""
    customer = make_customer(verified=False)
    people = [make_contact(customer, representative=True) for _ in powers]
    for person, columns in zip(people, powers, strict=True):
        represent(customer, person, **columns)
    Customer.objects.filter(pk=customer.pk).update(verified_at=now(), verified_by=make_superuser())
    return [User.objects.get(pk=person.pk) for person in people]


@pytest.fixture
def ana() -> User:
    """The representative, until the day after tomorrow."""
    return verified_with({"valid_until": timezone.localdate(now()) + timedelta(days=2)})[0]


@pytest.fixture
def rosa(ana) -> User:
    return make_contact(ana.contact.customer, email="rosa@ejemplo.mx", own_tickets_only=True)


def test_h7_expired_powers_open_no_page_of_people(client, ana, rosa):
    client.force_login(ana)
    assert client.get(PEOPLE).status_code == 200
    with travel(now() + AFTER):
        client.force_login(ana)
        assert client.get(PEOPLE).status_code == 403
        for name in ("limit_person", "resend_invitation", "cancel_invitation"):
            sent = {"person": rosa.email, "email": rosa.email, "own_tickets_only": "0"}
            assert client.post(reverse(f"accounts:{name}"), sent).status_code == 403
        assert PEOPLE not in client.get(reverse("accounts:home")).content.decode()
    assert Contact.objects.get(user=rosa).own_tickets_only


def test_h7_the_operations_ask_under_the_lock_too(ana, rosa):
    invite(ana)
    invitation = ana.contact.customer.invitations.get()
    assert policy.may_manage_people(ana, ana.contact.customer)  # and this user in hand remembers it
    with travel(now() + AFTER):
        for act in (
            lambda: operations.limit_contact(rosa.contact.pk, own_tickets_only=False, actor=ana),
            lambda: operations.resend_invitation(invitation.pk, actor=ana),
            lambda: operations.cancel_invitation(invitation.pk, actor=ana),
        ):
            with pytest.raises(operations.Refused):
                act()
    invitation.refresh_from_db()
    assert invitation.is_pending
    assert Contact.objects.get(user=rosa).own_tickets_only


def test_h7_an_invitation_holds_while_the_powers_of_whoever_answers_for_it_do(client):
    ana, beto = verified_with({"valid_until": timezone.localdate(now()) + timedelta(days=2)}, {})
    customer = ana.contact.customer
    token = invite(ana, "nueva@ejemplo.mx")
    with travel(now() + AFTER):
        assert accept(client, token).status_code == 410
        invitation = customer.invitations.get()
        operations.resend_invitation(invitation.pk, actor=beto)
        invitation.refresh_from_db()
        assert invitation.invited_by == beto
        assert accept(client, token_of("nueva@ejemplo.mx")).status_code == 302


def test_h7_who_is_called_representative_is_one_today(client, ana, rosa):
    customer = ana.contact.customer
    admin = reverse("admin:accounts_customer_change", args=[customer.pk])
    agent = make_agent()
    for at, label in ((now(), "Representante legal"), (now() + AFTER, "sus poderes terminaron")):
        with travel(at):
            client.force_login(ana)
            home = text_of(client.get(reverse("accounts:home")))
            client.force_login(agent)
            listed = text_of(client.get(admin)).partition("Personas")[2]
        assert label in home
        assert label in listed
    assert "Contacto" in text_of(client.get(admin))


def test_h7_an_attorney_in_force_manages_and_is_called_so(client):
    (noe,) = verified_with({"power_kind": "attorney"})
    client.force_login(noe)
    page = client.get(PEOPLE)
    assert page.status_code == 200
    assert "Apoderado" in text_of(page)


def test_h7_a_representative_whose_powers_ended_can_be_limited_again(ana):
    customer = ana.contact.customer
    assert Contact.objects.get(user=ana).has_powers
    with travel(now() + AFTER):
        contact = policy.add_powers(Contact.objects.filter(customer=customer)).get(user=ana)
        assert not contact.has_powers
        assert contact.is_representative
        assert contact.standing == "Contacto (sus poderes terminaron)"


def test_h7_the_registered_mail_is_the_word_of_who_has_powers_today_first():
    old, new = verified_with({"valid_until": timezone.localdate(now())}, {})
    address = old.contact.customer.registered_email
    assert mail_sender.find_people(address) == [old, new]
    with travel(now() + AFTER):
        assert mail_sender.find_people(address) == [new, old]
