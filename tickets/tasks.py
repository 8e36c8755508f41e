"""The two sweeps of M15; each is a loop over due tickets, re-checked under their own lock. Safe twice or late."""

from celery import shared_task

from factureya.core.clock import now
from factureya.core.models import Heartbeat
from tickets import operations
from tickets.models import Ticket


@shared_task(ignore_result=True)
def warn_before_close() -> int:
    """Queue the reminder of every ticket that is due for it; the number queued."""
    horizon = now() + operations.reminder_before() + operations.reminder_lookahead()
    warned = 0
    for pk in list(Ticket.objects.due_to_warn(horizon).values_list("pk", flat=True)):
        try:
            operations.warn_before_close(pk)
            warned += 1
        except operations.WrongStatus:
            continue  # the customer replied in between
    Heartbeat.beat("warn_before_close")
    return warned


@shared_task(ignore_result=True)
def close_unanswered() -> int:
    """Close every ticket whose silence lasted more than its time; the number closed."""
    closed = 0
    for pk in list(Ticket.objects.due_to_close(now()).values_list("pk", flat=True)):
        try:
            closed += operations.close_unanswered(pk)
        except operations.WrongStatus:
            continue  # the customer replied in between
    Heartbeat.beat("close_unanswered")
    return closed
