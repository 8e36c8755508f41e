"""The tray: an agent links a mail, opens a ticket from it, or discards it with a reason; once, and evented (M5, M6)."""

from datetime import timedelta
from typing import Any

import pytest

from accounts.models import Office, Provider, User
from factureya.core.models import InboundMessage
from factureya.testing.people import make_agent, make_contact, make_staff
from factureya.testing.tickets import let_it_close, mails_about, make_inbound, make_ticket
from tickets import operations, policy
from tickets.models import Message, Note, Ticket

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M5", "M6")]
OPEN, WAITING, CLOSED = Ticket.Status.OPEN, Ticket.Status.WAITING, Ticket.Status.CLOSED
IN_TRAY = ["reject-unregistered", "reject-malformed", "ignore-auto", "ignore-bounce"]


@pytest.fixture
def agent() -> User:
    return make_agent()


@pytest.fixture
def letter() -> InboundMessage:
    return make_inbound(disposition="reject-unregistered", sender="nadie@otra.mx")


def opening(contact: User) -> dict[str, Any]:
    return {"contact": contact, "subject": "Falla", "body": "Hola", "category": "other", "impact": 1}


@pytest.mark.parametrize("disposition", IN_TRAY)
def test_linked_as_a_note_nobody_outside_reads_it(agent: User, disposition: str):
    ticket, letter = make_ticket(WAITING), make_inbound(disposition=disposition)
    before = Ticket.objects.filter(pk=ticket.pk).values().get()
    mails = len(mails_about(ticket))
    operations.link_mail(ticket.pk, agent=agent, inbound_pk=letter.pk, body="Llegó esto")
    assert Note.objects.get().body == "Llegó esto"
    assert Ticket.objects.filter(pk=ticket.pk).values().get() == before
    assert (ticket.messages.count(), len(mails_about(ticket))) == (2, mails)
    letter.refresh_from_db()
    assert (letter.resolution, letter.about, letter.is_in_tray) == ("linked", ticket.chain, False)
    event = letter.events().get()
    assert (event.verb, event.actor, event.data["ticket"]) == ("mail.linked", agent, ticket.number)


def test_linked_as_a_contacts_words_it_is_his_message(agent: User, letter: InboundMessage):
    ticket = make_ticket(WAITING)
    beto = make_contact(ticket.customer)
    operations.link_mail(ticket.pk, agent=agent, inbound_pk=letter.pk, body="Aquí está", contact=beto)
    ticket.refresh_from_db()
    message = ticket.messages.get(seq=3)
    assert (ticket.status, message.author, message.inbound, message.channel) == (OPEN, beto, letter, "mail")
    assert ticket.events().last().actor == agent
    assert letter.events().get().data["contact"] == beto.pk


def test_a_mail_that_came_in_time_voids_a_silence_close(agent: User):
    ticket = let_it_close(make_ticket(WAITING))
    letter = make_inbound(ticket.closed_at, disposition="reject-unregistered")
    operations.link_mail(ticket.pk, agent=agent, inbound_pk=letter.pk, body="Aquí está", contact=ticket.requester)
    ticket.refresh_from_db()
    assert (ticket.status, ticket.voided_by) == (OPEN, letter)
    assert [e.verb for e in ticket.events()][-2:] == ["ticket.close_voided", "ticket.information_added"]
    assert {e.actor for e in ticket.events() if e.verb == "ticket.close_voided"} == {agent}


@pytest.mark.parametrize("state", ["confirmed", "late"])
def test_a_closed_ticket_takes_no_words_and_the_mail_stays_in_the_tray(agent: User, state: str):
    ticket = make_ticket(CLOSED) if state == "confirmed" else let_it_close(make_ticket(WAITING))
    assert ticket.closed_at is not None
    received = ticket.closed_at + timedelta(seconds=1 if state == "late" else -1)
    letter = make_inbound(received, disposition="reject-unregistered")
    with pytest.raises(operations.WrongStatus):
        operations.link_mail(ticket.pk, agent=agent, inbound_pk=letter.pk, body="Aquí", contact=ticket.requester)
    letter.refresh_from_db()
    assert letter.is_in_tray
    operations.link_mail(ticket.pk, agent=agent, inbound_pk=letter.pk, body="Llegó tarde")
    assert ticket.notes.count() == 1


def test_a_ticket_is_opened_from_it(agent: User, letter: InboundMessage):
    contact = make_contact()
    ticket = operations.open_from_mail(letter.pk, agent=agent, **opening(contact))
    letter.refresh_from_db()
    assert (ticket.requester, ticket.channel, ticket.messages.get().inbound) == (contact, "mail", letter)
    assert (letter.resolution, letter.about, letter.events().get().verb) == ("opened", ticket.chain, "mail.opened")
    assert ticket.events().get().actor == agent
    (ack,) = mails_about(ticket)
    assert ack.to == contact.email  # not the address that nobody proved


def test_discarded_it_stays_stored_with_the_reason(agent: User, letter: InboundMessage):
    for nothing in ("", "  \n"):
        with pytest.raises(operations.Incomplete, match="por qué"):
            operations.discard_mail(letter.pk, agent=agent, reason=nothing)
    operations.discard_mail(letter.pk, agent=agent, reason="Es\npublicidad")
    letter.refresh_from_db()
    assert (letter.resolution, letter.is_in_tray) == ("discarded", False)
    assert letter.events().get().data == {"reason": "Es publicidad", "ticket": None}


def test_a_mail_is_attended_once(agent: User, letter: InboundMessage):
    operations.discard_mail(letter.pk, agent=agent, reason="Publicidad")
    ticket, contact = make_ticket(), make_contact()
    tries = [
        lambda: operations.discard_mail(letter.pk, agent=agent, reason="Otra vez"),
        lambda: operations.link_mail(ticket.pk, agent=agent, inbound_pk=letter.pk, body="x"),
        lambda: operations.open_from_mail(letter.pk, agent=agent, **opening(contact)),
    ]
    for again in tries:
        with pytest.raises(operations.WrongStatus, match="ya atendió"):
            again()
    assert (Note.objects.count(), Message.objects.count(), letter.events().count()) == (0, 1, 1)


def test_what_was_accepted_is_not_in_the_tray(agent: User):
    letter = make_inbound(disposition="accept-new")
    with pytest.raises(operations.WrongStatus):
        operations.discard_mail(letter.pk, agent=agent, reason="x")


@pytest.mark.parametrize("who", ["customer", "third party", "security officer"])
def test_only_our_own_desk_opens_the_tray(letter: InboundMessage, who: str):
    third = Provider.objects.create(name="Otro")
    person = {
        "customer": make_contact,
        "third party": lambda: make_staff(Office.THIRD_PARTY_AGENT, provider=third),
        "security officer": lambda: make_staff(Office.SECURITY_OFFICER),
    }[who]()
    ticket, contact = make_ticket(), make_contact()
    tries = [
        lambda: operations.discard_mail(letter.pk, agent=person, reason="x"),
        lambda: operations.link_mail(ticket.pk, agent=person, inbound_pk=letter.pk, body="x"),
        lambda: operations.open_from_mail(letter.pk, agent=person, **opening(contact)),
    ]
    for attempt in tries:
        with pytest.raises(policy.NotAllowed):
            attempt()


@pytest.mark.clause("M3")
def test_another_providers_ticket_takes_no_mail_of_ours(agent: User, letter: InboundMessage):
    ticket = make_ticket()
    operations.hand_over(
        ticket.pk, supervisor=make_staff(Office.SUPERVISOR), provider=Provider.objects.create(name="Otro")
    )
    with pytest.raises(policy.NotAllowed):
        operations.link_mail(ticket.pk, agent=agent, inbound_pk=letter.pk, body="x")


def test_a_stranger_to_the_company_says_nothing_in_its_ticket(agent: User, letter: InboundMessage):
    ticket = make_ticket()
    with pytest.raises(policy.NotAllowed):
        operations.link_mail(ticket.pk, agent=agent, inbound_pk=letter.pk, body="x", contact=make_contact())
    with pytest.raises(policy.NotAllowed):
        operations.open_from_mail(letter.pk, agent=agent, **opening(agent))
    letter.refresh_from_db()
    assert letter.is_in_tray
