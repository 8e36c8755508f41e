"""What time does: requests that nobody confirmed or applied expire, and who is late gets a mail. Safe twice or late."""

import logging
from collections.abc import Callable, Iterable
from datetime import datetime

from django.db.models import Q

from change_requests import notifications
from change_requests.models import FormalRequest
from change_requests.operations._common import Status, expire_request, lock_request, save_with_act
from factureya.core.calendar import AttentionHours, load_attention_hours
from factureya.core.clock import now
from factureya.core.refusals import WrongStatus

logger = logging.getLogger(__name__)
REMINDED = (Status.VERIFYING, Status.IN_APPROVAL, Status.APPROVED, Status.EXECUTED)
OVERDUE_DAYS = 1  # business days after the deadline


def expire_due(instant: datetime) -> int:
    """Expire the requests that were not confirmed, or not applied after their approval, in time; return how many."""
    is_late = Q(status=Status.SUBMITTED, due_at__lte=instant)
    is_late |= Q(status=Status.APPROVED, execute_before__lte=instant)
    due = FormalRequest.objects.filter(is_late, suspended_at__isnull=True)
    return _act_on_each(due.order_by("pk").values_list("pk", flat=True), _expire)


def remind_due(instant: datetime) -> int:
    """Remind staff at half a deadline, its end and a day later; return for how many requests. Stopped ones get none."""
    waiting = FormalRequest.objects.filter(
        status__in=REMINDED, due_at__isnull=False, suspended_at__isnull=True, reminded__lt=3
    )
    hours = load_attention_hours()
    late = (request.pk for request in waiting.order_by("pk") if find_level(request, instant, hours) > request.reminded)
    return _act_on_each(late, _remind)


def find_level(request: FormalRequest, instant: datetime, hours: AttentionHours) -> int:
    """Return how late the work on a request is: the number of reminders that should have gone out by now.

    It is 0 in time, 1 when half of the business time has passed, 2 at the deadline, 3 a business day after it.
    """
    assert request.due_at is not None
    assert request.turn_since is not None
    if instant >= hours.add_days(request.due_at, OVERDUE_DAYS):
        return 3
    if instant >= request.due_at:
        return 2
    passed = hours.hours_between(request.turn_since, instant)
    return int(passed * 2 >= hours.hours_between(request.turn_since, request.due_at))  # 1 if True, else 0


def _expire(pk: int) -> bool:
    """Expire the request if its time to be confirmed or applied is over, and return True; else return False."""
    with lock_request(pk, Status.SUBMITTED, Status.APPROVED) as request:
        until = request.due_at if request.status == Status.SUBMITTED else request.execute_before
        if until is None or now() < until:
            return False
        expire_request(request)
    return True


def _remind(pk: int) -> bool:
    """Mail the staff whose turn it is, and return True, if the request is later than at the last reminder."""
    with lock_request(pk, *REMINDED) as request:
        if request.due_at is None:
            return False
        level = find_level(request, now(), load_attention_hours())
        if level <= request.reminded:
            return False
        request.reminded = level
        event = save_with_act(request, "request.reminded", actor=None, saved=("reminded",), level=level)
        notifications.mail_deadline(request, event, level=level)
    return True


def _act_on_each(due: Iterable[int], act: Callable[[int], bool]) -> int:
    """Call `act` with the key of each due request, and return how often it acted; a failure is logged and skipped."""
    count = 0
    for pk in list(due):
        try:
            count += act(pk)
        except WrongStatus:
            continue  # somebody acted in between
        except Exception:
            logger.exception("request %s: the sweep goes on without it", pk)
    return count
