"""Define the forms of the admin about companies, offices and people."""

from datetime import date, datetime, time, timedelta
from typing import Any

from django import forms
from django.utils import timezone

from accounts.forms import PlainForm
from accounts.models import CONTROL_OFFICES, DESK_OFFICES, READING_OFFICES, Office, Provider

MIN_REASON = 10  # characters


class ReasonForm(PlainForm):
    """Ask for a reason that somebody will read."""

    reason = forms.CharField(
        max_length=300,
        error_messages={"max_length": "Escriba el motivo en 300 caracteres o menos."},
        widget=forms.Textarea(attrs={"rows": 3, "class": "fy-in"}),
    )
    words = {"reason": ("Motivo", "", "Escriba el motivo.")}


class RefuseForm(ReasonForm):
    """Ask why a company is not accepted."""

    words = {
        "reason": (
            "Motivo",
            "La persona lo leerá en su correo y en su cuenta.",
            "Escriba el motivo; la persona lo leerá.",
        )
    }


class OfficeForm(PlainForm):
    """Ask for an office, its provider if it has one, and its days."""

    office = forms.ChoiceField(
        choices=[("", "Elija el cargo"), *Office.choices],
        error_messages={"invalid_choice": "Elija un cargo de la lista."},
    )
    provider = forms.ModelChoiceField(
        Provider.objects.none(),
        required=False,
        empty_label="Sin prestador",
        error_messages={"invalid_choice": "Elija un prestador de la lista."},
    )
    words = {
        "office": ("Cargo", "", "Elija el cargo."),
        "provider": ("Prestador", "Solo para agentes y supervisores.", ""),
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        provider = self.fields["provider"]
        assert isinstance(provider, forms.ModelChoiceField)
        provider.queryset = Provider.objects.order_by("name")

    def clean(self) -> dict[str, Any]:
        """Return the form's data. Without a provider, an office that works on tickets is an error."""
        data = super().clean() or {}
        if data.get("office") in DESK_OFFICES and not data.get("provider"):
            self.add_error("provider", "Indique el prestador.")
        return data


def find_reason_problem(office: str, reason: str) -> str:
    """Return what is wrong with the reason to grant or end this office, or an empty text.

    An office that decides, implements or audits formal requests takes a reason of 10 characters at least.
    """
    needs_reason = office in CONTROL_OFFICES | READING_OFFICES
    is_short = needs_reason and len(reason.strip()) < MIN_REASON
    return f"Escriba el motivo (al menos {MIN_REASON} caracteres): queda en la bitácora." if is_short else ""


def require_near_day(day: date) -> None:
    """Raise ValidationError unless the year is 2000 to 2100; a clock or the database may overflow with a far day."""
    if not 2000 <= day.year <= 2100:
        raise forms.ValidationError("Escriba un día entre los años 2000 y 2100.")


def _make_day_field(which: str) -> forms.DateField:
    """Return the form field of an optional day; `which` («primer», «último») names the day in its error message."""
    return forms.DateField(
        required=False,
        widget=forms.DateInput(attrs={"type": "date", "class": "fy-in"}),
        error_messages={"invalid": f"Escriba el {which} día como AAAA-MM-DD."},
        validators=[require_near_day],
    )


class GrantOfficeForm(OfficeForm):
    """Ask for an office of somebody who has an account."""

    first_day = _make_day_field("primer")
    last_day = _make_day_field("último")
    reason = forms.CharField(
        max_length=300,
        required=False,
        error_messages={"max_length": "Escriba el motivo en 300 caracteres o menos."},
        widget=forms.Textarea(attrs={"rows": 2, "class": "fy-in"}),
    )
    words = {
        **OfficeForm.words,
        "first_day": ("Primer día (opcional)", "Vacío: desde ahora.", ""),
        "last_day": ("Último día (opcional)", "Vacío: hasta que se termine.", ""),
        "reason": ("Motivo", "Con qué nombramiento. Se pide para los cargos de mesa de control y Auditoría.", ""),
    }

    def clean(self) -> dict[str, Any]:
        """Return the data that `operations.grant_office` takes: `starts_at` and `ends_at` instead of the two days.

        The last day is included, so the office ends at the next midnight.
        """
        data = super().clean()
        if problem := find_reason_problem(data.get("office", ""), data.get("reason", "")):
            self.add_error("reason", problem)
        first_day, last_day = data.pop("first_day", None), data.pop("last_day", None)
        data["starts_at"] = _make_midnight(first_day) if first_day else None
        data["ends_at"] = _make_midnight(last_day + timedelta(days=1)) if last_day else None
        return data


class InviteStaffForm(OfficeForm):
    """Ask whom a superuser invites, and to which office."""

    email = forms.EmailField(max_length=254, widget=forms.EmailInput(attrs={"autocomplete": "off"}))
    field_order = ["email", "office", "provider"]
    words = {
        **OfficeForm.words,
        "email": ("Correo", "La persona elige su contraseña.", "Escriba el correo de la persona."),
    }


class ProviderForm(PlainForm):
    """Ask for a third party that gives the service."""

    name = forms.CharField(
        max_length=120, error_messages={"max_length": "Escriba el nombre en 120 caracteres o menos."}
    )
    words = {"name": ("Nombre del prestador", "", "Escriba el nombre del prestador.")}


def _make_midnight(day: date) -> datetime:
    """Return the beginning of a day in local time."""
    return timezone.make_aware(datetime.combine(day, time.min))
