"""Define the forms of charges: the customer's decision, and an agent's minutes, proposals and corrections (M18)."""

from decimal import Decimal
from typing import Any

from django import forms

from factureya.core.forms import PortalForm, Text
from tickets.charges import money
from tickets.charges.models import MAX_CHARGE_MINUTES, MAX_ENTRY_MINUTES, MAX_NOTE, MAX_REASON, MAX_WORK, ChargeProposal
from tickets.charges.operations import ChargeTerms
from tickets.charges.operations.proposing import MAX_LINES
from tickets.models import Ticket

ACCEPT, DECLINE = "acepto", "no-acepto"
CANNOT_STORE = "El texto trae un carácter que no se puede guardar; escríbalo de nuevo."


class _Line(forms.CharField):
    """Ask for a text of one line; `missing` is the error when it is empty, and without it the text is optional."""

    def __init__(self, label: str, *, most: int, missing: str = "", **options: Any) -> None:
        super().__init__(
            label=label,
            required=bool(missing),
            max_length=most,
            error_messages={
                "required": missing,
                "max_length": "Son hasta %(limit_value)d caracteres y escribió %(show_value)d. Acorte el texto.",
                "null_characters_not_allowed": CANNOT_STORE,
            },
            **options,
        )

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        """Return the attributes without maxlength, which would make the browser cut a pasted text silently."""
        return {}


class _Minutes(forms.IntegerField):
    """Ask for a number of minutes."""

    def __init__(self, label: str, *, most: int, required: bool = True) -> None:
        wrong = f"Escriba los minutos con un número de 1 a {most}."
        names = ("required", "invalid", "min_value", "max_value")
        super().__init__(
            label=label,
            required=required,
            min_value=1,
            max_value=most,
            widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
            error_messages=dict.fromkeys(names, wrong),
        )


class ChargeDecisionForm(PortalForm):
    """Ask the representative for the decision, and why if he likes to say it."""

    decision = forms.ChoiceField(
        choices=[(ACCEPT, "Acepto"), (DECLINE, "No acepto")],
        widget=forms.HiddenInput,
        error_messages=dict.fromkeys(("required", "invalid_choice"), "Elija si acepta el cobro o no lo acepta."),
    )
    note = _Line("Díganos por qué (opcional)", most=MAX_NOTE)

    @property
    def accepts(self) -> bool:
        """Return whether the valid form accepts the charge."""
        return bool(self.cleaned_data["decision"] == ACCEPT)


class TimeEntryForm(PortalForm):
    """Ask an agent for minutes and what he did; with accepted charges, also on which of them."""

    FREE = "0"

    minutes = _Minutes("Minutos", most=MAX_ENTRY_MINUTES)
    work = _Line("Qué hizo", most=MAX_WORK, missing="Escriba qué hizo.")

    def __init__(self, *args: Any, ticket: Ticket, accepted: list[tuple[ChargeProposal, int]], **options: Any) -> None:
        """Make the form; `accepted` are its accepted charges, and of merged tickets, each with the minutes left."""
        super().__init__(*args, **options)
        self.charges = {_name_charge(charge, ticket): charge for charge, _left in accepted}
        if accepted:
            choices = [
                (name, f"A cuenta del cobro aceptado {name}: quedan {left} de {self.charges[name].minutes} min")
                for name, (_charge, left) in zip(self.charges, accepted, strict=True)
            ]
            self.fields["charge"] = forms.ChoiceField(
                label="¿Se cobra?",
                choices=[*choices, (self.FREE, "Sin costo")],
                widget=forms.RadioSelect,
                error_messages=dict.fromkeys(("required", "invalid_choice"), "Elija si se cobra o es sin costo."),
            )

    @property
    def charge(self) -> ChargeProposal | None:
        """Return the chosen charge, or None for free minutes."""
        return self.charges.get(self.cleaned_data.get("charge", self.FREE))


def _name_charge(charge: ChargeProposal, ticket: Ticket) -> str:
    """Return the number of a charge; of a merged ticket's, with the number of that ticket (M11)."""
    return str(charge.seq) if charge.ticket_id == ticket.pk else f"{charge.seq} de {charge.ticket.number}"


class ChargeReasonForm(PortalForm):
    """Ask staff for the reason of an act: why minutes are voided, or a charge withdrawn."""

    reason = _Line("Por qué", most=MAX_NOTE, missing="Escriba por qué.")


class ChargeForm(PortalForm):
    """Ask a supervisor for a charge: up to four pieces of work with their minutes, the price of an hour, and why."""

    rate = forms.DecimalField(
        label="Precio por hora, en pesos y sin IVA",
        min_value=Decimal("0.01"),
        max_value=Decimal(10_000),
        decimal_places=2,
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}),
        error_messages=dict.fromkeys(
            ("required", "invalid", "min_value", "max_value", "max_decimal_places", "max_digits", "max_whole_digits"),
            "Escriba el precio en pesos, por ejemplo 450.00, hasta 10,000.00.",
        ),
    )
    reason = Text(
        label="Por qué se cobra",
        help_text="Qué se le pidió al cliente, cuándo, y qué no se recibió. El cliente lo lee tal cual.",
        missing="Escriba por qué se cobra: qué se pidió y no se recibió.",
        most=MAX_REASON,
        rows=4,
    )
    seen = forms.IntegerField(
        min_value=0,
        max_value=10**6,
        widget=forms.HiddenInput,
        error_messages=dict.fromkeys(
            ("required", "invalid", "min_value", "max_value"), "La página venció. Revise los datos y envíelos de nuevo."
        ),
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for number in range(1, MAX_LINES + 1):
            missing = "Escriba el trabajo que se cobraría." if number == 1 else ""
            self.fields[f"work_{number}"] = _Line(f"Trabajo {number}", most=MAX_WORK, missing=missing)
            self.fields[f"minutes_{number}"] = _Minutes("Minutos", most=MAX_CHARGE_MINUTES, required=number == 1)

    @property
    def line_fields(self) -> list[tuple[forms.BoundField, forms.BoundField]]:
        """Return the two fields of each line."""
        return [(self[f"work_{number}"], self[f"minutes_{number}"]) for number in range(1, MAX_LINES + 1)]

    def clean(self) -> dict[str, Any]:
        """Require both the work and the minutes of a line that has one of them."""
        data = super().clean() or {}
        for number in range(2, MAX_LINES + 1):
            work, minutes = data.get(f"work_{number}"), data.get(f"minutes_{number}")
            if work and not minutes and f"minutes_{number}" not in self.errors:
                self.add_error(f"minutes_{number}", "Escriba los minutos del trabajo.")
            if minutes and not work and f"work_{number}" not in self.errors:
                self.add_error(f"work_{number}", "Escriba el trabajo.")
        return data

    def build_terms(self) -> ChargeTerms:
        """Return what the valid form proposes."""
        data = self.cleaned_data
        lines = [(data[f"work_{number}"], data[f"minutes_{number}"]) for number in range(1, MAX_LINES + 1)]
        return ChargeTerms(
            lines=tuple((work, minutes) for work, minutes in lines if work and minutes),
            rate_cents=money.to_cents(data["rate"]),
            reason=data["reason"],
        )
