"""Record who reads the log, with what he searched for (M26)."""

from datetime import datetime, timedelta
from typing import Any, cast

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from change_requests.emergency.halves import hide_halves
from factureya.core import audit, clock
from factureya.core.models import Chained, Event

SAME_SEARCH = timedelta(minutes=10)  # the pages of one search are one reading
_COMPARED_READINGS = 50  # last readings of a person that are compared


class LogMonth:
    """Name the chain that holds the readings and exports of one month, so that no chain grows for ever."""

    def __init__(self, instant: datetime) -> None:
        self.chain = f"log:{timezone.localtime(instant):%Y-%m}"


def record_reading(user: User, verb: str = "log.read", /, **what: str) -> Event | None:
    """Record what this person reads, by default in the log, and return the event; None if it was just recorded.

    `what` holds the filters of a search, or the name of what was read. The same is not recorded again within
    SAME_SEARCH, so that turning pages leaves one event. What looks like a half of a critical password is hidden,
    because nobody can delete it from an event later (M22).
    """
    what, now = {name: hide_halves(value) for name, value in what.items()}, clock.now()
    recent = Event.objects.filter(actor=user, verb=verb, at__gt=now - SAME_SEARCH).order_by("-at", "-id")
    if what in recent.values_list("data", flat=True)[:_COMPARED_READINGS]:
        return None
    return record_in_log(verb, user, **what)


def record_in_log(verb: str, user: User | None, **data: Any) -> Event:
    """Append an event to the chain of this month's readings and exports, in a transaction of its own; return it."""
    with transaction.atomic():
        return audit.record(verb, cast(Chained, LogMonth(clock.now())), actor=user, **data)
