"""Limit how many automatic mails answer mails: the second line against loops, after the marks of the robots (M6).

Each mail is counted in the transaction that queues it, under the lock of the counter. The sender's counter is always
locked first, then that of all senders.
"""

import logging
from datetime import timedelta

from django.conf import settings

from factureya.core import sql
from factureya.core.clock import now
from factureya.core.models import MailQuota

logger = logging.getLogger(__name__)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ANSWERS, FORM_ANSWERS = "answers", "form-answers"  # each kind of answer has a limit of its own for a sender


def may_answer(address: str, kind: str = ANSWERS) -> bool:
    """Return True, and count it, if one more automatic mail of this kind may answer this registered address."""
    return _count_one_more(f"{kind}:{address}", settings.MAIL_ANSWERS_PER_SENDER, HOUR) and _count_one_more(
        "answers", settings.MAIL_ANSWERS_PER_HOUR, HOUR
    )


def may_notify(address: str) -> bool:
    """Return True, and count it, if this unproven address has had no neutral notice in the last day."""
    return _count_notice(f"notice:{address}")


def may_warn(address: str) -> bool:
    """Return True, and count it, if this registered address has had no warning of a forgery in the last day."""
    return _count_notice(f"warning:{address}")


def forget_expired() -> int:
    """Delete the counters whose time has run out, and return how many; every stranger leaves one."""
    removed, _ = MailQuota.objects.filter(since__lte=now() - max(HOUR, DAY)).delete()
    return removed


def _count_notice(name: str) -> bool:
    """Return True, and count it, if the day has room for one more mail `name`, and the hour for one to the unproven."""
    return _count_one_more(name, 1, DAY) and _count_one_more("notices", settings.MAIL_NOTICES_PER_HOUR, HOUR)


def _count_one_more(name: str, limit: int, period: timedelta) -> bool:
    """Add one to the counter `name` and return True, unless `limit` was reached in the last `period`."""
    if limit > 0 and sql.count_one_more(name, limit, period):
        return True
    logger.info("no automatic mail: %s reached its limit of %s", name, limit)
    return False
