"""How the hours of a week are typed, stored and shown (M2)."""

from datetime import time

import pytest

from factureya.core.hours import week
from factureya.core.hours.week import STANDARD, BadHours

pytestmark = [pytest.mark.once, pytest.mark.clause("M2")]
DAY = ((time(9), time(14)), (time(15), time(19)))


@pytest.mark.parametrize(
    ("typed", "hours"),
    [
        ("9:00 a 14:00 y 15:00 a 19:00", DAY),
        ("9-14, 15-19", DAY),
        ("  09:00 – 14:00 ,  15:00 – 19:00 ", DAY),
        ("9:30 a 13", ((time(9, 30), time(13)),)),
        ("", ()),
        ("Cerrado", ()),
    ],
)
def test_hours_as_people_type_them(typed, hours):
    assert week.parse_day(typed) == hours


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("todo el día", "No se entiende «todo el día»"),
        ("9", "No se entiende"),
        ("25-26", "no es una hora"),
        ("9:60-10", "no es una hora"),
        ("14-9", "Cada tramo termina después"),
        ("9-9", "Cada tramo termina después"),
        ("9-14, 13-19", "Cada tramo termina después"),
        ("9-14, 14-19", "Cada tramo termina después"),
        ("1-2, 3-4, 5-6, 7-8, 9-10", "hasta 4 tramos"),
        ("9-14" + " " * 3 + "x" * 90, "80 caracteres o menos"),
    ],
)
def test_hours_that_cannot_be_say_why(typed, says):
    with pytest.raises(BadHours, match=says):
        week.parse_day(typed)


def test_a_week_is_stored_and_read():
    text = week.format_week(STANDARD)
    assert text == ";".join(["09:00-14:00,15:00-19:00"] * 5 + [""] * 2)
    assert week.parse_week(text) == STANDARD
    for wrong in ("", ";" * 6, "9-10;" * 7):
        with pytest.raises(BadHours):
            week.parse_week(wrong)


def test_a_week_in_words():
    lines = [(line.days, line.hours, line.is_open) for line in week.describe_week(STANDARD)]
    assert lines == [("Lunes a viernes", "9:00 a 14:00 y 15:00 a 19:00", True), ("Sábado y domingo", "Cerrado", False)]
    assert week.describe_open_hours(STANDARD) == "Lunes a viernes, de 9:00 a 14:00 y de 15:00 a 19:00 h"
    saturday = (*STANDARD[:5], ((time(10), time(13)),), ())
    assert week.describe_open_hours(saturday).endswith("; Sábado, de 10:00 a 13:00 h")
