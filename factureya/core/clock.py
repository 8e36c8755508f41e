"""Give the time to everything that decides by it. Tests move the time with time-machine."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime

from django.utils import timezone

_pinned: ContextVar[datetime | None] = ContextVar("pinned_now", default=None)


def now() -> datetime:
    """Return the present instant, aware, in UTC."""
    return _pinned.get() or timezone.now()


@contextmanager
def at(instant: datetime) -> Iterator[None]:
    """Run a block with our clock stopped at `instant` (with a time zone). Only the demo's seed does; tests do not."""
    token = _pinned.set(instant)
    try:
        yield
    finally:
        _pinned.reset(token)
