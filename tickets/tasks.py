"""Run the sweeps of M15 and M18: each loops over due tickets and checks each under its lock. Safe twice or late."""

import logging
from collections.abc import Callable, Iterable

from celery import shared_task

from factureya.core.clock import now
from factureya.core.models import Heartbeat
from tickets import operations
from tickets.charges.operations import lapse_charge
from tickets.models import ChargeProposal, Ticket

logger = logging.getLogger(__name__)


@shared_task(ignore_result=True)
def warn_before_close() -> int:
    """Queue a reminder for every ticket that will soon close for lack of a reply, and return how many (M15)."""
    horizon = now() + operations.reminder_before() + operations.reminder_lookahead()
    due = Ticket.objects.due_to_warn(horizon).values_list("pk", flat=True)
    warned = _act_on_each(due, lambda pk: bool(operations.warn_before_close(pk)))
    Heartbeat.beat("warn_before_close")
    return warned


@shared_task(ignore_result=True)
def close_unanswered() -> int:
    """Close every ticket whose customer did not answer in time, and return how many were closed (M15)."""
    due = Ticket.objects.due_to_close(now()).values_list("pk", flat=True)
    closed = _act_on_each(due, operations.close_unanswered)
    Heartbeat.beat("close_unanswered")
    return closed


@shared_task(ignore_result=True)
def lapse_charges() -> int:
    """End every proposed charge that nobody decided in time, and return how many: nothing is charged (M18)."""
    due = dict(ChargeProposal.objects.to_lapse(now()).values_list("ticket_id", "seq"))  # one of each ticket at most
    lapsed = _act_on_each(due, lambda pk: bool(lapse_charge(pk, seq=due[pk])))
    Heartbeat.beat("lapse_charges")
    return lapsed


def _act_on_each(due: Iterable[int], act: Callable[[int], bool]) -> int:
    """Call `act` with each due ticket's key; return how often it did something. A failure is logged and skipped."""
    done = 0
    for pk in list(due):
        try:
            done += act(pk)
        except operations.WrongStatus:
            continue  # the customer replied in between, or another sweep was first
        except Exception:
            logger.exception("ticket %s: the sweep goes on without it", pk)
    return done
