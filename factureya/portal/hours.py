"""Describe the hours of attention as a visitor reads them at this minute (M2): words, and the bar of the day."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from factureya.core.calendar import MONTHS_LONG, WEEKDAYS_LONG, AttentionHours
from factureya.core.hours.week import DayHours, describe_week
from factureya.core.templatetags.fy import format_time

BAR_FROM, BAR_TO, BAR_PER_HOUR = 8, 20, 20  # the bar shows 8:00 to 20:00, 240 units wide


@dataclass(frozen=True)
class Bar:
    """Hold a stretch of the bar of the day, in its units."""

    x: int
    width: int


@dataclass(frozen=True)
class Tick:
    """Hold an hour under the bar of the day, and where it stands."""

    x: int
    hour: int
    is_end: bool


@dataclass(frozen=True)
class Today:
    """Hold what the card of hours shows."""

    is_open: bool
    headline: str  # «Abierto ahora» · «Cerrado, abre mañana a las 9:00»
    detail: str
    bars: list[Bar]  # none on a day without attention
    marker: int | None  # where the bar's «now» stands; None outside 8:00–20:00
    lines: tuple[DayHours, ...]  # the hours of the week
    ticks: list[Tick]  # the hours at the ends of the stretches


def describe_today(hours: AttentionHours, at: datetime) -> Today:
    """Return the card of attention hours at the time `at` (M2): texts, a bar per open stretch, a marker for `at`."""
    local = at.astimezone(hours.zone)
    closing = hours.find_closing(local)
    ranges = hours.list_hours(local.date())
    detail = " ".join([f"Son las {format_time(local)}.", *_describe_details(hours, local, closing)])
    marker = _compute_bar_x(local.hour + local.minute / 60) if BAR_FROM <= local.hour < BAR_TO else None
    return Today(
        is_open=closing is not None,
        headline="Abierto ahora" if closing else f"Cerrado, abre {_describe_opening(hours, local)}",
        detail=detail.replace("Son las 1:", "Es la 1:"),  # one o'clock is singular
        bars=[  # x and width of each open stretch
            Bar(_compute_time_x(start), _compute_time_x(end) - _compute_time_x(start)) for start, end in ranges
        ],
        marker=marker,
        ticks=[
            Tick(_compute_time_x(instant), instant.hour, is_end)
            for pair in ranges
            for instant, is_end in zip(pair, (False, True), strict=True)
        ],
        lines=describe_week(hours.find_week(local.date())),
    )


def _describe_opening(hours: AttentionHours, local: datetime) -> str:
    """Return when we open: «hoy a las 15:00», «mañana a las 9:00» or «el martes 1 de diciembre a las 9:00»."""
    opening = hours.find_next_opening(local)
    days = (opening.date() - local.date()).days  # from today
    day = {0: "hoy", 1: "mañana"}.get(days)
    if day is None:
        month = "" if opening.month == local.month else f" de {MONTHS_LONG[opening.month - 1]}"
        day = f"el {WEEKDAYS_LONG[opening.weekday()]} {opening.day}{month}"
    return f"{day} a las {format_time(opening)}"


def _describe_details(hours: AttentionHours, local: datetime, closing: datetime | None) -> list[str]:
    """Return the sentences under «Abierto ahora» (open until `closing`), or under «Cerrado» if `closing` is None."""
    if closing is None:
        days_off = _list_days_off(hours, local.date(), hours.find_next_opening(local).date())
        return [*days_off, "Puede levantar su ticket ahora; lo atendemos al abrir."]
    reopening = hours.find_next_opening(closing)  # today, if `closing` only begins the lunch break
    return_text = f" y regresamos a las {format_time(reopening)}" if reopening.date() == local.date() else ""
    return [f"Atendemos hasta las {format_time(closing)}{return_text}."]


def _list_days_off(hours: AttentionHours, first: date, opening: date) -> list[str]:
    """Return a sentence for each holiday from today (`first`) to the day before we open again (`opening`)."""
    texts = []
    for offset in range((opening - first).days):
        day = first + timedelta(days=offset)
        if name := hours.holidays.get(day):
            when = {0: "Hoy", 1: "Mañana"}.get(offset, f"El {WEEKDAYS_LONG[day.weekday()]} {day.day}")
            texts.append(f"{when} no hay atención: {name}.")
    return texts


def _compute_time_x(instant: time) -> int:
    """Return how far from the left a time stands in the chart of the day; outside its hours, the nearer end of it."""
    hour = min(max(instant.hour + instant.minute / 60, BAR_FROM), BAR_TO)
    return _compute_bar_x(hour)


def _compute_bar_x(hour: float) -> int:
    """Return how far from the left an hour stands in the bar chart of the day."""
    return round((hour - BAR_FROM) * BAR_PER_HOUR)
