"""More than 3 days of silence (M15): the clock, its reminder, its boundaries, and beat late, twice or down for days."""

import re
from collections.abc import Callable, Container
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core.mail import EmailMessage
from django.core.management import call_command
from django.db import connection
from time_machine import travel

from accounts.models import Office, Provider
from factureya.core.mail import outbox
from factureya.core.models import Heartbeat, OutboxMessage
from factureya.testing.people import make_agent, make_staff
from factureya.testing.tickets import make_ticket
from tickets import apps, operations, tasks
from tickets.desk import wording
from tickets.models import Ticket

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M15")]

MEXICO = ZoneInfo("America/Mexico_City")
WAITING, CLOSED = Ticket.Status.WAITING, Ticket.Status.CLOSED
UNANSWERED = Ticket.ClosedReason.UNANSWERED
HOUR, MINUTE, SECOND, MICROSECOND = (timedelta(**{u: 1}) for u in ("hours", "minutes", "seconds", "microseconds"))
DAY = 24 * HOUR


def local(text: str) -> datetime:
    """An instant as a person in Mexico City writes it."""
    return datetime.fromisoformat(text).replace(tzinfo=MEXICO)


TUESDAY = local("2026-11-24 10:05:00")


def at(instant: datetime) -> travel:
    """Stand at this instant; the clock does not run."""
    return travel(instant, tick=False)


@pytest.fixture
def ticket() -> Ticket:
    """A ticket that began to wait on Tuesday at 10:05."""
    return waiting_since(TUESDAY)


def waiting_since(instant: datetime) -> Ticket:
    with at(instant):
        return make_ticket(WAITING)


def send_reminder(ticket: Ticket) -> None:
    """The outbox delivers the reminder now."""
    ticket.refresh_from_db()
    assert ticket.reminder_id is not None
    assert outbox.deliver(ticket.reminder_id)
    ticket.refresh_from_db()


def reminders(ticket: Ticket) -> list[OutboxMessage]:
    return list(OutboxMessage.objects.filter(about=ticket.chain, kind="tickets/reminder").order_by("pk"))


# -- The boundary, on the operation itself -----------------------------------------------------------


def test_reminded_at_48_00_00_open_at_72_00_00_closed_at_72_00_01(ticket: Ticket):
    assert ticket.closes_at == TUESDAY + 72 * HOUR
    with at(TUESDAY + 48 * HOUR):
        operations.warn_before_close(ticket.pk)
        send_reminder(ticket)
    assert ticket.closes_at == TUESDAY + 72 * HOUR
    with at(TUESDAY + 72 * HOUR), pytest.raises(operations.WrongStatus, match="no ha vencido"):
        operations.close_unanswered(ticket.pk)
    ticket.refresh_from_db()
    assert ticket.status == WAITING
    with at(TUESDAY + 72 * HOUR + SECOND):
        assert operations.close_unanswered(ticket.pk)
    ticket.refresh_from_db()
    assert (ticket.status, ticket.closed_reason) == (CLOSED, UNANSWERED)
    assert ticket.closed_at == TUESDAY + 72 * HOUR + SECOND
    assert ticket.closes_at == TUESDAY + 72 * HOUR  # kept as evidence, with the reminder
    assert [e.verb for e in ticket.events()] == [
        "ticket.opened",
        "ticket.answered",
        "ticket.reminder_queued",
        "ticket.reminded",
        "ticket.closed_unanswered",
    ]


def test_a_microsecond_is_more_than_three_days(ticket: Ticket):
    with at(TUESDAY + 48 * HOUR):
        operations.warn_before_close(ticket.pk)
        send_reminder(ticket)
    with at(TUESDAY + 72 * HOUR + MICROSECOND):
        assert operations.close_unanswered(ticket.pk)


def test_the_reminder_is_queued_ten_minutes_early_and_not_a_second_before(ticket: Ticket):
    due = TUESDAY + 48 * HOUR - 10 * MINUTE
    with at(due - SECOND), pytest.raises(operations.WrongStatus, match="todavía no"):
        operations.warn_before_close(ticket.pk)
    with at(due):
        assert operations.warn_before_close(ticket.pk).closes_at == TUESDAY + 72 * HOUR
        with pytest.raises(operations.WrongStatus, match="ya tiene recordatorio"):
            operations.warn_before_close(ticket.pk)


def test_a_reminder_of_23_59_59_does_not_close(ticket: Ticket):
    """Also when somebody moved `closes_at` back: the operation looks at the reminder's own age."""
    with at(TUESDAY + 48 * HOUR):
        operations.warn_before_close(ticket.pk)
        send_reminder(ticket)
    Ticket.objects.filter(pk=ticket.pk).update(closes_at=TUESDAY + 50 * HOUR)
    with at(TUESDAY + 72 * HOUR - SECOND), pytest.raises(operations.WrongStatus, match="24 horas"):
        operations.close_unanswered(ticket.pk)
    with at(TUESDAY + 72 * HOUR):
        assert operations.close_unanswered(ticket.pk)


# -- Calendars ---------------------------------------------------------------------------------------

CALENDARS = {
    "natural": ("natural", "2026-11-24 10:05", "2026-11-27 10:05"),
    "natural over a weekend": ("natural", "2026-11-27 17:00", "2026-11-30 17:00"),
    "natural ends on Sunday": ("natural", "2026-11-26 17:00", "2026-11-29 17:00"),
    "natural over a holiday": ("natural", "2026-11-14 10:00", "2026-11-17 10:00"),
    "natural in the lunch gap": ("natural", "2026-11-24 14:30", "2026-11-27 14:30"),
    "natural at night": ("natural", "2026-11-24 23:30", "2026-11-27 23:30"),
    "business": ("business", "2026-11-24 10:05", "2026-11-27 10:05"),
    "business over a weekend": ("business", "2026-11-27 17:00", "2026-12-02 17:00"),
    "business over a holiday": ("business", "2026-11-13 17:00", "2026-11-19 17:00"),
    "business in the lunch gap": ("business", "2026-11-24 14:30", "2026-11-27 15:00"),
    "business before opening": ("business", "2026-11-24 07:10", "2026-11-27 09:00"),
    "business after closing": ("business", "2026-11-24 19:00", "2026-11-30 09:00"),
    "business on Saturday": ("business", "2026-11-28 11:00", "2026-12-03 09:00"),
    "business on a holiday": ("business", "2026-11-16 11:00", "2026-11-20 09:00"),
}


@pytest.mark.parametrize("name", CALENDARS)
def test_closes_after_three_days_of_its_calendar(name: str, settings: Any):
    settings.CUSTOMER_REPLY_CALENDAR, since, until = CALENDARS[name]
    closes_at = local(until)
    ticket = waiting_since(local(since))
    assert ticket.closes_at == closes_at
    with at(closes_at - DAY - 10 * MINUTE - SECOND):  # 24 natural hours before, whichever calendar
        assert tasks.warn_before_close() == 0
    with at(closes_at - DAY - 10 * MINUTE):
        assert tasks.warn_before_close() == 1
        send_reminder(ticket)
    with at(closes_at):
        assert tasks.close_unanswered() == 0
    with at(closes_at + SECOND):
        assert tasks.close_unanswered() == 1
    ticket.refresh_from_db()
    assert (ticket.closed_reason, ticket.closed_at) == (UNANSWERED, closes_at + SECOND)


def test_the_days_are_a_setting(settings: Any):
    settings.CUSTOMER_REPLY_DAYS = 5
    assert waiting_since(TUESDAY).closes_at == TUESDAY + 5 * DAY


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("REMINDER_HOURS", 23, "tickets.E001"),
        ("CUSTOMER_REPLY_CALENDAR", "lunar", "tickets.E002"),
        ("CUSTOMER_REPLY_DAYS", 0, "tickets.E003"),
        ("CHARGE_TAX_RATE", 10_001, "tickets.E004"),
    ],
)
def test_settings_that_would_break_the_promise_are_refused(name: str, value: Any, fault: str, settings: Any):
    assert apps.check_times() == []
    setattr(settings, name, value)
    assert [error.id for error in apps.check_times()] == [fault]


# -- What moves the clock and what does not ----------------------------------------------------------


def take_over(ticket: Ticket) -> None:
    agent = make_agent()
    operations.assign(ticket.pk, agent=agent, assignee=None)
    operations.take(ticket.pk, agent=agent)


CLOCK = ("status", "wait_reason", "waiting_since", "closes_at", "reminder_id", "queue_at", "solution_proposed_at")
SILENT: dict[str, Callable[[Ticket], Any]] = {
    "note": lambda t: operations.add_note(t.pk, agent=make_agent(), body="Ojo"),
    "classify": lambda t: operations.classify(t.pk, agent=make_agent(), category="access", impact=1),
    "assign": lambda t: operations.assign(t.pk, agent=make_agent(), assignee=make_agent()),
    "take": take_over,
    "hand over": lambda t: operations.hand_over(
        t.pk, supervisor=make_staff(Office.SUPERVISOR), provider=Provider.objects.create(name="Otro")
    ),
}


@pytest.mark.parametrize("reminded", [False, True], ids=["before the reminder", "after the reminder"])
@pytest.mark.parametrize("name", SILENT)
def test_notes_tags_and_assignment_never_move_the_clock(ticket: Ticket, name: str, reminded: bool):
    with at(TUESDAY + 48 * HOUR):
        if reminded:
            operations.warn_before_close(ticket.pk)
            send_reminder(ticket)
    before = Ticket.objects.filter(pk=ticket.pk).values(*CLOCK).get()
    with at(TUESDAY + 60 * HOUR):
        SILENT[name](ticket)
    assert Ticket.objects.filter(pk=ticket.pk).values(*CLOCK).get() == before


def test_each_further_public_message_restarts_the_clock_and_needs_a_new_reminder(ticket: Ticket):
    with at(TUESDAY + 48 * HOUR):
        operations.warn_before_close(ticket.pk)
        send_reminder(ticket)
    with at(TUESDAY + 50 * HOUR):
        ticket = operations.answer(ticket.pk, agent=make_agent(), body="¿Pudo?", wait_reason="detail")
    assert (ticket.closes_at, ticket.reminder_id) == (TUESDAY + 122 * HOUR, None)
    with at(TUESDAY + 72 * HOUR + SECOND):
        assert (tasks.warn_before_close(), tasks.close_unanswered()) == (0, 0)
    with at(TUESDAY + 98 * HOUR):
        assert tasks.warn_before_close() == 1
        send_reminder(ticket)
    with at(TUESDAY + 122 * HOUR):
        assert tasks.close_unanswered() == 0
    with at(TUESDAY + 122 * HOUR + SECOND):
        assert tasks.close_unanswered() == 1
    assert [mail.status for mail in reminders(ticket)] == ["sent", "sent"]


@pytest.mark.parametrize("move", ["answer", "add_information", "confirm_resolved"])
def test_a_reminder_that_has_not_left_is_dropped(ticket: Ticket, move: str):
    with at(TUESDAY + 48 * HOUR):
        operations.warn_before_close(ticket.pk)
        MOVES[move](ticket)
        assert outbox.deliver(reminders(ticket)[0].pk) is False
    ticket.refresh_from_db()
    assert ticket.reminder_id is None
    assert [mail.status for mail in reminders(ticket)] == ["dropped"]


MOVES: dict[str, Callable[[Ticket], Any]] = {
    "answer": lambda t: operations.answer(t.pk, agent=make_agent(), body="¿Pudo?", wait_reason="detail"),
    "add_information": lambda t: operations.add_information(t.pk, author=t.requester, body="Aquí está"),
    "confirm_resolved": lambda t: operations.confirm_resolved(t.pk, author=t.requester),
}


@pytest.mark.parametrize("fails", [False, True], ids=["left", "failed"])
def test_a_reminder_answered_while_it_is_being_sent_is_not_tried_again(
    ticket: Ticket, fails: bool, monkeypatch: pytest.MonkeyPatch
):
    def send(_mail: EmailMessage) -> None:
        operations.add_information(ticket.pk, author=ticket.requester, body="Aquí está")
        if fails:
            raise OSError("connection lost")

    monkeypatch.setattr(EmailMessage, "send", send)
    with at(TUESDAY + 48 * HOUR):
        operations.warn_before_close(ticket.pk)
        mail = reminders(ticket)[0]
        assert outbox.deliver(mail.pk) is not fails
    with at(TUESDAY + 60 * HOUR):
        assert not outbox.deliver(mail.pk)
        outbox.requeue_stuck()
        assert not outbox.retry(mail.pk)
    mail.refresh_from_db()
    ticket.refresh_from_db()
    assert mail.status == ("dropped" if fails else "sent")
    assert (ticket.status, ticket.closes_at, ticket.reminder_id) == ("open", None, None)
    assert "ticket.reminded" not in {event.verb for event in ticket.events()}


# -- Late, twice, down for days ----------------------------------------------------------------------


def test_a_reminder_that_leaves_late_gives_24_hours_from_then(ticket: Ticket):
    with at(TUESDAY + 48 * HOUR - 10 * MINUTE):
        tasks.warn_before_close()
    with at(TUESDAY + 55 * HOUR):
        send_reminder(ticket)
    assert ticket.closes_at == ticket.queue_at == TUESDAY + 79 * HOUR
    assert ticket.events().latest("seq").data["closes_at"] == ticket.closes_at.isoformat()
    with at(TUESDAY + 79 * HOUR):
        assert tasks.close_unanswered() == 0
    with at(TUESDAY + 79 * HOUR + SECOND):
        assert tasks.close_unanswered() == 1


@pytest.mark.parametrize("first", [tasks.warn_before_close, tasks.close_unanswered], ids=["warn", "close"])
def test_beat_off_for_five_days(ticket: Ticket, first: Callable[[], int]):
    """Then on: the reminder now, the close 24 h after it went out."""
    with at(TUESDAY + 5 * DAY):
        first()
        assert (tasks.warn_before_close(), tasks.close_unanswered()) == (0, 0)
    ticket.refresh_from_db()
    assert (ticket.status, ticket.closes_at) == (WAITING, TUESDAY + 6 * DAY)
    with at(TUESDAY + 5 * DAY + 3 * MINUTE):
        send_reminder(ticket)
    assert ticket.closes_at == TUESDAY + 6 * DAY + 3 * MINUTE
    with at(TUESDAY + 6 * DAY + 3 * MINUTE):
        assert tasks.close_unanswered() == 0
    with at(TUESDAY + 6 * DAY + 3 * MINUTE + SECOND):
        assert tasks.close_unanswered() == 1
    assert len(reminders(ticket)) == 1


def test_each_sweep_twice_gives_the_same_result(ticket: Ticket):
    with at(TUESDAY + 48 * HOUR):
        assert [tasks.warn_before_close() for _ in range(2)] == [1, 0]
        send_reminder(ticket)
    with at(TUESDAY + 72 * HOUR + SECOND):
        assert [tasks.close_unanswered() for _ in range(2)] == [1, 0]
        with pytest.raises(operations.TicketClosed):
            operations.close_unanswered(ticket.pk)
    assert len(reminders(ticket)) == 1
    assert [e.verb for e in ticket.events()].count("ticket.closed_unanswered") == 1


def test_a_reminder_told_twice_changes_nothing_once_the_ticket_is_closed(ticket: Ticket):
    with at(TUESDAY + 48 * HOUR):
        tasks.warn_before_close()
        send_reminder(ticket)
    with at(TUESDAY + 72 * HOUR + SECOND):
        tasks.close_unanswered()
    before = Ticket.objects.values().get(pk=ticket.pk), ticket.events().count()
    operations.reminder_sent(reminders(ticket)[0], TUESDAY + 80 * HOUR)
    assert (Ticket.objects.values().get(pk=ticket.pk), ticket.events().count()) == before


def test_a_queued_reminder_does_not_close(ticket: Ticket):
    with at(TUESDAY + 48 * HOUR):
        tasks.warn_before_close()
    with at(TUESDAY + 30 * DAY):
        assert (tasks.warn_before_close(), tasks.close_unanswered()) == (0, 0)
        with pytest.raises(operations.WrongStatus, match="no ha salido"):
            operations.close_unanswered(ticket.pk)


def test_a_failed_reminder_does_not_close_until_it_is_sent_again(
    ticket: Ticket, settings: Any, monkeypatch: pytest.MonkeyPatch
):
    with monkeypatch.context() as patch:
        patch.setattr(EmailMessage, "send", refuse)
        for attempt in range(settings.OUTBOX_MAX_ATTEMPTS):
            with at(TUESDAY + 48 * HOUR + attempt * 3 * HOUR):
                tasks.warn_before_close()
                assert not outbox.deliver(reminders(ticket)[0].pk)
    assert reminders(ticket)[0].status == "failed"
    ticket.refresh_from_db()
    assert wording.describe_headline(ticket, TUESDAY).text.startswith("No se cierra: el recordatorio no se pudo enviar")
    with at(TUESDAY + 30 * DAY):
        assert (tasks.warn_before_close(), tasks.close_unanswered()) == (0, 0)
        with pytest.raises(operations.WrongStatus, match="no ha salido"):
            operations.close_unanswered(ticket.pk)
        assert outbox.retry(reminders(ticket)[0].pk)
        send_reminder(ticket)
    assert ticket.closes_at == TUESDAY + 31 * DAY
    with at(TUESDAY + 31 * DAY + SECOND):
        assert tasks.close_unanswered() == 1


def refuse(_mail: EmailMessage) -> None:
    raise OSError("mail server down")


def test_one_ticket_that_cannot_be_closed_does_not_stop_the_sweep(
    ticket: Ticket, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    other = waiting_since(TUESDAY)
    with at(TUESDAY + 48 * HOUR):
        assert tasks.warn_before_close() == 2
        send_reminder(ticket)
        send_reminder(other)
    close = operations.close_unanswered
    monkeypatch.setattr(operations, "close_unanswered", lambda pk: close(pk) if pk == other.pk else 1 / 0)
    with at(TUESDAY + 72 * HOUR + SECOND):
        assert tasks.close_unanswered() == 1
    assert "the sweep goes on without it" in caplog.text
    other.refresh_from_db()
    assert other.status == CLOSED


def test_a_reply_between_the_list_and_the_lock_wins(ticket: Ticket, monkeypatch: pytest.MonkeyPatch):
    with at(TUESDAY + 48 * HOUR):
        tasks.warn_before_close()
        send_reminder(ticket)
    close = operations.close_unanswered

    def reply_first(pk: int) -> bool:
        operations.add_information(pk, author=ticket.requester, body="Aquí está")
        return close(pk)

    monkeypatch.setattr(operations, "close_unanswered", reply_first)
    with at(TUESDAY + 72 * HOUR + SECOND):
        assert tasks.close_unanswered() == 0
    ticket.refresh_from_db()
    assert ticket.status == Ticket.Status.OPEN


# -- Operation, task and command alike ---------------------------------------------------------------


def test_the_commands_do_one_pass_and_print_how_many(ticket: Ticket, capsys: pytest.CaptureFixture[str]):
    with at(TUESDAY + 48 * HOUR):
        call_command("warn_before_close")
        send_reminder(ticket)
        assert Heartbeat.objects.get(name="warn_before_close").at == TUESDAY + 48 * HOUR
    with at(TUESDAY + 72 * HOUR + SECOND):
        call_command("close_unanswered")
        call_command("close_unanswered")
        assert Heartbeat.objects.get(name="close_unanswered").at == TUESDAY + 72 * HOUR + SECOND
    assert capsys.readouterr().out.splitlines() == ["Reminders queued: 1", "Closed: 1", "Closed: 0"]
    ticket.refresh_from_db()
    assert ticket.status == CLOSED


def test_a_sweep_with_nothing_due_asks_once(ticket: Ticket, django_assert_num_queries: Any):
    with at(TUESDAY + HOUR):
        tasks.warn_before_close()
        tasks.close_unanswered()
        with django_assert_num_queries(1):
            assert tasks._act_on_each(Ticket.objects.due_to_close(TUESDAY).values_list("pk", flat=True), bool) == 0


def test_the_sweeps_read_their_own_indexes(ticket: Ticket):
    """Held closes are in neither index: the question must exclude them in the same words."""
    due = {"sweep_close": Ticket.objects.due_to_close, "sweep_warn": Ticket.objects.due_to_warn}
    if connection.vendor == "sqlite":
        del due["sweep_warn"]  # without statistics, it takes the unique index of reminders
    else:
        _weigh_the_indexes(ticket, due)
    for index, rows in due.items():
        assert re.search(rf"\b{index}\b", rows(TUESDAY).values_list("pk", flat=True).explain())


def _weigh_the_indexes(ticket: Ticket, mine: Container[str]) -> None:
    """On an empty table every index costs the same: many rows in the keys, and no other index to compete with."""
    Ticket.objects.bulk_create(
        Ticket(
            number=f"T{n}",
            customer=ticket.customer,
            requester=ticket.requester,
            provider=ticket.provider,
            subject="x",
            category="other",
            impact=1,
            channel="portal",
            queue_at=TUESDAY,
        )
        for n in range(500)
    )
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_bitmapscan = off")
        cursor.execute(
            "SELECT indexrelid::regclass::text FROM pg_index"
            " WHERE indrelid = 'tickets_ticket'::regclass AND NOT indisunique"
        )
        for (other,) in cursor.fetchall():
            if other not in mine:
                cursor.execute(f"DROP INDEX {other}")
        cursor.execute("ANALYZE tickets_ticket")
