"""The forms of emergencies: ask, decide, seal, give a half, change a field, judge, sign (M22, M23, M27)."""

import copy
from collections.abc import Iterable, Sequence
from datetime import datetime, time, timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone

from accounts.models import Customer, User
from change_requests.control.views_common import ActForm, PersonField, Reason, RefusableForm, SafeForm, make_choice
from change_requests.emergency import wording
from change_requests.emergency.models import (
    ActivityVerdict,
    Delegation,
    EmergencyAccount,
    EmergencyCause,
    EmergencyGrant,
    GrantAuthorization,
)
from change_requests.kinds.fields import COLUMNS, MAX_ADDRESS, STATUS, find_row
from change_requests.kinds.inputs import Choice, Day, Line, Tick

MINUTES = (15, 30, 60, 120, 180, 240)
MIN_ASK, MIN_NOTE, MAX_TEXT, MAX_NOTE = 20, 10, 4000, 300
Verdict = GrantAuthorization.Verdict


class PasswordForm(SafeForm):
    """Ask for nothing but the password."""


class GrantForm(RefusableForm):
    """Ask for an emergency: which incident, why, whose data, which fields, how long, with which account (M23)."""

    incident = Line(
        label="Ticket o solicitud que la origina",
        help_text="Abierto, por ejemplo FY-5X2E-74P8 o SC-5R8T-2NW2.",
        missing="Escriba el número del ticket o el folio de la solicitud",
        most=20,
    )
    cause = Choice(label="Causa", missing="Elija una causa de la lista")
    customer = Line(
        label="Cliente",
        help_text="Su RFC o su razón social. Uno solo: no podrá ver ni tocar a otro.",
        missing="Escriba el RFC o la razón social del cliente",
    )
    fields_asked = forms.MultipleChoiceField(
        label="Datos que necesita cambiar",
        help_text="Marque solo lo indispensable; lo demás se rechaza. Con una cuenta de solo lectura, ninguno.",
        required=False,
        widget=forms.CheckboxSelectMultiple(attrs={"class": "form-check-input"}),
        error_messages={"invalid_choice": "Elija los datos de la lista"},
    )
    reason = Reason(
        label="Qué va a hacer y por qué no puede esperar",
        least=MIN_ASK,
        most=MAX_TEXT,
        rows=4,
        help_text=f"Al menos {MIN_ASK} caracteres. Con esto se compara después lo que hizo.",
        missing="Escriba qué va a hacer y por qué no puede esperar",
    )
    minutes = Choice(label="Cuánto tiempo", is_list=True, missing="Elija cuánto tiempo")
    account = Choice(label="Cuenta", is_list=True, missing="Elija una cuenta sellada")
    DRILL_HAS_NO = ("incident", "customer")

    def __init__(
        self,
        *args: Any,
        causes: Sequence[EmergencyCause],
        accounts: Sequence[tuple[str, str]],
        customer: Customer | None = None,
        drill: bool = False,
        **options: Any,
    ) -> None:
        """Make the form; `accounts` are the choices of accounts, and `customer` is whose values of today are shown."""
        super().__init__(*args, **options)
        self.fields["cause"].choices = [  # type: ignore[attr-defined]
            (cause.code, make_choice(cause.title, cause.procedure)) for cause in causes
        ]
        self.fields["fields_asked"].choices = [(code, _describe_field(code, customer)) for code in COLUMNS]  # type: ignore[attr-defined]
        most = settings.EMERGENCY_MAX_MINUTES
        self.fields["minutes"].choices = [  # type: ignore[attr-defined]
            ("", "Elija"),
            *((str(n), wording.show_minutes(n)) for n in sorted({*(n for n in MINUTES if n < most), most})),
        ]
        self.fields["account"].choices = [("", "Elija una cuenta"), *accounts]  # type: ignore[attr-defined]
        if drill:
            for name in self.DRILL_HAS_NO:
                del self.fields[name]

    def show_refusal(self, refusal: Any) -> None:
        """Show beside each field why the operation refused it; its `fields` is `fields_asked` in this form."""
        errors = getattr(refusal, "errors", None) or {refusal.field: str(refusal)}
        for name, text in errors.items():
            field = {"fields": "fields_asked"}.get(name, name)  # a Django form has its own `fields`
            self.add_error(field if field in self.fields else None, text)  # None: above all fields


def _describe_field(code: str, customer: Customer | None) -> str:
    """Return the label of a field (`code`), followed by the customer's present value if the customer is known."""
    if customer is None:
        return find_row(code).label
    return make_choice(find_row(code).label, f"Hoy: {wording.show_value(code, getattr(customer, code) or '')}")


class DecisionForm(SafeForm):
    """Ask an officer for a decision about an emergency: authorize, for less time, or refuse (M23)."""

    verdict = Choice(label="Decisión", missing="Elija si la autoriza")
    minutes = forms.IntegerField(
        label="Minutos que autoriza",
        help_text="Solo si la autoriza por menos tiempo.",
        required=False,
        min_value=1,
        widget=forms.NumberInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
        error_messages=dict.fromkeys(("invalid", "min_value"), "Escriba los minutos con número, por ejemplo 30"),
    )
    reason = Reason(
        label="Razón de su decisión",
        most=MAX_TEXT,
        help_text="Obligatoria también al autorizar. Queda en el expediente.",
        missing="Escriba la razón de su decisión",
    )

    def __init__(self, *args: Any, grant: EmergencyGrant, **options: Any) -> None:
        """Make the form for this emergency, whose length of time the choices name."""
        super().__init__(*args, **options)
        self.asked = grant.minutes_asked
        asked = wording.show_minutes(self.asked)
        start = wording.show_minutes(settings.EMERGENCY_START_MINUTES)
        self.fields["verdict"].choices = [  # type: ignore[attr-defined]
            (
                Verdict.AUTHORIZE,
                make_choice(f"Autorizar por {asked}", f"Con las dos autorizaciones, {start} para abrirla"),
            ),
            (
                Verdict.LESS,
                make_choice("Autorizar por menos tiempo", f"Escriba abajo cuántos minutos, menos de {self.asked}"),
            ),
            (Verdict.REFUSE, make_choice("No autorizar", "Termina aquí; se puede pedir otra")),
        ]

    def clean(self) -> dict[str, Any]:
        """Validate that a decision «por menos tiempo» says how many minutes, and fewer than were asked for."""
        data = super().clean() or self.cleaned_data
        if data.get("verdict") == Verdict.LESS and "minutes" not in self.errors:  # one error per field
            minutes = data.get("minutes")
            if not minutes or minutes >= self.asked:
                self.add_error("minutes", f"Escriba cuántos minutos autoriza, menos de {self.asked}")
        return data


class RevokeForm(SafeForm):
    """Ask why an emergency is stopped."""

    reason = Reason(
        label="Por qué se revoca",
        most=MAX_NOTE,
        rows=2,
        missing="Escriba por qué se revoca",
        help_text="Queda en el registro.",
    )


class HalfForm(RefusableForm):
    """Ask a custodian for the half of his envelope; nothing that was typed is written into the page again (M22)."""

    half = forms.CharField(
        label="La mitad de su sobre",
        help_text="Guiones y minúsculas no importan. 3 intentos: después se retira el sello.",
        strip=False,
        max_length=100,
        widget=forms.PasswordInput(attrs={"autocomplete": "off", "spellcheck": "false", "class": "fy-mono"}),
        error_messages={
            "required": "Escriba la mitad de su sobre",
            "max_length": "Una mitad no es tan larga; revísela",
            "null_characters_not_allowed": "Trae un carácter que ninguna mitad tiene",
        },
    )


class SealForm(SafeForm):
    """Ask the security officer who keeps the two halves of a new seal (M22)."""

    custodian_a = PersonField(label="Custodio de la mitad A", missing="Elija al custodio de la mitad A")
    custodian_b = PersonField(
        label="Custodio de la mitad B",
        help_text="Otra persona, en otro lugar.",
        missing="Elija al custodio de la mitad B",
    )

    def __init__(self, *args: Any, people: Iterable[User] = (), **options: Any) -> None:
        super().__init__(*args, **options)
        everybody = list(people)
        self.fields["custodian_a"].offer_people(everybody)  # type: ignore[attr-defined]
        self.fields["custodian_b"].offer_people(everybody)  # type: ignore[attr-defined]


class SealedForm(RefusableForm):
    """Ask a custodian to say that the half is in its envelope (M22)."""

    is_closed = Tick(
        label="Metí la hoja en el sobre, lo cerré y lo firmé en la solapa",
        missing="Marque que el sobre está cerrado y firmado",
    )
    is_apart = Tick(
        label="Lo guardo donde la otra persona no tiene acceso",
        missing="Marque que lo guarda donde la otra persona no llega",
    )


class AccountForm(SafeForm):
    """Ask what a new emergency account is called, is for, and may do (M22)."""

    alias = Line(
        label="Alias", help_text="Por ejemplo emergencia-01.", missing="Escriba el alias, como emergencia-01", most=40
    )
    purpose = Reason(
        label="Para qué es",
        most=200,
        rows=2,
        missing="Escriba para qué es la cuenta",
        help_text="Al menos 10 caracteres.",
    )
    scope = Choice(
        label="Qué puede hacer", choices=EmergencyAccount.Scope.choices, missing="Elija qué puede hacer la cuenta"
    )


class CauseForm(SafeForm):
    """Ask for a new cause of the closed list, and how it is confirmed (M23)."""

    title = Line(label="Causa", missing="Escriba la causa", most=120)
    procedure = Reason(
        label="Cómo se confirma",
        least=MIN_ASK,
        most=2000,
        help_text="Qué comprueba quien la pide y quien la autoriza; al menos 20 caracteres.",
        missing="Escriba cómo se confirma",
    )


class DelegationForm(SafeForm):
    """Ask who stands in for an absent officer, and between which days (M23)."""

    office = Choice(
        label="Cargo",
        choices=[("", "Elija el cargo"), *((office.value, office.label) for office in Delegation.OFFICES)],
        is_list=True,
        missing="Elija el cargo",
    )
    absent = PersonField(label="Titular ausente", missing="Elija a quien se ausenta")
    alternate = PersonField(label="Suplente", missing="Elija al suplente")
    first_day = Day(label="Desde", missing="Escriba desde qué día")
    last_day = Day(label="Hasta", help_text="El último día, completo.", missing="Escriba hasta qué día")
    reason = Reason(label="Motivo", most=MAX_NOTE, rows=2, missing="Escriba el motivo de la suplencia")
    DAYS = {"starts_at": "first_day", "ends_at": "last_day"}

    def __init__(self, *args: Any, absent: Iterable[User] = (), people: Iterable[User] = (), **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["absent"].offer_people(absent)  # type: ignore[attr-defined]
        self.fields["alternate"].offer_people(people)  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """Validate that the delegation does not end before it starts."""
        data = super().clean() or self.cleaned_data
        first, last = data.get("first_day"), data.get("last_day")
        if first and last and last < first:
            self.add_error("last_day", "La suplencia termina después de que empieza")
        return data

    def make_arguments(self) -> dict[str, Any]:
        """Return the delegation for its operation: from the first day's midnight to the midnight after the last day."""
        data = super().make_arguments()
        first, last = data.pop("first_day"), data.pop("last_day")
        return {**data, "starts_at": _find_midnight(first), "ends_at": _find_midnight(last + timedelta(days=1))}

    def show_refusal(self, refusal: Any) -> None:
        """Show beside each field why the operation refused it; its instants are days in this form (DAYS)."""
        errors = getattr(refusal, "errors", None) or {refusal.field: str(refusal)}
        for name, text in errors.items():
            field = self.DAYS.get(name, name)
            self.add_error(field if field in self.fields else None, text)  # None: above all fields


def _find_midnight(day: Any) -> datetime:
    """Return the instant at which a local day begins."""
    return timezone.make_aware(datetime.combine(day, time.min))


class ChangeForm(RefusableForm):
    """Ask inside an emergency for the new value of one field that it names, and why (M1, M23)."""

    field = forms.CharField(
        widget=forms.HiddenInput,
        max_length=40,
        error_messages={"max_length": "Ese dato no existe", "required": "Elija el dato"},
    )
    new = Line(label="Valor nuevo", most=MAX_ADDRESS, required=False)
    reason = Reason(
        label="Motivo de este cambio",
        most=MAX_TEXT,
        rows=2,
        missing="Escriba el motivo de este cambio",
        help_text="Queda en el registro y lo lee el cliente.",
    )

    def __init__(self, *args: Any, code: str, customer: Customer, **options: Any) -> None:
        """Make the form for one field, with its value of today."""
        super().__init__(*args, **options)
        row = find_row(code)
        today = wording.show_value(code, getattr(customer, code) or "")
        if code == STATUS.code:
            self.fields["new"] = Choice(
                label=row.label, choices=Customer.Status.choices, is_list=True, missing="Elija el estado"
            )
        else:
            self.fields["new"] = Line(label=row.label, missing="Escriba el valor nuevo", most=row.max_length)
        self.fields["new"].help_text = f"Hoy: {today}"
        self.fields["field"].initial = code
        self.initial.setdefault("new", getattr(customer, code) or "")
        self.order_fields(["field", "new", "reason"])


class VerdictForm(RefusableForm):
    """Ask the reviewer what he says of one act (M27)."""

    verdict = Choice(
        label="Su veredicto",
        choices=[
            (ActivityVerdict.Verdict.CONFORM, "Conforme"),
            (ActivityVerdict.Verdict.OBSERVED, make_choice("Observado", "La nota es obligatoria.")),
        ],
        missing="Elija conforme u observado",
    )
    note = Reason(label="Nota", least=MIN_NOTE, most=2000, rows=2, missing="", required=False)

    def clean(self) -> dict[str, Any]:
        """Validate that an act judged as *observado* has a note that says what was observed."""
        data = super().clean() or self.cleaned_data
        if (
            data.get("verdict") == ActivityVerdict.Verdict.OBSERVED
            and not data.get("note")
            and "note" not in self.errors
        ):
            self.add_error("note", "Escriba qué observó")
        return data


class SignForm(SafeForm):
    """Ask for the conclusion of a review; the password signs it (M27)."""

    findings = Reason(label="Conclusión", most=MAX_TEXT, missing="Escriba su conclusión")
    conform = Choice(
        label="En conjunto",
        choices=[
            ("yes", make_choice("Conforme", "Se hizo lo autorizado")),
            ("no", make_choice("Con observaciones", "Queda dicho arriba")),
        ],
        missing="Elija si en conjunto fue conforme",
    )

    def __init__(self, request: HttpRequest, data: Any = None, **options: Any) -> None:
        """Make the form; the password signs, so it is asked for even soon after it was typed."""
        super().__init__(request, data, **options)
        self.fields["password"] = copy.deepcopy(self.base_fields["password"])
        self.fields["password"].label = "Firme con su contraseña"

    def full_clean(self) -> None:
        """Validate the form; the password stays, so that it is typed again with whatever else is corrected."""
        super(ActForm, self).full_clean()

    def make_arguments(self) -> dict[str, Any]:
        """Return the conclusion as the operation takes it."""
        return {"findings": self.cleaned_data["findings"], "conform": self.cleaned_data["conform"] == "yes"}
