"""The representative's people: invitations that work once, limits, and the profile."""

import re
from datetime import timedelta
from functools import partial

import pytest
import time_machine
from allauth.account.models import EmailAddress
from django.conf import settings
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from accounts import operations
from accounts.models import Contact, Invitation, User
from factureya.core.clock import now
from factureya.core.mail import outbox
from factureya.core.models import OutboxMessage
from factureya.testing.people import make_agent, make_contact, make_customer
from factureya.testing.races import kinds, race
from factureya.testing.tickets import make_ticket
from tickets.models import Ticket

pytestmark = pytest.mark.django_db
PEOPLE = "accounts:people"
PASSWORD = "tormenta-de-julio-88"
FOLIO = "SA-0000-0000"


def make_ana():
    return make_contact(representative=True, email="ana@ejemplo.mx", full_name="Ana Ruiz")


def invite(ana, email="beto@ejemplo.mx") -> str:
    """Invite, as the execution of an ALTA does; the token of the mail's link."""
    with transaction.atomic():
        operations.invite_by_request(ana.contact.customer, email=email, folio=FOLIO, invited_by=ana, actor=make_agent())
    return token_of(email)


def token_of(email: str) -> str:
    mail = OutboxMessage.objects.filter(to=email).latest("pk")
    return re.search(r"/cuenta/invitacion/(\S+)/", mail.body).group(1)


def link(token: str) -> str:
    return reverse("accounts:accept_invitation", args=[token])


def accept(client, token, **changes):
    return client.post(link(token), {"full_name": "Beto Luna", "password": PASSWORD, **changes})


def test_an_invited_person_chooses_name_and_password_and_is_inside(client):
    ana = make_ana()
    token = invite(ana)
    page = client.get(link(token)).content.decode()
    assert "Ana Ruiz le invita" in page
    assert accept(client, token).url == reverse("accounts:home")
    beto = User.objects.get(email="beto@ejemplo.mx")
    assert (beto.full_name, beto.contact.customer) == ("Beto Luna", ana.contact.customer)
    assert (beto.contact.own_tickets_only, beto.contact.invited_by) == (False, ana)
    assert EmailAddress.objects.get(user=beto).verified
    assert client.get(reverse("accounts:home")).status_code == 200
    verbs = [event.verb for event in ana.contact.customer.events()]
    assert verbs == ["contact.invited", "contact.joined"]


def test_the_link_is_stored_only_as_a_hash_and_its_mail_is_wiped(client):
    token = invite(make_ana())
    assert Invitation.objects.get().token_hash not in token
    mail = OutboxMessage.objects.get()
    assert outbox.deliver(mail.pk)
    mail.refresh_from_db()
    assert token not in mail.body


def test_a_link_works_once(client):
    token = invite(make_ana())
    accept(client, token)
    again = accept(Client(), token)
    assert again.status_code == 410
    assert "ya se usó" in again.content.decode()
    assert User.objects.filter(email="beto@ejemplo.mx").count() == 1


def test_a_link_lasts_its_days_and_not_a_second_more(client):
    token = invite(make_ana())
    last = Invitation.objects.get().expires_at
    assert last - Invitation.objects.get().created_at == timedelta(days=settings.INVITATION_DAYS)
    with time_machine.travel(last - timedelta(seconds=1), tick=False):
        assert Client().get(link(token)).status_code == 200
    with time_machine.travel(last, tick=False):
        assert accept(Client(), token).status_code == 410


@pytest.mark.parametrize("token", ["x", "x:y", "", ":", "Ñ:1", "a" * 300])
def test_a_forged_link_explains_itself(client, token, django_assert_num_queries):
    with django_assert_num_queries(0), pytest.raises(operations.Refused):
        operations.open_invitation(token)
    if token:
        assert client.get(link(token)).status_code == 410


def test_a_new_link_makes_the_old_one_void_and_cancelling_voids_it(client):
    ana = make_ana()
    old = invite(ana)
    client.force_login(ana)
    data = {"email": "beto@ejemplo.mx"}
    assert client.post(reverse("accounts:resend_invitation"), data).url == reverse(PEOPLE)
    new = token_of("beto@ejemplo.mx")
    assert new != old
    assert Client().get(link(old)).status_code == 410
    assert Client().get(link(new)).status_code == 200
    assert client.post(reverse("accounts:cancel_invitation"), data).url == reverse(PEOPLE)
    assert Client().get(link(new)).status_code == 410
    assert client.post(reverse("accounts:cancel_invitation"), data).status_code == 404


def test_who_is_signed_in_must_leave_first(client):
    token = invite(make_ana())
    client.force_login(make_contact())
    page = client.get(link(token)).content.decode()
    assert "Salga primero de su cuenta" in page
    accept(client, token)
    assert not User.objects.filter(email="beto@ejemplo.mx").exists()


def test_an_invitation_of_whoever_may_not_invite_any_more_is_void():
    ana = make_ana()
    token = invite(ana)
    Contact.objects.filter(user=ana).update(role=Contact.Role.CONTACT)
    with pytest.raises(operations.Refused):
        operations.accept_invitation(token, full_name="Beto", password=PASSWORD)


def test_the_representative_does_not_learn_who_has_an_account():
    ana = make_ana()
    make_contact(email="carla@ejemplo.mx")
    for email in ("carla@ejemplo.mx", "nadie@ejemplo.mx"):
        with transaction.atomic():
            operations.invite_by_request(
                ana.contact.customer, email=email, folio=FOLIO, invited_by=ana, actor=make_agent()
            )
    kinds = [OutboxMessage.objects.get(to=f"{who}@ejemplo.mx").kind for who in ("carla", "nadie")]
    assert kinds == ["accounts/invited_with_account", "accounts/invited"]
    assert "/invitacion/" not in OutboxMessage.objects.get(to="carla@ejemplo.mx").body


@pytest.mark.clause("M7")
def test_access_is_given_by_a_request_and_not_on_this_page(client):
    client.force_login(make_ana())
    page = client.get(reverse(PEOPLE)).content.decode()
    assert reverse("requests:new_access") in page
    assert client.post(reverse(PEOPLE), {"email": "beto@ejemplo.mx"}).status_code == 405
    assert not Invitation.objects.exists()


def test_only_the_representative_of_a_verified_company_has_the_page(client):
    ana = make_ana()
    contact = make_contact(ana.contact.customer)
    unverified = make_contact(make_customer(verified=False), representative=True)
    urls = [PEOPLE, "accounts:limit_person", "accounts:resend_invitation", "accounts:cancel_invitation"]
    for person in (contact, unverified, make_agent()):
        client.force_login(person)
        assert client.get(reverse(PEOPLE)).status_code == 403
        assert [client.post(reverse(url)).status_code for url in urls] == [403] * 4
    assert Client().get(reverse(PEOPLE)).url.startswith(reverse("account_login"))
    assert not Invitation.objects.exists()


def test_the_representative_limits_a_contact_to_the_own_tickets(client):
    ana = make_ana()
    beto = make_contact(ana.contact.customer, email="beto@ejemplo.mx")
    ticket = make_ticket(requester=ana)
    client.force_login(ana)
    url = reverse("accounts:limit_person")
    assert Ticket.objects.visible_to(beto).get() == ticket
    client.post(url, {"person": "beto@ejemplo.mx", "own_tickets_only": "1"})
    assert not Ticket.objects.visible_to(User.objects.get(pk=beto.pk)).exists()
    client.post(url, {"person": "beto@ejemplo.mx", "own_tickets_only": "0"})
    assert Ticket.objects.visible_to(User.objects.get(pk=beto.pk)).exists()
    assert client.get(url).status_code == 405


def test_another_companys_people_cannot_be_named(client):
    carla = make_contact(email="carla@ejemplo.mx")
    client.force_login(make_ana())
    data = {"person": carla.email, "own_tickets_only": "1"}
    assert client.post(reverse("accounts:limit_person"), data).status_code == 404
    assert not Contact.objects.get(user=carla).own_tickets_only
    with pytest.raises(operations.Refused):
        operations.limit_contact(carla.contact.pk, own_tickets_only=True, actor=make_contact(representative=True))


def test_the_representative_is_not_limited():
    ana = make_ana()
    with pytest.raises(operations.Refused):
        operations.limit_contact(ana.contact.pk, own_tickets_only=True, actor=ana)


def test_a_person_corrects_the_name_and_nothing_else(client):
    ana = make_ana()
    client.force_login(ana)
    home = reverse("accounts:home")
    sent = {"full_name": " Ana  Ruiz Paz ", "email": "otra@ejemplo.mx", "is_staff": "1", "rfc": "X"}
    assert client.post(home, sent).url == home
    ana.refresh_from_db()
    assert (ana.full_name, ana.email, ana.is_staff) == ("Ana Ruiz Paz", "ana@ejemplo.mx", False)
    assert [event.verb for event in ana.events()] == ["person.joined", "person.renamed"]
    client.post(home, {"full_name": "Ana Ruiz Paz"})
    assert ana.events().count() == 2
    page = client.post(home, {"full_name": ""}).content.decode()
    assert "Escriba su nombre completo." in page


def test_a_customers_page_loads_session_and_person_in_two_queries(client, django_assert_num_queries):
    client.force_login(make_ana())
    with django_assert_num_queries(5):  # session, person with company, powers, second factor, credits
        client.get(reverse("accounts:home"))
    with django_assert_num_queries(5):  # session, person, powers, people, invitations
        client.get(reverse(PEOPLE))


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"office": "agent"}, "invitation_to_company_or_office"),
        ({"accepted_at": now(), "cancelled_at": now()}, "invitation_ends_once"),
    ],
)
def test_half_invitations_are_refused_by_the_database(fields, name):
    invite(make_ana())
    with pytest.raises(IntegrityError, match=name), transaction.atomic():
        Invitation.objects.update(**fields)


def test_a_second_pending_invitation_is_refused_by_the_database():
    invite(make_ana())
    twin = Invitation.objects.get()
    twin.pk, twin.token_hash = None, "x"
    with pytest.raises(IntegrityError), transaction.atomic():
        twin.save()


def test_inviting_again_sends_the_same_invitation_again():
    ana = make_ana()
    old = invite(ana)
    assert invite(ana) != old
    assert Invitation.objects.count() == 1


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_two_people_open_one_link_at_once_one_gets_in():
    token = invite(make_ana())
    enter = partial(operations.accept_invitation, token, password=PASSWORD)
    results = race(*[partial(enter, full_name=name) for name in ("Beto", "Brenda")])
    assert kinds(results) == {"ok": 1, "Refused": 1}
