"""The one source of time. Everything that decides by the hour asks here; tests move it with time-machine."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime

from django.utils import timezone

_pinned: ContextVar[datetime | None] = ContextVar("pinned_now", default=None)


def now() -> datetime:
    """The present instant, aware (UTC)."""
    return _pinned.get() or timezone.now()


@contextmanager
def at(instant: datetime) -> Iterator[None]:
    """Run a block as if it were `instant` (aware). For seeding demo data only; tests use time-machine."""
    token = _pinned.set(instant)
    try:
        yield
    finally:
        _pinned.reset(token)
