"""The lock every operation holds, and the columns it saves."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from django.db import IntegrityError, connection, transaction

from tickets.models import Message, Ticket
from tickets.operations._drafts import Draft
from tickets.operations.errors import FormUsed, TicketClosed, WrongStatus

OPEN, WAITING, CLOSED = Ticket.Status.OPEN, Ticket.Status.WAITING, Ticket.Status.CLOSED
Side, Channel = Message.Side, Ticket.Channel
WaitReason, ClosedReason, HoldReason = Ticket.WaitReason, Ticket.ClosedReason, Ticket.HoldReason

_SAVED = (
    "assignee",
    "status",
    "wait_reason",
    "solution_proposed_at",
    "waiting_since",
    "closes_at",
    "reminder",
    "closed_at",
    "closed_reason",
    "touched_at",
    "reply_due_at",
    "first_replied_at",
    "queue_at",
    "customer_replied",
    "customer_waits_since",
    "message_count",
    "last_excerpt",
    "close_held_at",
    "close_held_reason",
    "voided_by",
)


@contextmanager
def locked(pk: int, *statuses: str, draft: Draft | None = None) -> Iterator[Ticket]:
    """The ticket, locked and re-read, in one of `statuses`.

    A `draft` that was already received is let through whatever happened since, so that a double click on
    «confirmar» is not told that the ticket is closed. Raises TicketClosed, WrongStatus, FormUsed.
    """
    try:
        with transaction.atomic():
            # Lock first, read after: on PostgreSQL a join in the locking statement is as old as the statement,
            # while the ticket's own columns are those of after the wait (two agents would take one ticket).
            # SQLite has no row locks: there the transaction itself excludes every other writer from its start.
            if connection.features.has_select_for_update:
                Ticket.objects.select_for_update().only("pk").get(pk=pk)
            related = Ticket.objects.select_related("customer", "requester__contact", "assignee")
            ticket = related.get(pk=pk)
            if ticket.status not in statuses and not (draft and draft.was_received(ticket)):
                raise _refusal(ticket)
            yield ticket
    except IntegrityError as error:
        # Two forms with the same key on two tickets: neither lock made the second wait for the first.
        if draft and draft.is_used():
            raise FormUsed from error
        raise


def save(ticket: Ticket) -> None:
    """Write every column that a verb may move."""
    ticket.save(update_fields=_SAVED)


def closes_at(ticket: Ticket) -> datetime:
    """When a waiting ticket closes without an answer."""
    assert ticket.closes_at is not None  # waiting_has_reason_and_instant
    return ticket.closes_at


def iso(instant: datetime | None) -> str | None:
    """An instant as an event keeps it."""
    return instant.isoformat() if instant else None


def _refusal(ticket: Ticket) -> WrongStatus:
    if ticket.status == CLOSED:
        return TicketClosed("El ticket está Cerrado. Un ticket cerrado no se reabre: continúe con uno nuevo.")
    return WrongStatus(f"El ticket está {ticket.get_status_display()}; esa acción ya no corresponde.")
