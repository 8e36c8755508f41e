"""Core's background work. Every task is safe to run twice or late."""

from celery import shared_task

from factureya.core import attachments, outbox
from factureya.core.models import Heartbeat


@shared_task(name=outbox.DELIVER_TASK)
def deliver(pk: int) -> bool:
    """Send one mail of the outbox, if nobody else has."""
    return outbox.deliver(pk)


@shared_task
def sweep_outbox() -> int:
    """Send what is due and what a lost bell or a dead worker left behind; the number sent."""
    sent = outbox.sweep()
    Heartbeat.beat("sweep_outbox")
    return sent


@shared_task
def purge_orphan_attachments() -> int:
    """Remove files of forms that were abandoned more than 24 h ago; the number removed."""
    return attachments.purge_orphans()
