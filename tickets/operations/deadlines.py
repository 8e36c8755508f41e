"""Tell the calendar which deadlines of tickets are open, and move them with it (M2, M15).

A close of which the customer was reminded already stays at the time that the mail told.
"""

from collections.abc import Iterator
from datetime import datetime

from django.conf import settings

from factureya.core import audit, locking
from factureya.core.hours.deadlines import Deadline, Source, Unit
from tickets.models import Ticket
from tickets.operations._common import format_instant

REPLY, CLOSE = "reply_due_at", "closes_at"


def list_open(instant: datetime) -> Iterator[Deadline]:
    """Yield the goals of our replies that are still to come, and the closes by silence if those are in business days.

    `queue_at` holds the deadline of a ticket, and has the index. A merged ticket's deadlines stand still (M11).
    """
    coming = Ticket.objects.unmerged().filter(queue_at__gt=instant).order_by("queue_at", "pk")
    goals = coming.filter(status=Ticket.Status.OPEN, reply_due_at__gt=instant)
    hours = settings.FIRST_REPLY_BUSINESS_HOURS
    for pk, number, due_at, since in goals.values_list("pk", "number", REPLY, "customer_waits_since").iterator():
        yield Deadline(pk, number, "Meta de respuesta", REPLY, Unit.HOURS, due_at, since, hours)
    if settings.CUSTOMER_REPLY_CALENDAR != "business":
        return
    days = settings.CUSTOMER_REPLY_DAYS
    closes = coming.filter(status=Ticket.Status.WAITING, closes_at__gt=instant, reminder__isnull=True)
    for pk, number, due_at, since in closes.values_list("pk", "number", CLOSE, "waiting_since").iterator():
        yield Deadline(pk, number, "Cierre sin respuesta", CLOSE, Unit.DAYS, due_at, since, days)


def move_deadline(deadline: Deadline, due_at: datetime, change_pk: int) -> bool:
    """Move a deadline of a ticket, record it, and return True; return False if it is another one, or merged, by now."""
    with locking.locked(Ticket.objects.all(), deadline.pk) as ticket:
        is_reminded = deadline.column == CLOSE and ticket.reminder_id is not None
        if ticket.is_merged or is_reminded or getattr(ticket, deadline.column) != deadline.due_at:
            return False
        is_in_queue = ticket.queue_at == deadline.due_at
        setattr(ticket, deadline.column, due_at)
        if is_in_queue:
            ticket.queue_at = due_at
        ticket.save(update_fields=[deadline.column, "queue_at"])
        data = {"column": deadline.column, "calendar_change": change_pk}
        data |= {"before": format_instant(deadline.due_at), "after": format_instant(due_at)}
        audit.record("ticket.deadline_moved", ticket, actor=None, **data)
    return True


SOURCE = Source("tickets", list_open, move_deadline)
