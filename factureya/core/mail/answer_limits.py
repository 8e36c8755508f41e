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
    """Return True, and count the answer, if one more automatic mail may answer this registered address.

    An address has a limit for each kind (ANSWERS, FORM_ANSWERS), and all addresses together have one, so that two
    machines cannot answer each other for ever.
    """
    is_below_own_limit = _count_one_mail(f"{kind}:{address}", settings.MAIL_ANSWERS_PER_SENDER, HOUR)
    return is_below_own_limit and _count_one_mail("answers", settings.MAIL_ANSWERS_PER_HOUR, HOUR)


def may_notify(address: str) -> bool:
    """Return True, and count the notice, if this unproven address has had no neutral notice in the last day."""
    return _count_notice(f"notice:{address}")


def may_warn(address: str) -> bool:
    """Return True, and count the mail, if this registered address was not warned of a forgery in the last day."""
    return _count_notice(f"warning:{address}")


def delete_expired_counters() -> int:
    """Delete the counters of automatic mails whose period is surely over, and return how many were deleted."""
    deleted, _ = MailQuota.objects.filter(since__lte=now() - DAY).delete()  # no period is longer
    return deleted


def _count_notice(name: str) -> bool:
    """Return True, and count the mail, if `name` had none in the last day and all notices are below their limit."""
    return _count_one_mail(name, 1, DAY) and _count_one_mail("notices", settings.MAIL_NOTICES_PER_HOUR, HOUR)


def _count_one_mail(name: str, limit: int, period: timedelta) -> bool:
    """Count one more automatic mail under `name` and return True; False if this `period` had `limit` mails already."""
    if limit > 0 and sql.count_one_more(name, limit, period):
        return True
    logger.info("no automatic mail: %s reached its limit of %s", name, limit)
    return False
