"""Write and read the attention hours of a week: as a supervisor types them, as a row stores them, as pages show them.

It asks no database. A stored week is seven days, Monday first, as «09:00-14:00,15:00-19:00;…»; an empty day is closed.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import time
from functools import cache
from itertools import groupby, pairwise

Range = tuple[time, time]
Week = tuple[tuple[Range, ...], ...]  # seven days, Monday first

DAYS = "Lunes Martes Miércoles Jueves Viernes Sábado Domingo".split()
MAX_RANGES = 4  # of one day
MAX_TYPED = 80  # characters of one day
STANDARD: Week = (((time(9), time(14)), (time(15), time(19))),) * 5 + ((),) * 2  # manual 01
_RANGE = re.compile(r"(\d{1,2})(?::(\d{2}))? ?(?:-|–|a) ?(\d{1,2})(?::(\d{2}))?")


class BadHours(ValueError):
    """Say what is wrong with the hours of a day, in Spanish."""


@dataclass(frozen=True)
class DayHours:
    """Hold one line of the table of hours: «Lunes a viernes» and «9:00 a 14:00 y 15:00 a 19:00»."""

    days: str
    hours: str
    is_open: bool


def parse_day(text: str) -> tuple[Range, ...]:
    """Return the ranges of a day that a person typed, as «9:00 a 14:00 y 15:00 a 19:00» or «9-14, 15-19».

    An empty text, or «cerrado», is a day without attention. Raises BadHours for anything else.
    """
    if len(text) > MAX_TYPED:
        raise BadHours(f"Escriba las horas de un día en {MAX_TYPED} caracteres o menos.")
    words = " ".join(text.casefold().split())
    if words in {"", "cerrado"}:
        return ()
    ranges = [_parse_range(part.strip()) for part in words.replace(" y ", ",").split(",")]
    if len(ranges) > MAX_RANGES:
        raise BadHours(f"Un día tiene hasta {MAX_RANGES} tramos.")
    instants = [instant for pair in ranges for instant in pair]
    if any(later <= earlier for earlier, later in pairwise(instants)):
        raise BadHours("Cada tramo termina después de empezar, y el siguiente empieza después.")
    return tuple(ranges)


@cache
def parse_week(text: str) -> Week:
    """Return a stored week. Raises ValueError if it is none, or if nobody attends on any day."""
    days = text.split(";")
    if len(days) != len(DAYS):
        raise BadHours("Una semana tiene siete días.")
    return require_open(tuple(parse_day(day) for day in days))


def require_open(week: Week) -> Week:
    """Return the week. Raises BadHours if it has no open hour at all: then no deadline would ever come."""
    if not any(week):
        raise BadHours("Al menos un día debe tener horas de atención.")
    return week


def format_week(week: Week) -> str:
    """Return a week as a row stores it."""
    return ";".join(",".join(f"{start:%H:%M}-{end:%H:%M}" for start, end in day) for day in week)


def format_day(day: Sequence[Range]) -> str:
    """Return the hours of a day as pages show them: «9:00 a 14:00 y 15:00 a 19:00», or «Cerrado»."""
    parts = [f"{_show(start)} a {_show(end)}" for start, end in day]
    if not parts:
        return "Cerrado"
    return f"{', '.join(parts[:-1])} y {parts[-1]}" if len(parts) > 1 else parts[0]


@cache
def describe_week(week: Week) -> tuple[DayHours, ...]:
    """Return the lines of the table of hours; neighbouring days with the same hours share one."""
    return tuple(
        DayHours(days, format_day(hours), bool(hours))
        for hours, names in groupby(zip(week, DAYS, strict=True), key=lambda pair: pair[0])
        for days in [_join_days([name for _hours, name in names])]
    )


@cache
def describe_open_hours(week: Week) -> str:
    """Return in one line when somebody attends: «Lunes a viernes, de 9:00 a 14:00 y de 15:00 a 19:00 h»."""
    return "; ".join(_describe_open_lines(week))


def _describe_open_lines(week: Week) -> Iterator[str]:
    """Yield a text for each group of days on which somebody attends."""
    for line in describe_week(week):
        if line.is_open:
            yield f"{line.days}, de {line.hours.replace(' y ', ' y de ')} h"


def _join_days(names: list[str]) -> str:
    """Return neighbouring days as «Lunes a viernes», «Sábado y domingo» or «Lunes»."""
    if len(names) == 1:
        return names[0]
    return f"{names[0]} {'y' if len(names) == 2 else 'a'} {names[-1].lower()}"


def _parse_range(text: str) -> Range:
    """Return the start and end that «9:00 a 14:00» or «9-14» says. Raises BadHours."""
    found = _RANGE.fullmatch(text)
    if found is None:
        raise BadHours(f"No se entiende «{text}». Escriba por ejemplo 9:00 a 14:00 y 15:00 a 19:00.")
    hour, minute, end_hour, end_minute = (int(part or 0) for part in found.groups())
    try:
        return time(hour, minute), time(end_hour, end_minute)
    except ValueError:
        raise BadHours(f"«{text}» no es una hora: van de 0:00 a 23:59.") from None


def _show(instant: time) -> str:
    """Return a time of a day as «9:00»."""
    return f"{instant.hour}:{instant.minute:02d}"
