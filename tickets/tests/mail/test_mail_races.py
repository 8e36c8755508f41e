"""Mail against the sweep, other mail and itself: real threads on PostgreSQL, RACE_ROUNDS rounds each (M6, M15)."""

from collections import Counter
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from accounts.models import User
from factureya.core.clock import now
from factureya.core.mail import intake
from factureya.core.models import InboundMessage, MailQuota, OutboxMessage
from factureya.testing.inbound_mails import ANA, deliver, make_ana, proven
from factureya.testing.people import make_contact
from factureya.testing.races import kinds, race
from factureya.testing.tickets import mails_about, make_ticket
from tickets import operations, tasks
from tickets.models import Message, Ticket
from tickets.tests.operations.test_races import due, verbs

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]
OPEN, WAITING, CLOSED = Ticket.Status.OPEN, Ticket.Status.WAITING, Ticket.Status.CLOSED


@pytest.fixture(autouse=True)
def _our_server(settings: Any) -> None:
    settings.MAIL_TRUSTED_AUTHSERV = "mx.factureya.com"
    settings.MAIL_FLIPS_PER_HOUR = settings.MAIL_ANSWERS_PER_SENDER = 10_000


@pytest.mark.clause("M15")
def test_a_reply_read_by_two_processes_while_the_sweep_closes(rounds: range, record_property: Any):
    """Never lost, and voided exactly when received in time."""
    won = Counter(reply_and_sweep(turn, late=turn % 2 == 1) for turn in rounds)
    record_property("won", dict(won))
    assert won.total() == len(rounds)


def reply_and_sweep(turn: int, *, late: bool) -> str:
    ticket = due(make_contact())
    author, body = ticket.requester, f"Sí, sigo aquí {turn}"
    domain = author.email.partition("@")[2]
    assert domain == "ejemplo.mx"
    received = now() + timedelta(seconds=30) if late else now() - timedelta(seconds=30)
    raw = proven(body, From=author.email, Subject=f"RE: {ticket.number}")
    inbound, _ = intake.keep(raw, source="imap", received_at=received)
    read = partial(intake.handle_once, inbound.pk)
    results = race(read, read, partial(sweep, turn // 2 % 4))
    assert kinds(results) == {"ok": 3}, results
    ticket.refresh_from_db()
    message = Message.objects.select_related("ticket").get(body=body)  # once, and not lost
    assert message.inbound == inbound
    assert message.ticket.status == OPEN
    closed = verbs(ticket).count("ticket.closed_unanswered")
    assert closed == results[2]
    if not closed:
        assert (message.ticket, ticket.status) == (ticket, OPEN)
        return "reply first"
    if late:
        assert (ticket.status, ticket.voided_by, message.ticket.follows) == (CLOSED, None, ticket)
        return "late: follow-up"
    assert (message.ticket, ticket.status, ticket.voided_by) == (ticket, OPEN, inbound)
    assert verbs(ticket)[-2:] == ["ticket.close_voided", "ticket.information_added"]
    assert [mail.kind for mail in mails_about(ticket)].count("tickets/void") == 1
    return "in time: voided"


def sweep(passes_before: int) -> int:
    """Close what is due, after so much other work: it reaches the ticket now before the reply, now after it."""
    for _ in range(passes_before):
        tasks.warn_before_close()
    return tasks.close_unanswered()


@pytest.mark.clause("M15")
def test_two_replies_in_time_void_one_close_once(rounds: range):
    for turn in rounds:
        ticket = due(make_contact())
        assert tasks.close_unanswered() == 1
        letters = [
            intake.keep(
                proven(f"Respuesta {turn} {place}", From=ticket.requester.email, Subject=f"RE: {ticket.number}"),
                source="imap",
                received_at=now() - timedelta(minutes=1),
            )[0]
            for place in range(2)
        ]
        results = race(*[partial(intake.handle_once, letter.pk) for letter in letters])
        assert kinds(results) == {"ok": 2}, results
        assert sorted(str(result.reason) for result in results) == ["number", "void"]
        ticket.refresh_from_db()
        assert (ticket.status, ticket.message_count, ticket.messages.count()) == (OPEN, 4, 4)
        assert verbs(ticket).count("ticket.close_voided") == 1


@pytest.mark.clause("M6")
def test_the_same_mail_at_once_is_one_entry_with_one_acknowledgement(rounds: range):
    make_ana()
    for turn in rounds:
        raw = proven(f"Hola {turn}", Message_ID=f"<{turn}@ejemplo.mx>", Subject=f"Falla {turn}")
        results = race(*[partial(deliver, b"Received: hop %d\r\n" % hop + raw) for hop in range(8)])
        assert kinds(results) == {"ok": 8}, results
        said = Counter(str(result.disposition) for result in results)
        assert (said["accept-new"], said["ignore-duplicate"]) == (1, 7), results
        ticket = Ticket.objects.get(subject=f"Falla {turn}")
        assert (ticket.messages.count(), len(mails_about(ticket))) == (1, 1)


@pytest.mark.clause("M6")
def test_the_caps_hold_when_all_come_at_once(rounds: range, settings: Any):
    settings.MAIL_ANSWERS_PER_SENDER = 3
    settings.MAIL_NOTICES_PER_HOUR = 10_000
    for turn in rounds:
        sender = make_ana(registered_email=f"r{turn}@ejemplo.mx") if turn == 0 else None
        assert sender is None or sender.email == ANA
        OutboxMessage.objects.all().delete()
        wipe_quotas()
        mails = [proven(f"a{turn} {place}", Subject=f"Falla {turn} {place}") for place in range(6)]
        strange = [proven(f"b{turn} {place}", From=f"x{turn}@otra.mx") for place in range(4)]
        results = race(*[partial(deliver, raw) for raw in mails + strange])
        assert kinds(results) == {"ok": 10}, results
        kinds_sent = Counter(OutboxMessage.objects.values_list("kind", flat=True))
        assert kinds_sent == {"tickets/opened": 3, "tickets/unproven": 1}


def wipe_quotas() -> None:
    MailQuota.objects.all().delete()


@pytest.mark.clause("M6", "M15")
def test_the_flips_of_an_hour_are_counted_once(rounds: range, settings: Any):
    """The last flip that is left goes to one of two mails; whoever comes second finds it Abierto, or is held."""
    settings.MAIL_FLIPS_PER_HOUR = 1
    ana = make_ana()
    for turn in rounds:
        ticket = make_ticket(WAITING, requester=ana)
        raws = [proven(f"{turn} {place}", Subject=f"RE: {ticket.number}") for place in range(2)]
        assert kinds(race(*[partial(deliver, raw) for raw in raws])) == {"ok": 2}
        ticket.refresh_from_db()
        assert (ticket.status, ticket.message_count) == (OPEN, 4)
        agent = User.objects.filter(is_staff=True, is_superuser=False).latest("pk")
        operations.answer(ticket.pk, agent=agent, body="¿Y?", wait_reason="detail")
        raws = [proven(f"{turn} otra {place}", Subject=f"RE: {ticket.number}") for place in range(2)]
        assert kinds(race(*[partial(deliver, raw) for raw in raws])) == {"ok": 2}
        ticket.refresh_from_db()
        assert (ticket.status, ticket.close_held_reason, ticket.message_count) == (WAITING, "flips", 7)
    assert not InboundMessage.objects.filter(disposition="").exists()
