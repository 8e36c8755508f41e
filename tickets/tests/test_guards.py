"""What raw SQL cannot do to a ticket, on either engine: each attempt is refused by the named constraint or trigger.

On SQLite every REPLACE is tried twice: by Django's connection, and by a bare sqlite3 one with `recursive_triggers`
and `foreign_keys` off, as anybody's shell would open the file.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection, models

from factureya.core import clock
from factureya.core.mail import outbox
from factureya.core.models import Attachment, Event, OutboxMessage
from factureya.testing.people import make_agent, make_contact
from factureya.testing.raw_sql import (
    copy_statement,
    execute,
    execute_bare,
    postgres_only,
    refused_by,
    sqlite_only,
    update,
)
from factureya.testing.tickets import let_it_close, mails_about, make_ticket
from tickets import guards, operations
from tickets.models import Message, Note, Ticket, TicketFile

pytestmark = pytest.mark.django_db

DAY = timedelta(hours=24)
Move = Callable[..., None]


def reminded(sent_before: timedelta = DAY) -> Ticket:
    """A waiting ticket whose reminder went out `sent_before` before its `closes_at`; nothing else was moved."""
    ticket = make_ticket(Ticket.Status.WAITING)
    assert ticket.closes_at is not None
    with clock.at(ticket.closes_at - DAY - timedelta(minutes=5)):
        operations.warn_before_close(ticket.pk)
    ticket.refresh_from_db()
    OutboxMessage.objects.filter(pk=ticket.reminder_id).update(
        status=OutboxMessage.Status.SENT, sent_at=ticket.closes_at - sent_before
    )
    return ticket


def close_raw(ticket: Ticket, *, after: timedelta = timedelta(seconds=1), **columns: Any) -> None:
    """UPDATE a ticket to *sin respuesta*, `after` its `closes_at`."""
    assert ticket.closes_at is not None
    closed_at = columns.pop("closed_at", ticket.closes_at + after)
    update(ticket, status="closed", closed_reason="unanswered", closed_at=closed_at, **columns)


# -- En espera ---------------------------------------------------------------------------------------

SOON = datetime.fromisoformat("2026-11-24T16:05:00+00:00")


@pytest.mark.clause("M14", "M15")
@pytest.mark.parametrize("missing", ["wait_reason", "waiting_since", "closes_at"])
def test_waiting_needs_reason_and_instant(missing: str):
    wait = {"wait_reason": "detail", "waiting_since": SOON, "closes_at": SOON, missing: None}
    ticket = make_ticket()
    with refused_by("waiting_has_reason_and_instant"):
        update(ticket, status="waiting", **wait)


@pytest.mark.clause("M14")
def test_a_waiting_ticket_keeps_its_reason():
    ticket = make_ticket(Ticket.Status.WAITING)
    with refused_by("waiting_has_reason_and_instant"):
        update(ticket, wait_reason=None)


@pytest.mark.clause("M14")
def test_unknown_words_are_refused():
    ticket = make_ticket(Ticket.Status.WAITING)
    with refused_by("wait_reason_is_known"):
        update(ticket, wait_reason="holidays")
    ticket = make_ticket()
    with refused_by("status_is_known", "only_waiting_has_wait_reason"):
        update(ticket, status="merged")
    ticket = make_ticket()
    with refused_by("closed_reason_is_known"):
        update(ticket, status="closed", closed_reason="boredom", closed_at=SOON)


@pytest.mark.clause("M13", "M14")
@pytest.mark.parametrize("column", ["wait_reason", "closes_at"])
def test_an_open_ticket_waits_for_nothing(column: str):
    value = {"wait_reason": "detail", "closes_at": SOON}[column]
    ticket = make_ticket()
    with refused_by("only_waiting_has_wait_reason"):
        update(ticket, **{column: value})


# -- Cerrado -----------------------------------------------------------------------------------------


@pytest.mark.clause("M12", "M15")
@pytest.mark.parametrize("missing", ["closed_reason", "closed_at"])
@pytest.mark.parametrize("before", [Ticket.Status.OPEN, Ticket.Status.WAITING])
def test_closed_needs_reason_and_time(before: str, missing: str):
    close = {"closed_reason": "confirmed", "closed_at": SOON, missing: None}
    ticket = make_ticket(before)
    with refused_by("closed_has_reason_and_instant"):
        update(ticket, status="closed", **close)


@pytest.mark.clause("M12")
def test_only_closed_has_a_reason_to_be_closed():
    ticket = make_ticket()
    with refused_by("closed_has_reason_and_instant"):
        update(ticket, closed_reason="confirmed", closed_at=SOON)


@pytest.mark.clause("M12")
@pytest.mark.parametrize("silent", [False, True], ids=["confirmed", "unanswered"])
@pytest.mark.parametrize(
    "change",
    [
        {"status": "open", "closed_reason": None, "closed_at": None},
        {
            "status": "open",
            "closed_reason": None,
            "closed_at": None,
            "wait_reason": None,
            "closes_at": None,
            "reminder_id": None,
        },
        {
            "status": "waiting",
            "closed_reason": None,
            "closed_at": None,
            "wait_reason": "detail",
            "waiting_since": SOON,
            "closes_at": SOON,
        },
        {"closed_at": SOON},
        {"closed_at": None},
        {"closed_reason": None},
        {"wait_reason": "authorization"},
        {"waiting_since": SOON},
        {"closes_at": SOON},
    ],
    ids=lambda change: ",".join(f"{k}={v}" for k, v in change.items())[:60],
)
def test_closed_is_final(silent: bool, change: dict[str, Any]):
    ticket = let_it_close(make_ticket(Ticket.Status.WAITING)) if silent else make_ticket("closed")
    with refused_by("ticket_closed_is_final"):
        update(ticket, **change)


@pytest.mark.clause("M12", "M15")
def test_the_reason_of_a_close_is_final():
    ticket = let_it_close(make_ticket(Ticket.Status.WAITING))
    with refused_by("ticket_closed_is_final"):
        update(ticket, closed_reason="confirmed")
    ticket = make_ticket("closed")
    with refused_by("ticket_closed_is_final"):
        update(ticket, closed_reason="unanswered")


@pytest.mark.clause("M15")
def test_the_reminder_of_a_close_is_final():
    ticket, other = let_it_close(make_ticket(Ticket.Status.WAITING)), reminded()
    mail = other.reminder_id
    operations.add_information(other.pk, author=other.requester, body="Aquí está")
    with refused_by("ticket_closed_is_final"):
        update(ticket, reminder_id=mail)
    with refused_by("ticket_closed_is_final"):
        update(ticket, reminder_id=None)


# -- Sin respuesta -----------------------------------------------------------------------------------


@pytest.mark.clause("M15")
def test_silence_closes_by_hand_only_as_the_operation_would():
    """The control: the one statement that is not refused."""
    ticket = reminded()
    close_raw(ticket)
    ticket.refresh_from_db()
    assert ticket.closed_reason == Ticket.ClosedReason.UNANSWERED


@pytest.mark.clause("M15")
@pytest.mark.parametrize("after", [timedelta(0), timedelta(seconds=-1), -DAY], ids=str)
def test_not_at_or_before_closes_at(after: timedelta):
    ticket = reminded(3 * DAY)
    with refused_by("unanswered_only_after_closes_at"):
        close_raw(ticket, after=after)


@pytest.mark.clause("M15")
def test_not_by_moving_closes_at_in_the_same_statement():
    ticket = reminded(3 * DAY)
    assert ticket.closes_at is not None
    with refused_by("ticket_unanswered_only_from_waiting"):
        close_raw(ticket, after=-DAY, closes_at=ticket.closes_at - 2 * DAY)


@pytest.mark.clause("M15")
def test_not_from_abierto():
    ticket = reminded()
    mail, closes_at = ticket.reminder_id, ticket.closes_at
    operations.add_information(ticket.pk, author=ticket.requester, body="Aquí está")
    with refused_by("ticket_unanswered_only_from_waiting"):
        close_raw(ticket, closes_at=closes_at, reminder_id=mail)


@pytest.mark.clause("M15")
def test_not_by_being_born_so():
    ticket = let_it_close(make_ticket(Ticket.Status.WAITING))
    sql, params = copy_statement(Ticket, ticket.pk, "INSERT", number="FY-0000-0000", reminder_id=None)
    with refused_by("ticket_born_open"):
        execute(sql, *params)


@pytest.mark.clause("M15")
def test_not_without_a_reminder():
    ticket = make_ticket(Ticket.Status.WAITING)
    with refused_by("ticket_unanswered_only_from_waiting", "ticket_unanswered_reminded_24_h"):
        close_raw(ticket)


@pytest.mark.clause("M15")
def test_not_by_losing_the_reminder_in_the_same_statement():
    # The triggers come before the CHECK `unanswered_has_reminder`, which says the same.
    ticket = reminded()
    with refused_by("unanswered_has_reminder", "ticket_unanswered_reminded_24_h"):
        close_raw(ticket, reminder_id=None)


@pytest.mark.clause("M15")
def test_not_with_the_reminder_of_another_ticket():
    ticket, other = make_ticket(Ticket.Status.WAITING), reminded(3 * DAY)
    mail = other.reminder_id
    operations.add_information(other.pk, author=other.requester, body="Aquí está")
    update(ticket, reminder_id=mail)
    with refused_by("ticket_unanswered_reminded_24_h"):
        close_raw(ticket, after=2 * DAY)


@pytest.mark.clause("M15")
def test_not_with_another_mail_of_the_ticket():
    ticket = make_ticket(Ticket.Status.WAITING)
    opened = mails_about(ticket)[0]
    assert outbox.deliver(opened.pk)
    update(ticket, reminder_id=opened.pk)
    with refused_by("ticket_unanswered_reminded_24_h"):
        close_raw(ticket)


@pytest.mark.clause("M15")
@pytest.mark.parametrize("status", ["queued", "sending", "failed", "dropped"])
def test_not_while_the_reminder_has_not_left(status: str):
    ticket = reminded()
    OutboxMessage.objects.filter(pk=ticket.reminder_id).update(status=status, sent_at=None)
    with refused_by("ticket_unanswered_reminded_24_h"):
        close_raw(ticket, after=5 * DAY)


@pytest.mark.clause("M15")
def test_not_with_a_reminder_of_23_h_59_min_59_s():
    ticket = reminded(timedelta(hours=23, minutes=59, seconds=58))
    with refused_by("ticket_unanswered_reminded_24_h"):
        close_raw(ticket)
    close_raw(ticket, after=timedelta(seconds=2))
    ticket.refresh_from_db()
    assert ticket.status == Ticket.Status.CLOSED


@sqlite_only
@pytest.mark.clause("M15")
@pytest.mark.parametrize("tail", ["", "+06:00", "Z", ".5"])
def test_not_by_an_instant_that_only_looks_later(tail: str):
    """SQLite compares text: «…T09:00» comes after «… 10:00»."""
    ticket = reminded(3 * DAY)
    assert ticket.closes_at is not None
    early = ticket.closes_at - timedelta(hours=1) if not tail else ticket.closes_at
    text = early.strftime("%Y-%m-%dT%H:%M:%S" if not tail else "%Y-%m-%d %H:%M:%S") + (tail or ".000000")
    with refused_by("ticket_unanswered_instants", "unanswered_only_after_closes_at"):
        close_raw(ticket, closed_at=text)


# -- What is written stays ---------------------------------------------------------------------------


def history() -> dict[str, tuple[type[models.Model], int]]:
    """A ticket with a message, a note, a file and an event: the last row of each."""
    agent, author = make_agent(), make_contact()
    files = [
        Attachment.objects.create(token=f"t{n}", file="x", name="x.png", content_type="image/png", size=1, draft="k")
        for n in range(2)
    ]
    ticket = make_ticket(requester=author, files=files[:1], form_key="k1")
    operations.add_note(ticket.pk, agent=agent, body="Solo para nosotros", files=files[1:], form_key="k2")
    rows: tuple[type[models.Model], ...] = (Ticket, Message, Note, TicketFile, Event)
    return {model._meta.db_table: (model, model._default_manager.latest("pk").pk) for model in rows}


TEXTS = {"tickets_message": "body", "tickets_note": "body", "tickets_ticketfile": "note_id", "core_event": "verb"}


@pytest.mark.clause("M16", "M26")
@pytest.mark.parametrize("table", TEXTS)
def test_history_is_not_edited(table: str):
    _model, pk = history()[table]
    with refused_by(f"{table}_no_update"):
        execute(f"UPDATE {table} SET {TEXTS[table]} = {TEXTS[table]} WHERE id = %s", pk)


@pytest.mark.clause("M16", "M26")
@pytest.mark.parametrize("table", [*TEXTS, "tickets_ticket"])
def test_history_is_not_deleted(table: str):
    _model, pk = history()[table]
    with refused_by("ticket_no_delete" if table == "tickets_ticket" else f"{table}_no_delete"):
        execute(f"DELETE FROM {table} WHERE id = %s", pk)


@pytest.mark.clause("M10")
@pytest.mark.parametrize("column", ["number", "id"])
def test_the_number_never_changes(column: str):
    ticket = make_ticket()
    with refused_by("ticket_number_never_changes"):
        update(ticket, **{column: {"number": "FY-0000-0000", "id": ticket.pk + 1000}[column]})


REPLACED = {
    "ticket by id": ("tickets_ticket", ("id",)),
    "ticket by number": ("tickets_ticket", ("number",)),
    "message by id": ("tickets_message", ("id",)),
    "message by form": ("tickets_message", ("form_key",)),
    "message by place": ("tickets_message", ("ticket_id", "seq")),
    "note by id": ("tickets_note", ("id",)),
    "note by form": ("tickets_note", ("form_key",)),
    "file by id": ("tickets_ticketfile", ("id",)),
    "file by attachment": ("tickets_ticketfile", ("attachment_id",)),
    "event by id": ("core_event", ("id",)),
    "event by hash": ("core_event", ("hash",)),
    "event by place": ("core_event", ("chain", "seq")),
}
# Keys that are made fresh, so that the row collides by the key under test alone.
FRESH = {"number": "FY-0000-0000", "form_key": "fresh", "seq": 999, "attachment_id": None, "hash": "f" * 64}


def replacement(name: str, verb: str) -> tuple[str, list[Any]]:
    """The statement that would put another row in the place of one of `history()`."""
    table, keys = REPLACED[name]
    model, pk = history()[table]
    columns = {field.column for field in model._meta.concrete_fields}
    fresh = {key: value for key, value in FRESH.items() if key in columns and key not in keys}
    if "attachment_id" in fresh:
        fresh["attachment_id"] = Attachment.objects.create(
            token="fresh", file="x", name="x.png", content_type="image/png", size=1
        ).pk
    return copy_statement(model, pk, verb, **fresh, **({"id": pk} if "id" in keys else {}))


@sqlite_only
@pytest.mark.clause("M12", "M16", "M26")
@pytest.mark.parametrize("bare", [False, True], ids=["django", "bare"])
@pytest.mark.parametrize("verb", ["REPLACE", "INSERT OR REPLACE"])
@pytest.mark.parametrize("name", REPLACED)
def test_nothing_is_replaced(name: str, verb: str, bare: bool):
    sql, params = replacement(name, verb)
    with refused_by(f"{REPLACED[name][0]}_no_replace"):
        (execute_bare if bare else execute)(sql, *params)


@sqlite_only
@pytest.mark.clause("M15")
@pytest.mark.parametrize("bare", [False, True], ids=["django", "bare"])
def test_no_ticket_is_replaced_by_its_reminder(bare: bool):
    run = execute_bare if bare else execute
    holder, other = reminded(), make_ticket(Ticket.Status.WAITING)
    sql, params = copy_statement(Ticket, holder.pk, "REPLACE", number="FY-0000-0000")
    with refused_by("tickets_ticket_no_replace"):
        run(sql, *params)
    sql = "UPDATE OR REPLACE tickets_ticket SET reminder_id = %s WHERE id = %s"
    with refused_by("ticket_reminder_is_its_own"):
        run(sql, holder.reminder_id, other.pk)


@postgres_only
@pytest.mark.clause("M12", "M26")
def test_no_upsert_passes():
    ticket = make_ticket("closed")
    sql, params = copy_statement(Ticket, ticket.pk, "INSERT", reminder_id=None)
    upsert = " ON CONFLICT (number) DO UPDATE SET status = 'open', closed_at = NULL, closed_reason = NULL"
    with refused_by("ticket_closed_is_final"):
        execute(sql + upsert, *params)
    sql, params = copy_statement(Event, Event.objects.latest("pk").pk, "INSERT")
    with refused_by("core_event_no_update"):
        execute(sql + " ON CONFLICT (hash) DO UPDATE SET verb = 'x'", *params)


# -- They are all there ------------------------------------------------------------------------------


@pytest.mark.clause("M12", "M15", "M16")
def test_every_guard_is_there_after_all_migrations():
    catalog = (
        "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name LIKE 'tickets_%%'"
        if connection.vendor == "sqlite"
        else "SELECT tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid "
        "WHERE NOT tgisinternal AND c.relname LIKE 'tickets_%%'"
    )
    with connection.cursor() as cursor:
        cursor.execute(catalog, [])
        there = {name for (name,) in cursor.fetchall()}
    wanted = {
        guard.name
        for guard in guards.GUARDS
        if connection.vendor in guard.engines and guard.table.startswith("tickets_")
    }
    assert wanted <= there
