"""Core's background work. Every task is safe to run twice or late."""

import logging

from celery import shared_task
from django.conf import settings

from factureya.core.files import store
from factureya.core.mail import answer_limits, imap, intake, outbox
from factureya.core.models import Heartbeat

logger = logging.getLogger(__name__)


@shared_task(name=outbox.DELIVER_TASK)
def deliver(*_pk: int) -> int:
    """Send what is due, if nobody else does; the number sent. Bells of older releases name a mail."""
    return outbox.drain()


@shared_task
def sweep_outbox() -> int:
    """Send what is due and what a lost bell or a dead worker left behind; the number sent."""
    sent = outbox.sweep()
    Heartbeat.beat("sweep_outbox")
    return sent


@shared_task
def purge_orphan_attachments() -> int:
    """Remove files of forms that were abandoned more than 24 h ago; the number removed."""
    return store.purge_orphans()


@shared_task(ignore_result=True)
def forget_quotas() -> int:
    """Delete the counters of automatic mails whose time has run out, and return how many (M6)."""
    return answer_limits.forget()


@shared_task
def sweep_inbound() -> int:
    """Dispose of mail that was kept and then left by a process that died or failed; the number disposed of."""
    disposed = intake.sweep()
    Heartbeat.beat("sweep_inbound")
    return disposed


@shared_task
def fetch_mail() -> int:
    """Read the polled mailbox, where one is set; the number of mails. A server that is down is met by the next pass."""
    if not settings.MAIL_IN_IMAP_URL:
        return 0
    try:
        return imap.fetch()
    except Exception as error:  # each server has errors of its own; /readyz tells how old the last success is
        logger.warning("the mailbox was not read: %s: %s", type(error).__name__, error)
        return 0
