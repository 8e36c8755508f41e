"""The hours of attention (manual 01): two ranges a day, holidays, and what is counted in them (M2, M15)."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factureya.core.calendar import AttentionHours, compute_reply_deadline, load_attention_hours
from factureya.testing.raw_sql import execute_as_owner

MEXICO = ZoneInfo("America/Mexico_City")
TIJUANA = ZoneInfo("America/Tijuana")
REVOLUTION = date(2026, 11, 16)  # a Monday
HOURS = AttentionHours({REVOLUTION: "Día de la Revolución"}, MEXICO)


def at(text: str, zone: ZoneInfo = MEXICO) -> datetime:
    """`2026-11-20 14:30` in local time."""
    return datetime.fromisoformat(text).replace(tzinfo=zone)


@pytest.mark.clause("M2")
@pytest.mark.parametrize(
    ("instant", "is_open"),
    [
        ("2026-11-20 08:59:59", False),
        ("2026-11-20 09:00", True),
        ("2026-11-20 13:59:59", True),
        ("2026-11-20 14:00", False),
        ("2026-11-20 14:30", False),  # Friday, lunch
        ("2026-11-20 15:00", True),
        ("2026-11-20 18:59", True),
        ("2026-11-20 19:00", False),
        ("2026-11-21 10:00", False),  # Saturday
        ("2026-11-22 10:00", False),  # Sunday
        ("2026-11-16 10:00", False),  # holiday
        ("2026-11-17 10:00", True),
    ],
)
def test_open_and_closed(instant, is_open):
    assert HOURS.is_open(at(instant)) is is_open
    assert HOURS.is_open(at(instant).astimezone(UTC)) is is_open  # whatever zone the instant is told in


@pytest.mark.clause("M2")
@pytest.mark.parametrize(
    ("instant", "closing"),
    [
        ("2026-11-20 10:42", "2026-11-20 14:00"),
        ("2026-11-20 15:00", "2026-11-20 19:00"),
        ("2026-11-20 14:30", None),
        ("2026-11-21 10:00", None),
    ],
)
def test_closing(instant, closing):
    assert HOURS.find_closing(at(instant)) == (at(closing) if closing else None)


@pytest.mark.clause("M2")
@pytest.mark.parametrize(
    ("instant", "opening"),
    [
        ("2026-11-20 10:42", "2026-11-20 10:42"),  # open: now
        ("2026-11-20 08:00", "2026-11-20 09:00"),
        ("2026-11-20 14:00", "2026-11-20 15:00"),
        ("2026-11-20 19:00", "2026-11-23 09:00"),  # over the weekend
        ("2026-11-13 19:00", "2026-11-17 09:00"),  # over the weekend and a holiday
        ("2026-11-16 12:00", "2026-11-17 09:00"),
    ],
)
def test_next_opening(instant, opening):
    assert HOURS.find_next_opening(at(instant)) == at(opening)


@pytest.mark.clause("M2")
@pytest.mark.parametrize(
    ("instant", "hours", "end"),
    [
        ("2026-11-18 10:00", 4, "2026-11-18 14:00"),  # the end of a range is still in it
        ("2026-11-18 12:00", 4, "2026-11-18 17:00"),  # over lunch
        ("2026-11-18 17:30", 4, "2026-11-19 11:30"),  # over night
        ("2026-11-20 16:00", 4, "2026-11-23 10:00"),  # over a weekend
        ("2026-11-13 16:00", 4, "2026-11-17 10:00"),  # over a weekend and a holiday
        ("2026-11-21 03:00", 4, "2026-11-23 13:00"),  # outside: counts from the next opening
        ("2026-11-18 14:30", 4, "2026-11-18 19:00"),
        ("2026-11-18 10:00", 9, "2026-11-19 10:00"),  # a whole day of attention
        ("2026-11-18 10:00", 0, "2026-11-18 10:00"),
        ("2026-11-18 14:00", 0, "2026-11-18 15:00"),
        ("2026-11-18 13:45", 0.5, "2026-11-18 15:15"),
    ],
)
def test_add_hours(instant, hours, end):
    assert HOURS.add_hours(at(instant), hours) == at(end)


@pytest.mark.clause("M15")
@pytest.mark.parametrize(
    ("instant", "days", "end"),
    [
        ("2026-11-18 10:05", 3, "2026-11-23 10:05"),  # Wednesday: Thursday, Friday, Monday
        ("2026-11-13 13:59", 3, "2026-11-19 13:59"),  # over a weekend and a holiday
        ("2026-11-18 14:30", 3, "2026-11-23 15:00"),  # in the lunch gap: from 15:00
        ("2026-11-18 22:00", 3, "2026-11-24 09:00"),  # at night: from the next day's opening
        ("2026-11-21 11:00", 3, "2026-11-26 09:00"),  # Saturday: from Monday
        ("2026-11-16 11:00", 3, "2026-11-20 09:00"),  # holiday: from Tuesday
        ("2026-11-18 10:05", 0, "2026-11-18 10:05"),
    ],
)
def test_add_days(instant, days, end):
    assert HOURS.add_days(at(instant), days) == at(end)


@pytest.mark.clause("M15")
def test_add_days_keeps_the_local_time_when_the_clocks_change():
    """Mexico City has no daylight saving since 2022; a border town's does: 1 November 2026, one hour back."""
    hours = AttentionHours({}, TIJUANA)
    end = hours.add_days(at("2026-10-30 10:05", TIJUANA), 3)
    assert end == at("2026-11-04 10:05", TIJUANA)
    assert end.utcoffset() == timedelta(hours=-8)
    elapsed = end.astimezone(UTC) - at("2026-10-30 10:05", TIJUANA).astimezone(UTC)
    assert elapsed == timedelta(days=5, hours=1)


@pytest.mark.clause("M15")
@pytest.mark.parametrize("start", ["2026-04-01 10:00", "2026-10-20 10:00"])
def test_mexico_city_keeps_one_offset(start):
    assert HOURS.add_days(at(start), 10).utcoffset() == timedelta(hours=-6)


@pytest.mark.clause("M15")
def test_natural_days_are_72_hours(settings):
    settings.CUSTOMER_REPLY_DAYS, settings.CUSTOMER_REPLY_CALENDAR = 3, "natural"
    assert compute_reply_deadline(at("2026-11-13 19:30")) == at("2026-11-16 19:30")  # weekend and holiday count
    over_the_change = at("2026-10-30 10:05", TIJUANA)
    assert compute_reply_deadline(over_the_change) - over_the_change.astimezone(UTC) == timedelta(hours=72)


@pytest.mark.clause("M15")
@pytest.mark.django_db
def test_business_days_use_the_holidays_on_file(settings):
    settings.CUSTOMER_REPLY_CALENDAR = "business"
    execute_as_owner("DELETE FROM core_holiday")
    assert compute_reply_deadline(at("2026-11-13 10:00")) == at("2026-11-18 10:00")
    execute_as_owner("INSERT INTO core_holiday (day, name) VALUES (%s, 'Día de la Revolución')", REVOLUTION)
    assert compute_reply_deadline(at("2026-11-13 10:00")) == at("2026-11-19 10:00")
    settings.CUSTOMER_REPLY_DAYS = 1
    assert compute_reply_deadline(at("2026-11-13 10:00")) == at("2026-11-17 10:00")


@pytest.mark.clause("M2")
@pytest.mark.django_db
def test_the_statutory_holidays_are_on_file(django_assert_num_queries):
    with django_assert_num_queries(1):
        hours = load_attention_hours()
    assert hours.holidays[REVOLUTION] == "Día de la Revolución"
    assert hours.holidays[date(2026, 9, 16)] == "Día de la Independencia"
    assert not hours.is_open(at("2026-12-25 10:00"))


instants = st.datetimes(datetime(2025, 1, 1), datetime(2027, 12, 1), timezones=st.just(MEXICO), allow_imaginary=False)


@pytest.mark.clause("M2", "M15")
@given(instants, st.integers(0, 60))
def test_what_holds_for_every_instant(instant, hours):
    opening = HOURS.find_next_opening(instant)
    assert opening >= instant
    assert HOURS.is_open(opening)
    assert HOURS.is_open(instant) == (opening == instant)
    end = HOURS.add_hours(instant, hours)
    assert HOURS.add_hours(instant, hours + 1) - end >= timedelta(hours=1)
    assert HOURS.is_open(end) or HOURS.is_open(end - timedelta(microseconds=1))
    assert HOURS.hours_between(instant, end) == pytest.approx(hours)
    later = HOURS.add_days(instant, hours)
    assert HOURS.is_open(later)
    assert later.time() == opening.time()
