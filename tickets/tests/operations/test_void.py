"""The only edge out of Cerrado, by raw SQL on both engines: a silence-close that a mail in time voids (M15)."""

from datetime import timedelta
from typing import Any

import pytest

from factureya.core import clock
from factureya.core.models import InboundMessage
from factureya.testing.people import make_agent
from factureya.testing.raw_sql import execute, refused_by, sqlite_only, update
from factureya.testing.tickets import let_it_close, make_inbound, make_ticket
from tickets import operations
from tickets.models import Ticket

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M12", "M15")]
WAITING, CLOSED = Ticket.Status.WAITING, Ticket.Status.CLOSED
MICROSECOND = timedelta(microseconds=1)
OPENED: dict[str, Any] = {
    "status": "open",
    "closed_at": None,
    "closed_reason": None,
    "wait_reason": None,
    "closes_at": None,
    "reminder_id": None,
    "waiting_since": None,
}
FINAL = "ticket_closed_is_final|ticket_voided_only_by_mail_in_time"  # whichever the engine asks first


@pytest.fixture
def silent() -> Ticket:
    return let_it_close(make_ticket(WAITING))


def received(ticket: Ticket, after: timedelta = timedelta(0)) -> InboundMessage:
    """A mail received so much after the close."""
    assert ticket.closed_at is not None
    return make_inbound(ticket.closed_at + after)


@pytest.mark.parametrize("before", [timedelta(0), MICROSECOND, timedelta(days=2)], ids=str)
def test_a_mail_received_by_then_opens_it(silent: Ticket, before: timedelta):
    """The control: the one statement that is not refused."""
    update(silent, **OPENED, voided_by_id=received(silent, -before).pk)
    silent.refresh_from_db()
    assert silent.status == Ticket.Status.OPEN


@pytest.mark.parametrize("late", [MICROSECOND, timedelta(seconds=1), timedelta(days=1)], ids=str)
def test_not_a_mail_received_later(silent: Ticket, late: timedelta):
    mail = received(silent, late)
    with refused_by(FINAL):
        update(silent, **OPENED, voided_by_id=mail.pk)


def test_not_without_a_mail_or_with_one_that_is_not_there(silent: Ticket):
    with refused_by(FINAL):
        update(silent, **OPENED)
    with refused_by(FINAL):
        update(silent, **OPENED, voided_by_id=999_999)


def test_not_a_close_the_customer_confirmed():
    ticket = make_ticket(CLOSED)
    mail = received(ticket, -timedelta(hours=1))
    with refused_by(FINAL):
        update(ticket, **OPENED, voided_by_id=mail.pk)


@pytest.mark.parametrize(
    "kept",
    [
        {"status": "waiting", "wait_reason": "detail"},
        {"closed_at": "as it was", "closed_reason": "unanswered"},
        {"closes_at": "as it was"},
        {"reminder_id": "as it was"},
        {"wait_reason": "detail"},
        {"status": "closed", "closed_reason": "confirmed", "closed_at": "as it was"},
        {"status": "closed", "closed_reason": "unanswered", "closed_at": "as it was"},
    ],
    ids=",".join,
)
def test_not_half_open(silent: Ticket, kept: dict[str, Any]):
    mail = received(silent)
    as_it_was = {name: getattr(silent, name) for name, value in kept.items() if value == "as it was"}
    columns = OPENED | kept | as_it_was
    if columns["status"] == "waiting":
        columns |= {"closes_at": silent.closes_at, "waiting_since": silent.waiting_since}
    names = (FINAL, "only_waiting_has_wait_reason", "closed_has_reason_and_instant")
    with refused_by(*names):
        update(silent, **columns, voided_by_id=mail.pk)


@pytest.mark.parametrize("status", ["open", WAITING, CLOSED, "silent"])
def test_no_other_ticket_names_a_mail_that_voided_it(status: str):
    ticket = let_it_close(make_ticket(WAITING)) if status == "silent" else make_ticket(status)
    mail = make_inbound(clock.now() - timedelta(days=9))
    with refused_by("ticket_voided_only_by_mail_in_time"):
        update(ticket, voided_by_id=mail.pk)


def test_the_mail_that_voided_a_close_stays_its_evidence_and_voids_no_other(silent: Ticket):
    mail = received(silent)
    operations.void_silence_close(silent.pk, inbound=mail)
    for other in (None, received(silent, -MICROSECOND).pk):
        with refused_by("ticket_voided_only_by_mail_in_time"):
            update(silent, voided_by_id=other)
    operations.answer(silent.pk, agent=make_agent(), body="¿Cuál?", wait_reason="detail")
    silent.refresh_from_db()
    silent = let_it_close(silent)
    assert silent.voided_by == mail
    with refused_by(FINAL):
        update(silent, **OPENED)
    second = received(silent)
    assert operations.void_silence_close(silent.pk, inbound=second).voided_by == second


def test_the_operation_asks_the_same(silent: Ticket):
    mail = received(silent, MICROSECOND)
    with pytest.raises(operations.WrongStatus, match="no llegó antes"):
        operations.void_silence_close(silent.pk, inbound=mail)


def test_a_ticket_is_not_born_voided(silent: Ticket):
    mail = received(silent)
    names = [field.column for field in Ticket._meta.concrete_fields if field.column != "id"]
    empty = "closed_at closed_reason closes_at wait_reason close_held_at reminder_id"
    changed = dict.fromkeys(empty.split(), "NULL")
    changed |= {"number": "'FY-0000-0000'", "voided_by_id": str(mail.pk), "status": "'open'"}
    values = ", ".join(changed.get(name, name) for name in names)
    with refused_by("ticket_born_open"):
        execute(
            f"INSERT INTO tickets_ticket ({', '.join(names)}) SELECT {values} FROM tickets_ticket WHERE id = %s",
            silent.pk,
        )


@sqlite_only
@pytest.mark.parametrize("instant", ["2001-01-01T00:00:00", "0", "", "99"])
def test_an_instant_that_sqlite_would_compare_as_text_is_no_evidence(silent: Ticket, instant: str):
    mail = received(silent, timedelta(days=1))
    names = [field.column for field in InboundMessage._meta.concrete_fields if field.column != "id"]
    values = ", ".join({"received_at": "%s", "digest": "'x'"}.get(name, name) for name in names)
    execute(
        f"INSERT INTO core_inboundmessage ({', '.join(names)}) SELECT {values} FROM core_inboundmessage WHERE id = %s",
        instant,
        mail.pk,
    )
    forged = InboundMessage.objects.only("pk").latest("pk")
    with refused_by(FINAL):
        update(silent, **OPENED, voided_by_id=forged.pk)


# -- A close that is held ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "columns",
    [
        {"close_held_at": "now"},
        {"close_held_reason": "bounce"},
        {"close_held_at": "now", "close_held_reason": "boredom"},
    ],
    ids=str,
)
def test_a_held_close_has_its_instant_and_one_of_two_reasons(columns: dict[str, Any]):
    ticket = make_ticket(WAITING)
    with refused_by("only_a_wait_is_held"):
        update(ticket, **{name: clock.now() if value == "now" else value for name, value in columns.items()})


@pytest.mark.parametrize("status", ["open", CLOSED])
def test_only_a_wait_is_held(status: str):
    ticket = make_ticket(status)
    with refused_by("only_a_wait_is_held"):
        update(ticket, close_held_at=clock.now(), close_held_reason="bounce")
