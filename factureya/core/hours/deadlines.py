"""Say which open deadlines a change of the calendar moves, and move them; each app lists its own (M2).

`settings.CALENDAR_DEADLINES` names the sources of the apps. What is left of a deadline stays the same: the attention
hours, or the business days, from now to it.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum

from django.conf import settings
from django.utils.module_loading import import_string

from factureya.core.calendar import AttentionHours

_SAME = timedelta(seconds=1)  # hours are counted as floats


class Unit(StrEnum):
    """Name in what a deadline was counted."""

    HOURS = "hours"
    DAYS = "days"


@dataclass(frozen=True)
class Deadline:
    """Hold an open deadline: whose it is, what pages call it, in what it was counted, and from when, if known."""

    pk: int
    label: str  # the number of the ticket, or the folio of the request
    name: str  # «Meta de respuesta»
    column: str
    unit: Unit
    due_at: datetime
    counted_from: datetime | None = None
    amount: int = 0  # attention hours or business days, from `counted_from` on


@dataclass(frozen=True)
class Move:
    """Hold a deadline that a change of the calendar moves, and the new instant."""

    source: str
    deadline: Deadline
    due_at: datetime

    @property
    def is_earlier(self) -> bool:
        """Return True if somebody gets less time."""
        return self.due_at < self.deadline.due_at


@dataclass(frozen=True)
class Source:
    """Describe the deadlines of one app: `list_open` gives those after an instant, `move` stores one that moved.

    `move` gets the key of the change of the calendar too. It locks the row, and returns False without a change if the
    deadline is another one by now.
    """

    name: str
    list_open: Callable[[datetime], Iterable[Deadline]]
    move: Callable[[Deadline, datetime, int], bool]


def find_moves(old: AttentionHours, new: AttentionHours, instant: datetime) -> list[Move]:
    """Return the open deadlines that are at another time if the calendar `old` becomes `new` at this instant."""
    return [
        Move(source.name, deadline, due_at)
        for source in _list_sources()
        for deadline in source.list_open(instant)
        if (due_at := _compute_moved(deadline, old, new, instant)) != deadline.due_at
    ]


def find_unmoved(old: AttentionHours, new: AttentionHours, changed_at: datetime, instant: datetime) -> list[Move]:
    """Return the deadlines, open at this instant, that were counted by `old` and stayed so when `new` took its place.

    Whoever counts one while a change is not committed yet still reads the old calendar, and the change does not see
    the deadline. Only those are found whose begin is known.
    """
    return [
        Move(source.name, deadline, due_at)
        for source in _list_sources()
        for deadline in source.list_open(instant)
        if deadline.counted_from
        and abs(_count(deadline.counted_from, deadline, old) - deadline.due_at) < _SAME
        and (due_at := _compute_moved(deadline, old, new, changed_at)) != deadline.due_at
    ]


def store_moves(moves: Iterable[Move], change_pk: int) -> int:
    """Store the deadlines that a change of the calendar moved, in the open transaction, and return how many.

    Each one is an event of its own, which names the change; that one's event names the person. The rows are locked in
    the order of their keys, as whoever else locks several does; else two could wait for each other for ever.
    """
    sources = {source.name: source for source in _list_sources()}
    in_order = sorted(moves, key=lambda move: (move.source, move.deadline.pk))
    return sum(sources[move.source].move(move.deadline, move.due_at, change_pk) for move in in_order)


def name_moves(moves: Iterable[Move]) -> str:
    """Return a text that is the same for the same moves: who approves a change of the calendar sends back what he saw.

    New instants are compared to the second, because the attention hours left are counted as floats.
    """
    half = timedelta(seconds=0.5)
    lines = [
        f"{move.source} {move.deadline.pk} {move.deadline.column} {move.deadline.due_at.astimezone(UTC).isoformat()}"
        f" {(move.due_at + half).astimezone(UTC).replace(microsecond=0).isoformat()}"
        for move in moves
    ]
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def _count(begin: datetime, deadline: Deadline, hours: AttentionHours) -> datetime:
    """Return where the deadline is by this calendar, counted from its begin."""
    if deadline.unit == Unit.DAYS:
        return hours.add_days(begin, deadline.amount)
    return hours.add_hours(begin, deadline.amount)


def _compute_moved(deadline: Deadline, old: AttentionHours, new: AttentionHours, instant: datetime) -> datetime:
    """Return the deadline by the calendar `new`; it is the same instant if nothing moves it."""
    if deadline.unit == Unit.DAYS:
        return _move_days(deadline.due_at, old, new, instant)
    hours = old.hours_between(instant, deadline.due_at)
    before, after = old.add_hours(instant, hours), new.add_hours(instant, hours)
    return deadline.due_at if abs(after - before) < _SAME else after


def _move_days(due_at: datetime, old: AttentionHours, new: AttentionHours, instant: datetime) -> datetime:
    """Return the same local time as many business days of `new` away as `due_at` is of `old`."""
    today, local = instant.astimezone(old.zone).date(), due_at.astimezone(old.zone)
    left = sum(old.is_business_day(day) for day in _iterate_days(today, local.date()))
    day = today
    while left:
        day += timedelta(days=1)
        left -= new.is_business_day(day)  # True counts as 1
    is_same = day == local.date() or not _differ(old, new, today, local.date())
    return due_at if is_same else datetime.combine(day, local.timetz())


def _iterate_days(first: date, last: date) -> Iterator[date]:
    """Yield the days after `first`, up to `last`."""
    for offset in range((last - first).days):
        yield first + timedelta(days=offset + 1)


def _differ(old: AttentionHours, new: AttentionHours, first: date, last: date) -> bool:
    """Return True if a day after `first`, up to `last`, is a business day in one calendar and not in the other."""
    return any(old.is_business_day(day) != new.is_business_day(day) for day in _iterate_days(first, last))


def _list_sources() -> list[Source]:
    """Return the sources of all apps."""
    return [import_string(name) for name in settings.CALENDAR_DEADLINES]
