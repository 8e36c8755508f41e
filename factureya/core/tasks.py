"""Run core's background work. Every task is safe to run twice or late."""

import logging

from celery import shared_task
from django.conf import settings

from factureya.core.files import store
from factureya.core.hours import changes, moving
from factureya.core.invoices import readings
from factureya.core.mail import answer_limits, imap, intake, outbox
from factureya.core.models import Heartbeat
from factureya.core.record import anchors, verification

logger = logging.getLogger(__name__)
VERIFY_SECONDS = 4 * 60 * 60  # the log grows; 20,000 events a second are read


@shared_task(name=outbox.DELIVER_TASK)
def deliver(*_pk: int) -> int:
    """Send the mails that are due, and return how many; 0 while another process sends. Old calls' `_pk` is ignored."""
    return outbox.send_due()


@shared_task
def sweep_outbox() -> int:
    """Send the due mails, also those that no worker was asked to send or whose worker died, and return how many."""
    sent = outbox.sweep()
    Heartbeat.beat("sweep_outbox")
    return sent


@shared_task
def purge_orphan_attachments() -> int:
    """Delete the files of forms that were abandoned more than 24 h ago, and return how many."""
    return store.purge_orphans()


@shared_task(name=readings.READ_TASK)
def read_invoices() -> int:
    """Read the XML files that were not read as invoices yet, and return how many; safe twice at once (M17)."""
    return readings.read_pending()


@shared_task(name=moving.SETTLE_TASK)
def settle_calendar() -> int:
    """Move the deadlines that a change of the calendar left for later or did not see, and return how many (M2)."""
    return changes.settle_changes()


@shared_task(ignore_result=True)
def forget_quotas() -> int:
    """Delete the counters of automatic mails whose time has run out, and return how many (M6)."""
    return answer_limits.delete_expired_counters()


@shared_task(ignore_result=True, time_limit=VERIFY_SECONDS)
def verify_log() -> bool:
    """Verify the whole log of events, every night, and return whether it is whole (M26)."""
    return verification.verify_log().is_whole


@shared_task(ignore_result=True)
def seal_day() -> bool:
    """Seal the day with an anchor over every chain of events, once a day, and return whether this run did (M26)."""
    return anchors.seal_day() is not None


@shared_task
def sweep_inbound() -> int:
    """Handle the stored mails that a process left unfinished, and return how many."""
    handled = intake.sweep()
    Heartbeat.beat("sweep_inbound")
    return handled


@shared_task
def fetch_mail() -> int:
    """Take new mails from the IMAP mailbox, if one is set, and return how many; a failure is only logged."""
    if not settings.MAIL_IN_IMAP_URL:
        return 0
    try:
        return imap.fetch()
    except Exception as error:  # each server has errors of its own; /readyz tells how old the last success is
        logger.warning("the mailbox was not read: %s: %s", type(error).__name__, error)
        return 0
