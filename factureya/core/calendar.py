"""Compute attention hours (manual 01): the stored hours of each week, in Mexico City, without holidays.

All functions take aware datetimes; only `load_attention_hours` and `read_week` read the database. Each process
remembers the hours of this week for a minute, because every page and mail tells them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from time import monotonic
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import DatabaseError
from django.db.models import CharField, Value
from django.utils import timezone

from factureya.core import clock
from factureya.core.hours.week import STANDARD, Range, Week, parse_week
from factureya.core.models import AttentionWeek, Holiday

HOLIDAY, WEEK = "holiday", "week"
REMEMBERED_SECONDS = 60
# Spanish names as the pages write them, whatever the locale of the machine.
MONTHS_LONG = "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre".split()
WEEKDAYS_LONG = "lunes martes miércoles jueves viernes sábado domingo".split()
MONTHS, WEEKDAYS = [name[:3] for name in MONTHS_LONG], [name[:3] for name in WEEKDAYS_LONG]


@dataclass(frozen=True)
class AttentionHours:
    """Answer questions about attention hours; `holidays` maps each day without attention to its name.

    `weeks` holds the hours with the day on which they begin, the earliest first; without any, the manual's count.
    """

    holidays: dict[date, str] = field(default_factory=dict)
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo(settings.TIME_ZONE))
    weeks: tuple[tuple[date, Week], ...] = ()

    def find_week(self, day: date) -> Week:
        """Return the hours of the week that count on this day."""
        return next((week for starts_on, week in reversed(self.weeks) if starts_on <= day), STANDARD)

    def list_hours(self, day: date) -> tuple[Range, ...]:
        """Return when somebody attends on this day, as pairs of times; nothing on a day without attention."""
        return () if day in self.holidays else self.find_week(day)[day.weekday()]

    def is_business_day(self, day: date) -> bool:
        """Return True if somebody attends on this day of the week, and it is no holiday."""
        return bool(self.list_hours(day))

    def is_open(self, at: datetime) -> bool:
        """Return True if somebody attends at this instant: the opening minute counts, the closing minute does not."""
        return self.find_closing(at) is not None

    def find_closing(self, at: datetime) -> datetime | None:
        """Return the local time at which the attention hours around `at` end, or None if `at` is outside such hours."""
        local = at.astimezone(self.zone)
        for start, end in self._list_ranges(local.date()):
            if start <= local < end:
                return end
        return None

    def find_next_opening(self, at: datetime) -> datetime:
        """Return `at` itself during attention hours, else when attention begins next; in local time."""
        local = at.astimezone(self.zone)
        for start, end in self._iterate_ranges(local.date()):
            if local < end:
                return max(local, start)
        raise AssertionError("unreachable: a range always comes")  # pragma: no cover

    def add_hours(self, at: datetime, hours: float) -> datetime:
        """Return the instant `hours` attention hours after `at`, or after the next opening if `at` is outside them."""
        remaining = timedelta(hours=hours)
        local = at.astimezone(self.zone)
        for start, end in self._iterate_ranges(local.date()):
            counted_from = max(local, start)
            if counted_from < end and counted_from + remaining <= end:
                return counted_from + remaining
            remaining -= max(end - counted_from, timedelta())  # nothing, if the range was over before `at`
        raise AssertionError("unreachable: a range always comes")  # pragma: no cover

    def add_days(self, at: datetime, days: int) -> datetime:
        """Return the same local time `days` business days after `at` (M15).

        An `at` outside attention hours counts as the next opening. Daylight saving does not move the hour on the clock.
        """
        begin = self.find_next_opening(at)
        day = begin.date()
        while days:
            day += timedelta(days=1)
            days -= self.is_business_day(day)  # True counts as 1
        return datetime.combine(day, begin.time(), self.zone)

    def hours_between(self, start: datetime, end: datetime) -> float:
        """Return the number of attention hours from `start` to `end`, or 0 if `end` is not later."""
        total = timedelta()
        for begin, close in self._iterate_ranges(start.astimezone(self.zone).date()):
            if begin >= end:
                break
            total += max(min(close, end) - max(begin, start), timedelta())
        return total / timedelta(hours=1)

    def _list_ranges(self, day: date) -> list[tuple[datetime, datetime]]:
        """Return the start and end of each range of attention hours of a day; none on a day without attention."""
        ranges, zone = self.list_hours(day), self.zone
        return [(datetime.combine(day, start, zone), datetime.combine(day, end, zone)) for start, end in ranges]

    def _iterate_ranges(self, day: date) -> Iterator[tuple[datetime, datetime]]:
        """Yield every range of attention hours from this day on, without end."""
        while True:
            yield from self._list_ranges(day)
            day += timedelta(days=1)


def load_attention_hours() -> AttentionHours:
    """Return the attention hours with the weeks and the holidays of the database, which takes one query."""
    holidays = Holiday.objects.annotate(kind=Value(HOLIDAY, CharField())).values_list("kind", "day", "pk", "name")
    weeks = AttentionWeek.objects.annotate(kind=Value(WEEK, CharField())).values_list(
        "kind", "starts_on", "pk", "hours"
    )
    rows = list(holidays.order_by().union(weeks, all=True))
    stored = sorted((day, pk, text) for kind, day, pk, text in rows if kind == WEEK)
    return AttentionHours(
        {day: text for kind, day, _pk, text in rows if kind == HOLIDAY},
        weeks=tuple((day, parse_week(text)) for day, _pk, text in stored),
    )


def compute_reply_deadline(at: datetime) -> datetime:
    """Return when a customer's time to reply ends: some days after `at`, calendar or business days as set (M15)."""
    days: int = settings.CUSTOMER_REPLY_DAYS
    if settings.CUSTOMER_REPLY_CALENDAR == "business":
        return load_attention_hours().add_days(at, days)
    return at.astimezone(UTC) + timedelta(days=days)  # each day is 24 hours, also when daylight saving begins


def describe_reply_time() -> str:
    """Return the time that a customer has for an answer, in Spanish words: «3 días», «1 día hábil» (M15)."""
    days: int = settings.CUSTOMER_REPLY_DAYS
    words = "día hábil" if days == 1 else "días hábiles"
    # For natural days keep the first word only: «día» or «días».
    return f"{days} {words if settings.CUSTOMER_REPLY_CALENDAR == 'business' else words.split()[0]}"


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
