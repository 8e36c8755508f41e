"""Tell the attention hours of today to every page and mail, which must not cost each of them a query (M2).

Each process remembers the hours for a minute. Who changes them makes the own process forget them at once.
"""

from dataclasses import dataclass
from time import monotonic

from django.db import DatabaseError
from django.utils import timezone

from factureya.core import clock
from factureya.core.calendar import load_attention_hours
from factureya.core.hours.week import STANDARD, Week

REMEMBERED_SECONDS = 60


@dataclass
class _Memory:
    """Hold the hours that this process read last, and until when they count."""

    week: Week = STANDARD
    until: float = 0.0


_memory = _Memory()


def read_week() -> Week:
    """Return the attention hours of this week. If the database does not answer, return the last ones that were read."""
    if monotonic() >= _memory.until:
        try:
            week = load_attention_hours().find_week(timezone.localdate(clock.now()))
        except DatabaseError:  # the page that says so has a footer too
            return _memory.week
        remember_week(week)
    return _memory.week


def remember_week(week: Week, seconds: float = REMEMBERED_SECONDS) -> None:
    """Let this process tell these hours for some seconds, without asking the database."""
    _memory.week, _memory.until = week, monotonic() + seconds


def forget_week() -> None:
    """Let this process ask the database at the next page."""
    _memory.until = 0.0
