"""What time does to emergencies: it only tidies and reminds; every request asks by itself whether one is open (M23)."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from django.conf import settings

from change_requests.emergency import notifications
from change_requests.emergency.models import CriticalCredential, GrantReview
from change_requests.emergency.operations._common import lock_account, lock_grant
from change_requests.emergency.operations.granting import lapse_due
from change_requests.emergency.operations.opening import end_over
from factureya.core import audit
from factureya.core.clock import now

logger = logging.getLogger(__name__)


def tidy(instant: datetime | None = None) -> int:
    """Run every sweep (periodic task) of emergencies; return how many rows changed. If one fails, the rest run."""
    instant = instant or now()
    sweeps: tuple[Callable[[datetime], int], ...] = (lapse_due, end_over, remind_credentials, remind_reviews)
    count = 0
    for sweep in sweeps:
        try:
            count += sweep(instant)
        except Exception:
            logger.exception("%s: the sweep goes on without it", sweep.__name__)
    return count


def remind_credentials(instant: datetime | None = None) -> int:
    """Remind custodians and officers once before a seal's renewal and once after; return how many reminders (M22)."""
    instant = instant or now()
    warn_until = instant + timedelta(days=settings.CREDENTIAL_WARN_DAYS)
    # `overdue_told_at` is when the second reminder was mailed.
    to_remind = CriticalCredential.objects.filter(retired_at=None, renew_by__lte=warn_until, overdue_told_at=None)
    return sum(_remind_credential(pk, account, instant) for pk, account in to_remind.values_list("pk", "account"))


def remind_reviews(instant: datetime | None = None) -> int:
    """Mail once about each overdue review, to the officers and Auditoría; return the number of reviews (M27)."""
    instant = instant or now()
    late = GrantReview.objects.filter(signed_at=None, reminded_at=None, due_at__lte=instant)
    return sum(_remind_review(grant_pk) for grant_pk in list(late.order_by("pk").values_list("grant", flat=True)))


def _remind_credential(pk: int, account_pk: int, instant: datetime) -> bool:
    """Mail that a seal is due soon or overdue; return False, and mail nothing, if it is retired or that was mailed."""
    with lock_account(account_pk) as account:
        credential = CriticalCredential.objects.get(pk=pk)
        if credential.retired_at or credential.renew_by is None:  # None: a half is not in its envelope yet
            return False
        is_overdue = credential.renew_by <= instant
        column = "overdue_told_at" if is_overdue else "warned_at"
        if getattr(credential, column) is not None:
            return False
        setattr(credential, column, now())
        credential.save(update_fields=[column])
        event = audit.record(
            "credential.reminded", account, actor=None, generation=credential.generation, overdue=is_overdue
        )
        notifications.mail_renewal(credential, event, is_overdue=is_overdue)
    return True


def _remind_review(grant_pk: int) -> bool:
    """Mail that a review is overdue; return False, and mail nothing, if it is signed or that was mailed before."""
    with lock_grant(grant_pk) as grant:
        review = GrantReview.objects.get(grant=grant)
        if review.signed_at or review.reminded_at:
            return False
        review.reminded_at = now()
        review.save(update_fields=["reminded_at"])
        event = audit.record("grant.review_overdue", grant, actor=None, due_at=review.due_at.isoformat())
        notifications.mail_review_overdue(grant, event, review)
    return True
