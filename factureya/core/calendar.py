"""Attention hours (manual 01): Monday to Friday 9:00–14:00 and 15:00–19:00, Mexico City, minus holidays.

Two ranges a day is the normal case. Pure functions on aware datetimes; only `attention_hours()` reads the
editable holidays from the database.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings

from factureya.core.models import Holiday

RANGES = ((time(9), time(14)), (time(15), time(19)))


@dataclass(frozen=True)
class AttentionHours:
    """The calendar of attention. `holidays` maps a day without attention to its name."""

    holidays: dict[date, str] = field(default_factory=dict)
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo(settings.TIME_ZONE))

    def is_business_day(self, day: date) -> bool:
        """Monday to Friday and no holiday."""
        return day.weekday() < 5 and day not in self.holidays

    def is_open(self, at: datetime) -> bool:
        """Whether somebody attends at this instant: the opening minute counts, the closing minute does not."""
        return self.closing(at) is not None

    def closing(self, at: datetime) -> datetime | None:
        """The end of the range that holds `at` (local time), or None outside attention hours."""
        local = at.astimezone(self.zone)
        for start, end in self._ranges(local.date()):
            if start <= local < end:
                return end
        return None

    def next_opening(self, at: datetime) -> datetime:
        """`at` itself when open, else the start of the next range (local time)."""
        local = at.astimezone(self.zone)
        for start, end in self._ranges_from(local.date()):
            if local < end:
                return max(local, start)
        raise AssertionError("unreachable: a range always comes")  # pragma: no cover

    def add_hours(self, at: datetime, hours: float) -> datetime:
        """The instant `hours` attention hours after `at`; outside attention hours counts from the next opening."""
        left = timedelta(hours=hours)
        local = at.astimezone(self.zone)
        for start, end in self._ranges_from(local.date()):
            begin = max(local, start)
            if begin >= end:
                continue
            if begin + left <= end:
                return begin + left
            left -= end - begin
        raise AssertionError("unreachable: a range always comes")  # pragma: no cover

    def add_days(self, at: datetime, days: int) -> datetime:
        """The same local time `days` business days later (M15).

        Outside attention hours it counts from the next opening. The zone's daylight saving, if it has any, moves
        the instant and not the hour on the clock.
        """
        begin = self.next_opening(at)
        day = begin.date()
        while days:
            day += timedelta(days=1)
            days -= self.is_business_day(day)
        return datetime.combine(day, begin.time(), self.zone)

    def hours_between(self, start: datetime, end: datetime) -> float:
        """The attention hours from `start` to `end`; 0 when `end` is not later."""
        total = timedelta()
        for begin, close in self._ranges_from(start.astimezone(self.zone).date()):
            if begin >= end:
                break
            total += max(min(close, end) - max(begin, start), timedelta())
        return total / timedelta(hours=1)

    def _ranges(self, day: date) -> list[tuple[datetime, datetime]]:
        if not self.is_business_day(day):
            return []
        return [(datetime.combine(day, a, self.zone), datetime.combine(day, b, self.zone)) for a, b in RANGES]

    def _ranges_from(self, day: date) -> Iterator[tuple[datetime, datetime]]:
        while True:
            yield from self._ranges(day)
            day += timedelta(days=1)


def attention_hours() -> AttentionHours:
    """The calendar with the holidays on file (one query)."""
    return AttentionHours(dict(Holiday.objects.values_list("day", "name")))


def reply_deadline(at: datetime) -> datetime:
    """When a wait that starts at `at` ends without an answer (M15): natural days of 24 h, or business days."""
    days: int = settings.CUSTOMER_REPLY_DAYS
    if settings.CUSTOMER_REPLY_CALENDAR == "business":
        return attention_hours().add_days(at, days)
    return at.astimezone(UTC) + timedelta(days=days)  # 72 hours, also where a clock is put forward


def reply_days() -> str:
    """The same time in words: «3 días», «1 día hábil» (M15)."""
    days: int = settings.CUSTOMER_REPLY_DAYS
    is_business = settings.CUSTOMER_REPLY_CALENDAR == "business"
    if days == 1:
        return "1 día hábil" if is_business else "1 día"
    return f"{days} días hábiles" if is_business else f"{days} días"
