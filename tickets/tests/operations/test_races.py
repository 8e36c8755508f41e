"""Real threads on PostgreSQL, let loose at one instant by a barrier: exactly one wins, and nothing is lost.

RACE_ROUNDS rounds each (`race_rounds`). The clock is ours, so «the due instant» is the same for every thread.
"""

from collections import Counter
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from time_machine import travel

from accounts.models import User
from accounts.operations import join_company
from factureya.core import numbers
from factureya.core.clock import now
from factureya.core.mail import outbox
from factureya.core.models import Attachment
from factureya.testing.people import make_agent, make_contact, make_customer, own_provider
from factureya.testing.races import kinds, race
from factureya.testing.tickets import mails_about, make_ticket
from tickets import operations, tasks
from tickets.models import NUMBER_PREFIX, Message, Note, Ticket

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

OPEN, WAITING, CLOSED = Ticket.Status.OPEN, Ticket.Status.WAITING, Ticket.Status.CLOSED


@pytest.fixture(autouse=True)
def _provider() -> None:
    own_provider()


def verbs(ticket: Ticket) -> list[str]:
    return [event.verb for event in ticket.events()]


def mailed(ticket: Ticket, verb: str) -> int:
    return [mail.kind for mail in mails_about(ticket)].count(f"tickets/{verb}")


def write(ticket: Ticket, author: User, body: str, form_key: str | None = None) -> Ticket:
    """What every page does with a customer's words (style.md): a closed ticket gets a follow-up (M12)."""
    said: dict[str, Any] = {"author": author, "body": body, "form_key": form_key}
    try:
        return operations.add_information(ticket.pk, **said)
    except operations.TicketClosed:
        return operations.follow_up(ticket.pk, **said)


def due(author: User) -> Ticket:
    """A waiting ticket of this contact whose reminder went out more than 24 h ago and whose time is over now."""
    instant = now()
    with travel(instant - timedelta(hours=72, seconds=1), tick=False):
        ticket = make_ticket(WAITING, requester=author)
    with travel(instant - timedelta(hours=24, seconds=1), tick=False):
        operations.warn_before_close(ticket.pk)
        ticket.refresh_from_db()
        assert ticket.reminder_id is not None
        assert outbox.deliver(ticket.reminder_id)
    return ticket


# -- Silence against the customer's word -------------------------------------------------------------


@pytest.mark.clause("M12", "M15")
def test_two_sweeps_and_a_reply_at_the_due_instant(rounds: range, record_property: Any):
    ana = make_contact()
    won = Counter(sweeps_and_reply(turn, ana) for turn in rounds)
    record_property("won", dict(won))
    assert won.total() == len(rounds)


def sweeps_and_reply(turn: int, ana: User) -> str:
    """Who won; the reply is stored once, on a ticket that is Abierto, and the close happened at most once."""
    ticket, body = due(ana), f"Sí, sigo aquí {turn}"
    reply = partial(write, ticket, ana, body, f"r{turn}")
    results = race(tasks.close_unanswered, tasks.close_unanswered, reply)
    assert kinds(results) == {"ok": 3}
    closed = results[0] + results[1]
    ticket.refresh_from_db()
    message = Message.objects.select_related("ticket").get(body=body)
    assert message.ticket.status == OPEN, "the reply lies on a ticket closed in the same instant"
    if ticket.status == OPEN:
        assert (closed, message.ticket, verbs(ticket)[-1]) == (0, ticket, "ticket.information_added")
        assert "ticket.closed_unanswered" not in verbs(ticket)
        return "reply"
    assert (closed, ticket.closed_reason) == (1, Ticket.ClosedReason.UNANSWERED)
    assert verbs(ticket).count("ticket.closed_unanswered") == 1
    assert message.ticket.follows == ticket
    assert mailed(ticket, "closed") == 1
    assert ticket.message_count == ticket.messages.count() == 2
    return "sweep"


@pytest.mark.clause("M15")
def test_a_confirmation_and_a_sweep(rounds: range):
    ana = make_contact()
    for _ in rounds:
        ticket = due(ana)
        confirm = partial(operations.confirm_resolved, ticket.pk, author=ticket.requester)
        swept, result = race(tasks.close_unanswered, confirm)
        ticket.refresh_from_db()
        confirmed = not isinstance(result, Exception)
        assert confirmed or isinstance(result, operations.TicketClosed)
        assert swept == (not confirmed)
        assert ticket.closed_reason == ("confirmed" if confirmed else "unanswered")
        assert mailed(ticket, "closed") == 1


@pytest.mark.clause("M15")
def test_two_sweeps_queue_one_reminder(rounds: range):
    for _ in rounds:
        with travel(now() - timedelta(days=5), tick=False):
            ticket = make_ticket(WAITING)
        results = race(tasks.warn_before_close, tasks.close_unanswered, tasks.warn_before_close)
        assert kinds(results) == {"ok": 3}, results
        ticket.refresh_from_db()
        assert ticket.status == WAITING
        assert mailed(ticket, "reminder") == 1
        assert verbs(ticket).count("ticket.reminder_queued") == 1
        operations.confirm_resolved(ticket.pk, author=ticket.requester)


@pytest.mark.clause("M15")
def test_a_reminder_that_leaves_while_the_customer_replies(rounds: range):
    for _ in rounds:
        with travel(now() - timedelta(hours=49), tick=False):
            ticket = make_ticket(WAITING)
        mail = operations.warn_before_close(ticket.pk).reminder
        assert mail is not None
        reply = partial(write, ticket, ticket.requester, "Aquí está")
        results = race(partial(outbox.deliver, mail.pk), reply)
        assert kinds(results) == {"ok": 2}
        ticket.refresh_from_db()
        assert (ticket.status, ticket.reminder_id, ticket.closes_at) == (OPEN, None, None)
        mail.refresh_from_db()
        assert mail.status == ("sent" if results[0] else "dropped")


# -- One problem, one number -------------------------------------------------------------------------


@pytest.mark.clause("M10")
def test_fifty_creations_give_fifty_numbers(rounds: range):
    author = make_contact()
    for turn in range(max(1, len(rounds) // 20)):
        subjects = [f"Falla {turn}-{place}" for place in range(50)]
        calls = [partial(make_ticket, requester=author, subject=subject) for subject in subjects]
        results = race(*calls, connected=False)
        assert kinds(results) == {"ok": 50}
        drawn = {ticket.number for ticket in results}
        assert len(drawn) == 50
        assert all(numbers.parse_number(NUMBER_PREFIX, number) == number for number in drawn)


@pytest.mark.clause("M10", "M17")
def test_a_double_click_opens_one_ticket_with_its_files(rounds: range):
    for turn in rounds:
        author, key = make_contact(), f"k{turn}"
        file = Attachment.objects.create(token=key, file="x", name="x.png", content_type="image/png", size=1, draft=key)
        send = partial(make_ticket, requester=author, subject="Falla", form_key=key, files=[file])
        results = race(send, send, send, send)
        assert kinds(results) == {"ok": 4}, results
        ticket = Ticket.objects.get(requester=author)
        assert set(results) == {ticket}
        assert (ticket.messages.count(), ticket.files.count(), len(mails_about(ticket))) == (1, 1, 1)


@pytest.mark.clause("M11")
def test_a_double_click_writes_one_message(rounds: range):
    ticket = make_ticket(WAITING)
    for turn in rounds:
        send = partial(write, ticket, ticket.requester, "Aquí está", f"k{turn}")
        assert kinds(race(send, send, send, send)) == {"ok": 4}
        assert Message.objects.filter(form_key=f"k{turn}").count() == 1
    ticket.refresh_from_db()
    assert ticket.message_count == ticket.messages.count() == len(rounds) + 2


@pytest.mark.clause("M12")
def test_a_double_click_on_a_closed_ticket_opens_one_follow_up(rounds: range):
    ticket = make_ticket(CLOSED)
    for turn in rounds:
        send = partial(write, ticket, ticket.requester, "Otra vez", f"k{turn}")
        results = race(send, send, send, send)
        assert kinds(results) == {"ok": 4}, results
        assert len(set(results)) == 1
    assert ticket.followed_by.count() == len(rounds)


@pytest.mark.clause("M16")
def test_one_key_on_two_tickets_is_one_note(rounds: range):
    tickets, agent = [make_ticket(), make_ticket()], make_agent()
    for turn in rounds:
        note = partial(operations.add_note, agent=agent, body="Ojo", form_key=f"k{turn}")
        results = race(*[partial(note, ticket.pk) for ticket in tickets])
        assert kinds(results) == {"ok": 1, "FormUsed": 1}
        assert Note.objects.filter(form_key=f"k{turn}").count() == 1


# -- Two agents --------------------------------------------------------------------------------------


@pytest.mark.clause("M14")
def test_two_agents_who_saw_the_same_page_answer_once(rounds: range):
    agents = [make_agent(), make_agent()]
    for _ in rounds:
        ticket = make_ticket()
        reply = partial(operations.answer, ticket.pk, body="¿Cuál?", wait_reason="detail", seen=1)
        results = race(*[partial(reply, agent=agent) for agent in agents])
        assert kinds(results) == {"ok": 1, "NewerMessage": 1}
        assert ticket.messages.count() == 2
        assert mailed(ticket, "answered") == 1


@pytest.mark.clause("M3")
def test_two_agents_take_one_ticket(rounds: range):
    agents = [make_agent(), make_agent()]
    for _ in rounds:
        ticket = make_ticket()
        results = race(*[partial(operations.take, ticket.pk, agent=agent) for agent in agents])
        assert kinds(results) == {"ok": 1, "WrongStatus": 1}
        ticket.refresh_from_db()
        assert ticket.assignee == agents[isinstance(results[0], Exception)]
        assert verbs(ticket).count("ticket.taken") == 1


@pytest.mark.clause("M13", "M14")
def test_an_answer_against_the_customers_reply(rounds: range):
    """Whoever comes first, the customer's message is the last word and it is our turn."""
    agent = make_agent()
    for _ in rounds:
        ticket = make_ticket(WAITING)
        answer = partial(operations.answer, ticket.pk, agent=agent, body="¿Pudo?", wait_reason="detail", seen=2)
        results = race(answer, partial(write, ticket, ticket.requester, "Aquí está"))
        ticket.refresh_from_db()
        assert not isinstance(results[1], Exception)
        assert (ticket.status, ticket.closes_at) == (OPEN, None)
        assert kinds(results) in ({"ok": 2}, {"ok": 1, "NewerMessage": 1})
        assert ticket.message_count == ticket.messages.count() == 2 + kinds(results)["ok"]


# -- A company that staff joins while its person writes ----------------------------------------------


@pytest.mark.clause("M10", "M12")
def test_no_ticket_stays_behind_in_a_joined_company(rounds: range) -> None:
    known, agent = make_customer("OCA900101AB1"), make_agent()
    for turn in rounds:
        second = make_customer("OCA900101AB1", verified=False)
        author = make_contact(second)
        closed = make_ticket(CLOSED, requester=author)
        wanted = {"subject": "Otra cosa", "body": "x", "category": "stamping", "impact": 1}
        results = race(
            partial(join_company, second.pk, actor=agent),
            partial(operations.open_ticket, author=author, customer=second, **wanted),
            partial(operations.follow_up, closed.pk, author=author, body="Sigue igual"),
        )
        assert kinds(results[:1]) == {"ok": 1}, (turn, results, [str(r) for r in results])
        assert kinds(results[1:]).keys() <= {"ok", "NotAllowed"}, (turn, results)
        assert not Ticket.objects.filter(customer=second).exists(), (turn, results)
    assert set(Ticket.objects.values_list("customer", flat=True)) == {known.pk}
