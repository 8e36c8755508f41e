"""The two sweeps of formal requests; each is a loop over what is due, re-checked under its own lock."""

from celery import shared_task

from change_requests import operations
from factureya.core.clock import now
from factureya.core.models import Heartbeat


@shared_task(ignore_result=True)
def expire_due() -> int:
    """Expire what was not confirmed or applied in time; how many."""
    expired = operations.expire_due(now())
    Heartbeat.beat("expire_due")
    return expired


@shared_task(ignore_result=True)
def remind_due() -> int:
    """Tell who is late, and add people; how many requests."""
    reminded = operations.remind_due(now())
    Heartbeat.beat("remind_due")
    return reminded
