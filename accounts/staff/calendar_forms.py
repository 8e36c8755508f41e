"""Define the forms of the attention hours and the days without attention (M2)."""

from datetime import date
from typing import Any

from django import forms

from accounts.forms import PlainForm
from accounts.staff.forms import require_near_day
from factureya.core.hours.changes import MAX_NAME, Draft, Kind
from factureya.core.hours.week import DAYS, MAX_TYPED, BadHours, Week, format_day, format_week, parse_day, require_open

WRITE_DAY = "Escriba el día como AAAA-MM-DD, o elíjalo del calendario."


class DayForm(PlainForm):
    """Ask for the day of a change."""

    day = forms.DateField(
        widget=forms.DateInput(attrs={"type": "date", "class": "fy-in"}, format="%Y-%m-%d"),
        error_messages={"invalid": WRITE_DAY},
        validators=[require_near_day],
    )


class HolidayForm(DayForm):
    """Ask for a day without attention, and why nobody attends."""

    name = forms.CharField(
        max_length=MAX_NAME,
        error_messages={"max_length": f"Escriba el motivo en {MAX_NAME} caracteres o menos."},
        widget=forms.TextInput(attrs={"class": "fy-in fy-full", "autocomplete": "off"}),
    )
    words = {
        "day": ("Fecha", "", "Elija el día."),
        "name": ("Motivo, como lo leerá el cliente", "", "Escriba qué se celebra o por qué no se atiende."),
    }

    def make_draft(self) -> Draft:
        """Return the change that the valid form asks for."""
        return Draft(Kind.ADD_HOLIDAY, self.cleaned_data["day"], name=self.cleaned_data["name"])


class HoursForm(DayForm):
    """Ask for the hours of each day of the week, and from which day on they count."""

    words = {"day": ("Desde qué día", "Antes de ese día cuenta el horario de ahora.", "Elija el día.")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for number, label in enumerate(DAYS):
            self.fields[f"day_{number}"] = forms.CharField(
                label=label,
                required=False,
                max_length=MAX_TYPED,
                error_messages={"max_length": f"Escriba las horas en {MAX_TYPED} caracteres o menos."},
                widget=forms.TextInput(attrs={"class": "fy-in fy-full", "autocomplete": "off"}),
            )

    @staticmethod
    def make_initial(week: Week, day: date) -> dict[str, Any]:
        """Return the values of a form that shows this week, to be changed from this day on."""
        return {"day": day, **{f"day_{number}": format_day(hours) for number, hours in enumerate(week)}}

    def clean(self) -> dict[str, Any]:
        """Return the data, with the week under `hours` as a row stores it. A day without valid hours is an error."""
        data = super().clean() or {}
        days = []
        for number in range(len(DAYS)):
            try:
                days.append(parse_day(data.get(f"day_{number}", "")))
            except BadHours as problem:
                self.add_error(f"day_{number}", str(problem))
        if not self.errors:
            try:
                data["hours"] = format_week(require_open(tuple(days)))  # a week closed on all days is an error
            except BadHours as problem:
                self.add_error("day_0", str(problem))
        return data

    def make_draft(self) -> Draft:
        """Return the change that the valid form asks for."""
        return Draft(Kind.HOURS, self.cleaned_data["day"], hours=self.cleaned_data["hours"])
