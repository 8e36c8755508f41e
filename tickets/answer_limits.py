"""How many automatic mails answer mails: the second line against loops, after the robots' own marks (M6).

Counted in the transaction that queues the mail, under the lock of the quota's row, so that no two processes both
send the last one. Always the sender's row first, then the global one.
"""

import logging
from datetime import timedelta

from django.conf import settings

from factureya.core.clock import now
from tickets import sql
from tickets.models import MailQuota

logger = logging.getLogger(__name__)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def may_answer(address: str) -> bool:
    """Whether one more automatic mail may answer this registered address; counts it."""
    return _take(f"answers:{address}", settings.MAIL_ANSWERS_PER_SENDER, HOUR) and _take(
        "answers", settings.MAIL_ANSWERS_PER_HOUR, HOUR
    )


def may_notify(address: str) -> bool:
    """Whether the one neutral notice of the day may go to this address that nobody proved; counts it."""
    return _take(f"notice:{address}", 1, DAY) and _take("notices", settings.MAIL_NOTICES_PER_HOUR, HOUR)


def may_warn(address: str) -> bool:
    """Whether the one warning of the day may tell this registered address that it was forged; counts it."""
    return _take(f"warning:{address}", 1, DAY) and _take("notices", settings.MAIL_NOTICES_PER_HOUR, HOUR)


def forget() -> int:
    """Remove the quotas whose time has run out; every stranger leaves one. The number removed."""
    removed, _ = MailQuota.objects.filter(since__lte=now() - max(HOUR, DAY)).delete()
    return removed


def _take(name: str, limit: int, per: timedelta) -> bool:
    """Count one more of `name` if fewer than `limit` were counted in the last `per`."""
    if limit > 0 and sql.count_one_more(name, limit, per):
        return True
    logger.info("no automatic mail: %s had its %s", name, limit)
    return False
