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
from factureya.core.hours.deadlines import Deadline, Source, Unit

TURNS = {Status.VERIFYING: "Verificación", Status.IN_APPROVAL: "Aprobación", Status.EXECUTED: "Cierre"}
_DAYS = {  # the setting that says how many business days a turn has
    Status.VERIFYING: "VERIFY_BUSINESS_DAYS",
    Status.IN_APPROVAL: "APPROVE_BUSINESS_DAYS",
    Status.EXECUTED: "CLOSE_BUSINESS_DAYS",
}


def list_open(instant: datetime) -> Iterator[Deadline]:
    """Yield the deadlines of mesa de control that are still to come, and that nothing has stopped."""
    waiting = FormalRequest.objects.filter(status__in=TURNS, due_at__gt=instant, suspended_at__isnull=True)
    rows = waiting.order_by("due_at", "pk").values_list("pk", "folio", "status", "due_at", "turn_since")
    for pk, folio, status, due_at, since in rows.iterator():
        assert due_at is not None  # the filter says so
        days: int = getattr(settings, _DAYS[Status(status)])
        yield Deadline(pk, folio, TURNS[Status(status)], "due_at", Unit.DAYS, due_at, since, days)


def move_deadline(deadline: Deadline, due_at: datetime, change_pk: int) -> bool:
    """Move the deadline of a request, record it, and return True; return False if it is another one by now."""
    with locking.locked(FormalRequest.objects.all(), deadline.pk) as request:
        if request.due_at != deadline.due_at or request.status not in TURNS or request.suspended_at:
            return False
        request.due_at = due_at
        save_with_act(request, "request.deadline_moved", actor=None, saved=("due_at",), calendar_change=change_pk)
    return True


SOURCE = Source("requests", list_open, move_deadline)
