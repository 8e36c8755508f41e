"""Tell the calendar which deadlines of formal requests are open, and move them with it (M2).

Only the turns of mesa de control move. What was told or approved as an instant stays: the time to confirm from the
registered mail, the window of an approval, the review of an emergency.
"""

from collections.abc import Iterator
from datetime import datetime

from django.conf import settings

from change_requests.models import FormalRequest
from change_requests.operations._common import Status, save_with_act
from factureya.core import locking
from factureya.core.calendar import AttentionHours
from factureya.core.hours.deadlines import Deadline, Source, Unit

TURNS = {Status.VERIFYING: "Verificación", Status.IN_APPROVAL: "Aprobación", Status.EXECUTED: "Cierre"}
_DAYS = {  # the setting that says how many business days a turn has
    Status.VERIFYING: "VERIFY_BUSINESS_DAYS",
    Status.IN_APPROVAL: "APPROVE_BUSINESS_DAYS",
    Status.APPROVED: "EXECUTE_BUSINESS_DAYS",
    Status.EXECUTED: "CLOSE_BUSINESS_DAYS",
}
SOON_PART = 4  # a deadline is near in the last 1/4 of its time


def list_open(instant: datetime) -> Iterator[Deadline]:
    """Yield the deadlines of mesa de control that are still to come, and that nothing has stopped."""
    waiting = FormalRequest.objects.filter(status__in=TURNS, due_at__gt=instant, suspended_at__isnull=True)
    rows = waiting.order_by("due_at", "pk").values_list("pk", "folio", "status", "due_at", "turn_since")
    for pk, folio, status, due_at, since in rows.iterator():
        assert due_at is not None  # the filter says so
        days = _count_days(status)
        yield Deadline(pk, folio, TURNS[Status(status)], "due_at", Unit.DAYS, due_at, since, days)


def move_deadline(deadline: Deadline, due_at: datetime, change_pk: int) -> bool:
    """Move the deadline of a request, record it, and return True; return False if it is another one by now."""
    with locking.locked(FormalRequest.objects.all(), deadline.pk) as request:
        if request.due_at != deadline.due_at or request.status not in TURNS or request.suspended_at:
            return False
        request.due_at = due_at
        save_with_act(request, "request.deadline_moved", actor=None, saved=("due_at",), calendar_change=change_pk)
    return True


def find_latest_near(instant: datetime, hours: AttentionHours) -> datetime:
    """Return an instant after which no deadline of ours that `is_due_soon` now can lie, to search for them."""
    return hours.add_days(instant, max(map(_count_days, _DAYS)))


def is_due_soon(request: FormalRequest, instant: datetime, hours: AttentionHours) -> bool:
    """Return True in the last quarter of the business time that our turn has, and when it is over.

    An approved request has its time from when it may be applied. A question that stopped the clock adds none.
    """
    assert request.due_at is not None
    assert request.turn_since is not None
    begin = request.turn_since
    if request.status == Status.APPROVED and request.execute_after is not None:
        begin = max(begin, request.execute_after)
    given = hours.hours_between(begin, hours.add_days(begin, _count_days(request.status)))
    return hours.hours_between(instant, request.due_at) * SOON_PART <= given


def _count_days(status: str) -> int:
    """Return how many business days a turn in this status has."""
    days: int = getattr(settings, _DAYS[Status(status)])
    return days


SOURCE = Source("requests", list_open, move_deadline)
