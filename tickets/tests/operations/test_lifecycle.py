"""The ticket's life: every operation meets every status; one event each; a refusal leaves no trace (M12–M16)."""

from collections.abc import Callable
from contextlib import nullcontext
from datetime import timedelta
from inspect import isfunction
from typing import Any, NamedTuple

import pytest

from accounts.models import Office, Provider
from factureya.core import clock
from factureya.core.mail import outbox
from factureya.core.models import Event, OutboxMessage
from factureya.testing.calls import confirm_by_phone, make_verified_call
from factureya.testing.people import make_agent, make_contact, make_customer, make_staff, own_provider
from factureya.testing.tickets import let_it_close, mails_about, make_inbound, make_ticket
from tickets import operations
from tickets.models import Call, Message, Note, Ticket, TicketFile

pytestmark = pytest.mark.django_db

OPEN, WAITING, CLOSED = Ticket.Status.OPEN, Ticket.Status.WAITING, Ticket.Status.CLOSED
DETAIL, AUTHORIZATION = Ticket.WaitReason.DETAIL, Ticket.WaitReason.AUTHORIZATION
SECOND = timedelta(seconds=1)


class Row(NamedTuple):
    """An operation: how it is called, from which status to which it leads, and the mails about the ticket it leaves.

    A status that `leads_to` does not name refuses it.
    """

    call: Callable[[Ticket], Any]
    leads_to: dict[str, str]
    mails: list[str] = []
    prepare: Callable[[Ticket], Any] = lambda _ticket: None
    make: Callable[[str], Ticket] = make_ticket


def at_reminder(ticket: Ticket) -> Any:
    """The moment 24 h before the close, or now for a ticket that does not wait."""
    return clock.at(ticket.closes_at - timedelta(hours=24)) if ticket.closes_at else nullcontext()


def after_close(ticket: Ticket) -> Any:
    """The first second after the close, or now for a ticket that does not wait."""
    return clock.at(ticket.closes_at + SECOND) if ticket.closes_at else nullcontext()


def warn(ticket: Ticket) -> None:
    with at_reminder(ticket):
        operations.warn_before_close(ticket.pk)


def warn_and_send(ticket: Ticket) -> None:
    """The reminder of a waiting ticket goes out exactly 24 h before the close."""
    if ticket.status == WAITING:
        warn(ticket)
        ticket.refresh_from_db()
        assert ticket.reminder_id is not None
        with at_reminder(ticket):
            assert outbox.deliver(ticket.reminder_id)


def queue_reminder(ticket: Ticket) -> None:
    if ticket.status == WAITING:
        warn(ticket)
        ticket.refresh_from_db()


def close(ticket: Ticket) -> None:
    with after_close(ticket):
        operations.close_unanswered(ticket.pk)


def tell_reminder_sent(ticket: Ticket) -> None:
    mail = OutboxMessage.objects.filter(about=ticket.chain).latest("pk")
    operations.reminder_sent(mail, clock.now())


def unassign(ticket: Ticket) -> None:
    if ticket.status == WAITING:
        operations.assign(ticket.pk, agent=make_agent(), assignee=None)


def ask_authorization(ticket: Ticket) -> Ticket:
    return operations.answer(ticket.pk, agent=make_agent(), body="¿Autoriza?", wait_reason=AUTHORIZATION)


def hand_over(ticket: Ticket) -> None:
    supervisor = make_staff(Office.SUPERVISOR)
    operations.hand_over(ticket.pk, supervisor=supervisor, provider=Provider.objects.create(name="Otro"))


def silent(status: str) -> Ticket:
    """A ticket in the status; a closed one was closed by silence."""
    return let_it_close(make_ticket(WAITING)) if status == CLOSED else make_ticket(status)


def bounce(ticket: Ticket) -> None:
    mail = mails_about(ticket)[0]
    operations.mail_bounced(ticket.pk, mail=mail, inbound=make_inbound())


def retry_failed(ticket: Ticket) -> None:
    mail = mails_about(ticket)[0]
    OutboxMessage.objects.filter(pk=mail.pk).update(status="failed", sent_at=None)
    operations.retry_mail(ticket.pk, agent=make_agent(), mail_pk=mail.pk)


def link(ticket: Ticket, contact: Any = None) -> None:
    inbound = make_inbound(disposition="reject-unregistered")
    operations.link_mail(ticket.pk, agent=make_agent(), inbound_pk=inbound.pk, body="Hola", contact=contact)


def unassign_and_call(ticket: Ticket) -> None:
    unassign(ticket)
    make_verified_call(ticket.requester)


def last_call() -> dict[str, Any]:
    """The agent and the key of the call that was made last."""
    call = Call.objects.latest("pk")
    return {"agent": call.agent, "call_pk": call.pk}


def make_sibling(ticket: Ticket) -> Ticket:
    """Another open ticket of the same requester."""
    return make_ticket(requester=ticket.requester)


def merge(ticket: Ticket) -> None:
    sibling = Ticket.objects.filter(requester=ticket.requester).exclude(pk=ticket.pk).get()
    operations.merge_ticket(ticket.pk, agent=make_agent(), into_pk=sibling.pk)


def merge_if_live(ticket: Ticket) -> None:
    make_sibling(ticket)
    if ticket.status != CLOSED:
        merge(ticket)


def say_more(ticket: Ticket) -> None:
    """A second message of the customer; the ticket is in its status again."""
    if ticket.status == CLOSED:
        return
    operations.add_information(ticket.pk, author=ticket.requester, body="Otra cosa")
    if ticket.status == WAITING:
        operations.answer(ticket.pk, agent=make_agent(), body="¿Cuál?", wait_reason=DETAIL)


def split(ticket: Ticket) -> None:
    said = ticket.messages.filter(side=Message.Side.CUSTOMER).latest("seq")
    operations.split_message(ticket.pk, agent=make_agent(), message_pk=said.pk, subject="Otro")


STAY = {OPEN: OPEN, WAITING: WAITING}
EVERYWHERE = {**STAY, CLOSED: CLOSED}
MATRIX = {
    "answer": Row(
        lambda t: operations.answer(t.pk, agent=make_agent(), body="¿Cuál?", wait_reason=DETAIL),
        {OPEN: WAITING, WAITING: WAITING},
        ["tickets/answered"],
    ),
    "answer (solution)": Row(
        lambda t: operations.answer(
            t.pk, agent=make_agent(), body="Listo", wait_reason=AUTHORIZATION, proposes_solution=True
        ),
        {OPEN: WAITING, WAITING: WAITING},
        ["tickets/answered"],
    ),
    "answer (no wait)": Row(
        lambda t: operations.answer(t.pk, agent=make_agent(), body="Lo vemos", wait_reason=None),
        {OPEN: OPEN},
        ["tickets/answered"],
    ),
    "answer_out_of_scope": Row(
        lambda t: operations.answer_out_of_scope(t.pk, agent=make_agent(), scope="internet"),
        {OPEN: WAITING, WAITING: WAITING},
        ["tickets/answered"],
    ),
    "add_information": Row(
        lambda t: operations.add_information(t.pk, author=t.requester, body="Aquí está"),
        {OPEN: OPEN, WAITING: OPEN},
        prepare=unassign,
    ),
    "add_information (assigned)": Row(
        lambda t: operations.add_information(t.pk, author=t.requester, body="Aquí está"),
        {OPEN: OPEN, WAITING: OPEN},
        ["tickets/new_message"],
        prepare=lambda t: t.status == CLOSED or operations.assign(t.pk, agent=make_agent(), assignee=make_agent()),
    ),
    "add_note": Row(lambda t: operations.add_note(t.pk, agent=make_agent(), body="Ojo"), EVERYWHERE),
    "take": Row(lambda t: operations.take(t.pk, agent=make_agent()), STAY, prepare=unassign),
    "assign": Row(lambda t: operations.assign(t.pk, agent=make_agent(), assignee=make_agent()), STAY),
    "classify": Row(
        lambda t: operations.classify(t.pk, agent=make_agent(), category=Ticket.Category.ACCESS, impact=1), STAY
    ),
    "hand_over": Row(hand_over, EVERYWHERE),
    "confirm_resolved": Row(
        lambda t: operations.confirm_resolved(t.pk, author=t.requester),
        {OPEN: CLOSED, WAITING: CLOSED},
        ["tickets/closed"],
    ),
    "confirm_resolved (text)": Row(
        lambda t: operations.confirm_resolved(t.pk, author=t.requester, body="Gracias"),
        {OPEN: CLOSED, WAITING: CLOSED},
        ["tickets/closed", "tickets/new_message"],
        prepare=lambda t: t.status == CLOSED or operations.assign(t.pk, agent=make_agent(), assignee=make_agent()),
    ),
    "add_by_phone": Row(
        lambda t: operations.add_by_phone(t.pk, **last_call(), body="Ya lo intenté"),
        {OPEN: OPEN, WAITING: OPEN},
        prepare=unassign_and_call,
    ),
    "confirm_by_phone": Row(
        lambda t: operations.confirm_by_phone(t.pk, **last_call()),
        {OPEN: CLOSED, WAITING: CLOSED},
        ["tickets/closed"],
        prepare=lambda t: make_verified_call(t.requester),
    ),
    "decide_authorization": Row(
        lambda t: operations.decide_authorization(t.pk, author=t.requester, is_granted=True),
        {WAITING: OPEN},
        make=lambda status: ask_authorization(make_ticket()) if status == WAITING else make_ticket(status),
        prepare=unassign,
    ),
    "decide_authorization (nothing asked)": Row(
        lambda t: operations.decide_authorization(t.pk, author=t.requester, is_granted=True), {}
    ),
    "warn_before_close": Row(warn, {WAITING: WAITING}, ["tickets/reminder"]),
    "reminder_sent": Row(tell_reminder_sent, {WAITING: WAITING}, prepare=queue_reminder),
    "close_unanswered": Row(close, {WAITING: CLOSED}, ["tickets/closed"], prepare=warn_and_send),
    "close_unanswered (no reminder)": Row(close, {WAITING: WAITING}, ["tickets/reminder"]),
    "follow_up": Row(lambda t: operations.follow_up(t.pk, author=t.requester, body="Otra vez"), {CLOSED: CLOSED}),
    "add_information (mail)": Row(
        lambda t: operations.add_information(
            t.pk, author=t.requester, body="Aquí está", channel="mail", inbound=make_inbound()
        ),
        {OPEN: OPEN, WAITING: OPEN},
        prepare=unassign,
    ),
    "void_silence_close": Row(
        lambda t: operations.void_silence_close(t.pk, inbound=make_inbound(t.closed_at)),
        {CLOSED: OPEN},
        ["tickets/void"],
        make=silent,
    ),
    "void_silence_close (confirmed)": Row(
        lambda t: operations.void_silence_close(t.pk, inbound=make_inbound(t.closed_at)), {}
    ),
    "mail_bounced": Row(bounce, EVERYWHERE),
    "retry_mail": Row(retry_failed, EVERYWHERE),
    "retry_mail (nothing failed)": Row(
        lambda t: operations.retry_mail(t.pk, agent=make_agent(), mail_pk=mails_about(t)[0].pk), {}
    ),
    "robot_answered": Row(lambda t: operations.robot_answered(t.pk, inbound=make_inbound(), mark="list"), EVERYWHERE),
    "release_close": Row(
        lambda t: operations.release_close(t.pk, agent=make_agent()), {WAITING: WAITING}, prepare=bounce
    ),
    "release_close (nothing held)": Row(lambda t: operations.release_close(t.pk, agent=make_agent()), {}),
    "link_mail": Row(link, EVERYWHERE),
    "link_mail (as the contact's words)": Row(
        lambda t: link(t, t.requester), {OPEN: OPEN, WAITING: OPEN}, prepare=unassign
    ),
    "merge_ticket": Row(merge, STAY, ["tickets/merged"], prepare=make_sibling),
    "undo_merge": Row(
        lambda t: operations.undo_merge(t.pk, agent=make_agent()), STAY, ["tickets/unmerged"], prepare=merge_if_live
    ),
    "undo_merge (not merged)": Row(lambda t: operations.undo_merge(t.pk, agent=make_agent()), {}),
    "split_message": Row(split, STAY, prepare=say_more),
    "move_to_customer": Row(
        lambda t: operations.move_to_customer(t.customer, make_customer(), actor=make_agent()), EVERYWHERE
    ),
}
# What leaves the ticket's own chain alone: `follow_up` writes the event of the new ticket.
ELSEWHERE = {"follow_up"}
# No refusal, but nothing happens: the outbox tells of a reminder that the ticket no longer waits on.
IGNORED = {"reminder_sent"}
NOT_ABOUT_A_TICKET = {
    *("open_ticket", "open_by_phone", "open_from_mail", "discard_mail", "find_incident"),
    *("reminder_before", "reminder_lookahead", "may_undo"),
}


def traces(ticket: Ticket) -> list[Any]:
    """Everything stored about a ticket, and how much there is of everything."""
    counts = [m._default_manager.count() for m in (Ticket, Message, Note, TicketFile, OutboxMessage)]
    counts.append(Event.objects.filter(chain__startswith="ticket:").count())  # without those of people made meanwhile
    return [Ticket.objects.filter(pk=ticket.pk).values().get(), list(OutboxMessage.objects.values()), counts]


@pytest.mark.clause("M12", "M13", "M14", "M15")
@pytest.mark.parametrize("before", Ticket.Status)
@pytest.mark.parametrize("name", MATRIX)
def test_every_operation_in_every_status(name: str, before: str):
    row = MATRIX[name]
    ticket = row.make(before)
    row.prepare(ticket)
    ticket.refresh_from_db()
    stored, events, mails = traces(ticket), ticket.events().count(), len(mails_about(ticket))
    refusal = nullcontext() if before in row.leads_to or name in IGNORED else pytest.raises(operations.WrongStatus)
    with refusal:
        row.call(ticket)
    ticket.refresh_from_db()
    assert ticket.status == row.leads_to.get(before, before)
    if before in row.leads_to:
        assert ticket.events().count() == events + (name not in ELSEWHERE)
        assert [mail.kind for mail in mails_about(ticket)[mails:]] == row.mails
    else:
        # A supervisor, a provider or an agent may have been made for the call; of tickets nothing is left.
        assert traces(ticket) == stored


@pytest.mark.clause("M15")
def test_every_operation_has_a_row():
    public = {name for name in operations.__all__ if isfunction(getattr(operations, name))}
    assert {name.partition(" ")[0] for name in MATRIX} | NOT_ABOUT_A_TICKET == public


# -- Abierto, En espera ------------------------------------------------------------------------------


@pytest.mark.clause("M10", "M13")
def test_a_ticket_is_born_open_with_a_number_and_its_mail():
    ticket = make_ticket()
    assert (ticket.status, ticket.message_count, ticket.customer_replied) == (OPEN, 1, False)
    assert ticket.reply_due_at == ticket.queue_at
    assert [(m.seq, m.side) for m in ticket.messages.all()] == [(1, Message.Side.CUSTOMER)]
    assert [e.verb for e in ticket.events()] == ["ticket.opened"]
    assert [m.kind for m in mails_about(ticket)] == ["tickets/opened"]


@pytest.mark.clause("M10")
def test_a_ticket_by_phone_names_the_agent():
    author, agent = make_contact(), make_agent()
    ticket = make_ticket(requester=author, channel=Ticket.Channel.PHONE, agent=agent)
    event = ticket.events().get()
    assert (event.actor, event.data["channel"]) == (agent, "phone")
    assert ticket.requester == author
    assert mails_about(ticket)[0].to == author.email


@pytest.mark.clause("M10")
def test_a_taken_number_is_drawn_again(monkeypatch):
    first = make_ticket()
    drawn = iter([first.number, first.number, "FY-0000-0000"])
    monkeypatch.setattr("factureya.core.numbers.make_number", lambda _prefix: next(drawn))
    assert make_ticket().number == "FY-0000-0000"
    monkeypatch.setattr("factureya.core.numbers.make_number", lambda _prefix: first.number)
    stored = traces(first)
    with pytest.raises(Exception, match=r"number|row exists"):
        make_ticket(requester=first.requester)
    assert traces(first) == stored


@pytest.mark.clause("M10")
def test_another_fault_of_the_row_is_not_taken_for_a_number():
    with pytest.raises(Exception, match=r"impact|CHECK"):
        make_ticket(impact=-1)


@pytest.mark.clause("M14")
@pytest.mark.parametrize("reason", ["", "holidays", "detalle"])
def test_waiting_needs_a_reason_of_the_two(reason: str):
    ticket, agent = make_ticket(), make_agent()
    stored = traces(ticket)
    with pytest.raises(operations.Incomplete, match="Indique qué se espera"):
        operations.answer(ticket.pk, agent=agent, body="¿Cuál?", wait_reason=reason)
    assert traces(ticket) == stored


@pytest.mark.clause("M14")
@pytest.mark.parametrize("reason", [None, DETAIL])
def test_asking_for_confirmation_needs_authorization(reason: str | None):
    ticket, agent = make_ticket(), make_agent()
    with pytest.raises(operations.Incomplete, match="autorización"):
        operations.answer(ticket.pk, agent=agent, body="Listo", wait_reason=reason, proposes_solution=True)


@pytest.mark.clause("M14")
def test_a_solution_asks_for_confirmation_and_a_later_question_does_not():
    ticket, agent = make_ticket(), make_agent()
    kwargs: dict[str, Any] = {"agent": agent, "wait_reason": AUTHORIZATION}
    ticket = operations.answer(ticket.pk, body="Listo", proposes_solution=True, **kwargs)
    assert ticket.asks_confirmation
    ticket = operations.answer(ticket.pk, body="¿Autoriza el cambio?", **kwargs)
    assert (ticket.status, ticket.asks_confirmation) == (WAITING, False)


@pytest.mark.clause("M14", "M17")
@pytest.mark.parametrize("text", ["", "  \n"])
def test_nothing_is_written_without_a_text(text: str):
    ticket, agent = make_ticket(WAITING), make_agent()
    stored = traces(ticket)
    calls: list[Callable[[], Any]] = [
        lambda: operations.answer(ticket.pk, agent=agent, body=text, wait_reason=DETAIL),
        lambda: operations.add_note(ticket.pk, agent=agent, body=text),
        lambda: operations.add_information(ticket.pk, author=ticket.requester, body=text),
        lambda: make_ticket(requester=ticket.requester, body=text),
    ]
    for call in calls:
        with pytest.raises(operations.Incomplete):
            call()
    assert traces(ticket) == stored


@pytest.mark.clause("M13")
def test_the_first_answer_assigns_and_later_ones_do_not():
    ticket, first, second = make_ticket(), make_agent(), make_agent()
    with clock.at(clock.now() + timedelta(hours=1)):
        answered = operations.answer(ticket.pk, agent=first, body="Lo vemos", wait_reason=None)
    assert (answered.assignee, answered.reply_due_at, answered.customer_waits_since) == (first, None, None)
    again = operations.answer(ticket.pk, agent=second, body="Ya casi", wait_reason=None)
    assert (again.assignee, again.first_replied_at) == (first, answered.first_replied_at)


@pytest.mark.clause("M13")
def test_the_goal_counts_from_the_oldest_unanswered_message():
    ticket = make_ticket()
    with clock.at(clock.now() + timedelta(days=2)):
        later = operations.add_information(ticket.pk, author=ticket.requester, body="Además…")
    assert (later.reply_due_at, later.customer_waits_since) == (ticket.reply_due_at, ticket.customer_waits_since)
    assert not later.customer_replied  # we have not written yet: it is still the first request


@pytest.mark.clause("M11", "M13")
def test_information_stops_the_wait_and_counts_as_a_reply():
    ticket = make_ticket(WAITING)
    ticket = operations.add_information(ticket.pk, author=ticket.requester, body="Aquí está")
    assert (ticket.status, ticket.wait_reason, ticket.closes_at, ticket.waiting_since) == (OPEN, None, None, None)
    assert ticket.customer_replied
    assert ticket.queue_at == ticket.reply_due_at


@pytest.mark.clause("M14")
def test_a_newer_message_keeps_the_answer_back():
    ticket, agent = make_ticket(), make_agent()
    operations.add_information(ticket.pk, author=ticket.requester, body="Además…")
    stored = traces(ticket)
    with pytest.raises(operations.NewerMessage):
        operations.answer(ticket.pk, agent=agent, body="Listo", wait_reason=DETAIL, seen=1)
    assert traces(ticket) == stored
    assert operations.answer(ticket.pk, agent=agent, body="Listo", wait_reason=DETAIL, seen=2).message_count == 3


# -- The desk ----------------------------------------------------------------------------------------


@pytest.mark.clause("M3")
def test_the_desk_says_the_same_thing_once():
    """Taking, assigning or classifying what already is so leaves no event."""
    ticket, agent = make_ticket(), make_agent()
    operations.take(ticket.pk, agent=agent)
    events = ticket.events().count()
    operations.take(ticket.pk, agent=agent)
    operations.assign(ticket.pk, agent=agent, assignee=agent)
    operations.classify(ticket.pk, agent=agent, category=ticket.category, impact=ticket.impact)
    operations.hand_over(ticket.pk, supervisor=make_staff(Office.SUPERVISOR), provider=own_provider())
    assert ticket.events().count() == events


@pytest.mark.clause("M3")
def test_a_taken_ticket_is_not_taken_again():
    ticket, first = make_ticket(), make_agent(full_name="Dario Luna")
    operations.take(ticket.pk, agent=first)
    with pytest.raises(operations.WrongStatus, match="Ya lo atiende Dario Luna"):
        operations.take(ticket.pk, agent=make_agent())


@pytest.mark.clause("M3")
def test_a_ticket_is_assigned_within_its_provider_or_to_nobody():
    ticket, agent = make_ticket(), make_agent()
    outsider = make_staff(Office.THIRD_PARTY_AGENT, provider=Provider.objects.create(name="Otro"))
    with pytest.raises(operations.WrongStatus, match="no atiende"):
        operations.assign(ticket.pk, agent=agent, assignee=outsider)
    operations.take(ticket.pk, agent=agent)
    assert operations.assign(ticket.pk, agent=agent, assignee=None).assignee is None
    assert ticket.events().latest("seq").data == {"before": agent.pk, "after": None, "assignee_name": ""}


@pytest.mark.clause("M3")
def test_a_ticket_handed_over_is_seen_by_its_new_provider_only():
    ticket, agent = make_ticket(), make_agent()
    operations.take(ticket.pk, agent=agent)
    other = Provider.objects.create(name="Otro")
    irma = make_staff(Office.THIRD_PARTY_AGENT, provider=other)
    assert ticket not in Ticket.objects.visible_to(irma)
    operations.hand_over(ticket.pk, supervisor=make_staff(Office.SUPERVISOR), provider=other)
    assert ticket in Ticket.objects.visible_to(irma)
    assert ticket not in Ticket.objects.visible_to(agent)
    ticket.refresh_from_db()
    assert ticket.assignee is None


# -- Cerrado -----------------------------------------------------------------------------------------


@pytest.mark.clause("M12")
@pytest.mark.parametrize("before", [OPEN, WAITING])
def test_the_customer_confirms_with_a_last_word(before: str):
    ticket = make_ticket(before)
    closed = operations.confirm_resolved(ticket.pk, author=ticket.requester, body="Gracias")
    assert (closed.status, closed.closed_reason) == (CLOSED, Ticket.ClosedReason.CONFIRMED)
    assert closed.messages.latest("seq").body == "Gracias"
    assert closed.events().latest("seq").data["message"] == closed.message_count
    assert (closed.reply_due_at, closed.customer_replied, closed.queue_at) == (None, False, closed.closed_at)


@pytest.mark.clause("M15")
def test_a_confirmation_by_phone_is_recorded_with_both_names():
    ticket, agent = make_ticket(WAITING), make_agent(full_name="Dario Luna")
    confirm_by_phone(ticket, agent=agent)
    event = ticket.events().latest("seq")
    assert (event.verb, event.actor_name) == ("ticket.confirmed_by_phone", "Dario Luna")
    assert event.data["contact_name"] == ticket.requester.get_full_name()


@pytest.mark.clause("M12")
def test_a_follow_up_cites_the_closed_ticket_which_does_not_change():
    ticket = make_ticket(CLOSED)
    columns = Ticket.objects.filter(pk=ticket.pk).values().get()
    events, messages = list(ticket.events()), list(ticket.messages.all())
    new = operations.follow_up(ticket.pk, author=ticket.requester, body="Volvió a fallar")
    assert Ticket.objects.filter(pk=ticket.pk).values().get() == columns
    assert (list(ticket.events()), list(ticket.messages.all())) == (events, messages)
    assert (new.status, new.follows, new.number != ticket.number) == (OPEN, ticket, True)
    assert (new.subject, new.category, new.impact) == (ticket.subject, ticket.category, ticket.impact)
    assert [m.body for m in new.messages.all()] == ["Volvió a fallar"]
    event = new.events().get()
    assert (event.verb, event.data["follows"]) == ("ticket.followed_up", ticket.number)
    assert [m.kind for m in mails_about(new)] == ["tickets/follow_up"]


@pytest.mark.clause("M12")
def test_what_is_written_on_a_closed_ticket_is_not_lost():
    """The way every page goes: add_information, and on TicketClosed follow_up with the same words and form."""
    ticket = make_ticket(CLOSED)
    said: dict[str, Any] = {"author": ticket.requester, "body": "Volvió a fallar", "form_key": "k"}
    with pytest.raises(operations.TicketClosed):
        operations.add_information(ticket.pk, **said)
    new = operations.follow_up(ticket.pk, **said)
    with pytest.raises(operations.TicketClosed):  # the second click goes the same way
        operations.add_information(ticket.pk, **said)
    assert operations.follow_up(ticket.pk, **said) == new
    assert Ticket.objects.count() == 2
