"""What time does: requests that nobody confirmed or applied expire, and who is late is told. Safe twice or late."""

import logging
from collections.abc import Callable, Iterable
from datetime import datetime

from django.db.models import Q

from change_requests import notifications
from change_requests.models import FormalRequest
from change_requests.operations._locking import Status, locked
from change_requests.operations.errors import WrongStatus
from change_requests.operations.executing import expire
from factureya.core import audit
from factureya.core.calendar import AttentionHours, attention_hours
from factureya.core.clock import now

logger = logging.getLogger(__name__)
REMINDED = (Status.VERIFYING, Status.IN_APPROVAL, Status.APPROVED, Status.EXECUTED)
OVERDUE_DAYS = 1  # business days after the deadline


def expire_due(instant: datetime) -> int:
    """Every request that was not confirmed within its hours, or approved and not applied in time; how many."""
    late = Q(status=Status.SUBMITTED, due_at__lte=instant)
    late |= Q(status=Status.APPROVED, execute_before__lte=instant)
    due = FormalRequest.objects.filter(late, suspended_at__isnull=True)
    return _each(due.order_by("pk").values_list("pk", flat=True), _expire)


def remind_due(instant: datetime) -> int:
    """Every turn of staff of which half has passed, that is due, or overdue: told once each; how many."""
    waiting = FormalRequest.objects.filter(
        status__in=REMINDED, due_at__isnull=False, suspended_at__isnull=True, reminded__lt=3
    )
    hours = attention_hours()
    # Nothing is locked for those that have time.
    late = (r.pk for r in waiting.order_by("pk") if level_of(r, instant, hours) > r.reminded)
    return _each(late, _remind)


def level_of(request: FormalRequest, instant: datetime, hours: AttentionHours) -> int:
    """0 nothing yet, 1 half of the business time has passed, 2 due, 3 a business day over."""
    assert request.due_at is not None
    assert request.turn_since is not None
    if instant >= hours.add_days(request.due_at, OVERDUE_DAYS):
        return 3
    if instant >= request.due_at:
        return 2
    passed = hours.hours_between(request.turn_since, instant)
    return int(passed * 2 >= hours.hours_between(request.turn_since, request.due_at))


def _expire(pk: int) -> bool:
    with locked(pk, Status.SUBMITTED, Status.APPROVED) as request:
        until = request.due_at if request.status == Status.SUBMITTED else request.execute_before
        if until is None or now() < until:
            return False
        expire(request)
    return True


def _remind(pk: int) -> bool:
    with locked(pk, *REMINDED) as request:
        if request.due_at is None:
            return False
        level = level_of(request, now(), attention_hours())
        if level <= request.reminded:
            return False
        request.reminded = level
        request.save(update_fields=["reminded"])
        event = audit.record("request.reminded", request, actor=None, level=level)
        notifications.deadline(request, event, level=level)
    return True


def _each(due: Iterable[int], act: Callable[[int], bool]) -> int:
    """How many were acted on. One that cannot be is logged and does not stop the others."""
    done = 0
    for pk in list(due):
        try:
            done += act(pk)
        except WrongStatus:
            continue  # somebody acted in between
        except Exception:
            logger.exception("request %s: the sweep goes on without it", pk)
    return done
