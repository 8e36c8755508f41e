"""Give the time to everything that decides by it. Tests move the time with time-machine."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import connection
from django.utils import timezone

# How far the database's clock is from ours; None asks the database. Only tests set it.
_database_offset: timedelta | None = None
_pinned: ContextVar[datetime | None] = ContextVar("pinned_now", default=None)


def now() -> datetime:
    """Return the present instant, aware, in UTC."""
    return _pinned.get() or timezone.now()


def database_now() -> datetime:
    """Return the present instant by the database's clock; by our clock on SQLite, or if a test or the demo sets one."""
    if _database_offset is not None or _pinned.get() is not None or connection.vendor == "sqlite":
        return now() + (_database_offset or timedelta())
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (instant,) = cursor.fetchone()
    return instant.astimezone(UTC)  # type: ignore[no-any-return]


def clocks_agree() -> bool:
    """Return True if our clock and the database's differ by no more than CLOCK_SKEW_SECONDS (M23)."""
    return abs(database_now() - now()) <= timedelta(seconds=settings.CLOCK_SKEW_SECONDS)


@contextmanager
def at(instant: datetime) -> Iterator[None]:
    """Run a block with our clock stopped at `instant` (with a time zone). Only the demo's data is made so."""
    token = _pinned.set(instant)
    try:
        yield
    finally:
        _pinned.reset(token)
