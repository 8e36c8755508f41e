"""The forms of mesa de control; each act sends the hash of the content that was seen, and the password again (M21)."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

from django import forms
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html

from accounts.models import User
from accounts.sign_in import stepup
from change_requests import operations
from factureya.core.forms import PortalForm, Text

MIN_REASON = 10
MIN_CHANGE = 20  # of a change request
MIN_WAIVER = 50
MAX_REASON = 2000
MAX_OUTCOME = 1000  # of a reason that ends a request: FormalRequest.outcome_reason holds no more
APPROVE, CLARIFY, REJECT = "approve", "clarify", "reject"
VERIFY, RETURN = "verify", "return"
FORM_FIELDS = {"question": "reason"}  # field of an operation -> field of a form
WRONG_IMPLEMENTER = "Elija a quien implementa, de la lista"


def _make_choice(words: str, consequence: str) -> str:
    """Return a choice with, in small, what follows from it."""
    return format_html("{} <small>{}</small>", words, consequence)


class Reason(Text):
    """A written reason with a least and a greatest length; spaces at its ends do not count."""

    def __init__(
        self,
        *,
        least: int = MIN_REASON,
        most: int = MAX_REASON,
        missing: str,
        rows: int = 3,
        **options: Any,
    ):
        super().__init__(missing=missing, rows=rows, most=most, **options)
        self.least = least

    def clean(self, value: Any) -> str:
        """Return the text. Raises ValidationError, with its length, when it is too short."""
        text = str(super().clean(value)).strip()
        if 0 < len(text) < self.least:
            raise forms.ValidationError(f"Explíquelo en al menos {self.least} caracteres; escribió {len(text)}")
        return text


class RefusableForm(PortalForm):
    """A form whose operation may refuse."""

    def refuse(self, refusal: operations.Refused) -> None:
        """Show why the operation refused, beside the field that the text is about."""
        errors = getattr(refusal, "errors", None) or {refusal.field: str(refusal)}
        for name, text in errors.items():
            field = FORM_FIELDS.get(name, name)
            self.add_error(field if field in self.fields else None, text)


class ActForm(RefusableForm):
    """The form of an act: with the hash of the content that was seen, and the password unless it was just typed."""

    seen_hash = forms.CharField(widget=forms.HiddenInput, max_length=64)
    password = forms.CharField(
        label="Confirme con su contraseña",
        required=False,
        strip=False,
        max_length=4096,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
        error_messages={
            "max_length": stepup.WRONG,
            "null_characters_not_allowed": stepup.WRONG,
        },
    )
    STALE = "La página perdió su validez. Revise el contenido de nuevo y repita su decisión."

    def __init__(self, request: HttpRequest, data: Any = None, **options: Any) -> None:
        self.request = request
        super().__init__(data, **options)
        self.fields["seen_hash"].error_messages |= dict.fromkeys(
            ("required", "max_length", "null_characters_not_allowed"), self.STALE
        )
        self.order_fields([*(n for n in self.fields if n != "password"), "password"])
        if stepup.is_password_fresh(request):
            del self.fields["password"]

    def full_clean(self) -> None:
        """Validate; a password that was right is not shown again."""
        super().full_clean()
        if self.is_bound and "password" not in self.errors:
            self.fields.pop("password", None)

    def clean_password(self) -> str:
        """Compare the password, also when another field is wrong: who corrects a reason does not type it twice."""
        if problem := stepup.confirm_password(self.request, self.cleaned_data["password"]):
            raise forms.ValidationError(problem)
        return ""

    def arguments(self) -> dict[str, Any]:
        """Return what the person decided, as the operation takes it."""
        return {name: value for name, value in self.cleaned_data.items() if name not in {"seen_hash", "password"}}


class PersonField(forms.ChoiceField):
    """A choice of one person; `people` are those who may be chosen, by key."""

    def __init__(self, *, wrong: str, **options: Any) -> None:
        super().__init__(
            widget=forms.Select(),
            error_messages=dict.fromkeys(("required", "invalid_choice"), wrong),
            **options,
        )
        self.people: dict[str, User] = {}

    def offer(self, people: Iterable[User], none: str = "Elija a una persona") -> None:
        """Let one of these people be chosen; `none` is what the empty choice says."""
        self.people = {str(person.pk): person for person in people}
        names = [(key, person.get_full_name()) for key, person in self.people.items()]
        self.choices = [("", none), *names]

    def clean(self, value: Any) -> User | None:
        """Return the person that was chosen, or None."""
        return self.people.get(str(super().clean(value)))


class VerifyForm(ActForm):
    """The verification: in order, a question, or back to the customer (M20)."""

    outcome = forms.ChoiceField(
        label="Resultado de la verificación",
        choices=[
            (VERIFY, _make_choice("Está en orden", "Pasa a aprobación")),
            (CLARIFY, _make_choice("Pedir aclaración", "Detiene el plazo y le escribe al cliente")),
            (
                RETURN,
                _make_choice("Devolver al cliente", "Conserva su folio; lo corrige y lo envía de nuevo"),
            ),
        ],
        widget=forms.RadioSelect(),
        error_messages=dict.fromkeys(("required", "invalid_choice"), "Elija si está en orden o se devuelve"),
    )
    reason = Reason(
        label="Qué revisó",
        most=MAX_OUTCOME,
        help_text="Queda en el expediente. Si la devuelve, el cliente lo lee: diga qué debe corregir.",
        missing="Escriba qué revisó, o qué debe corregir el cliente",
    )

    def __init__(self, *args: Any, has_question: bool = False, **options: Any) -> None:
        super().__init__(*args, **options)
        if has_question:
            outcome: Any = self.fields["outcome"]
            outcome.choices = [choice for choice in outcome.choices if choice[0] == RETURN]


class DecideForm(ActForm):
    """The decision of an owner or the security officer: approve, ask, or reject, always with a reason (M21)."""

    decision = forms.ChoiceField(
        label="Decisión",
        widget=forms.RadioSelect(),
        choices=[
            (
                APPROVE,
                _make_choice("Aprobar", "Pasa a implementación cuando estén todas las aprobaciones"),
            ),
            (CLARIFY, _make_choice("Pedir aclaración", "Detiene el plazo y le escribe al cliente")),
            (REJECT, _make_choice("Rechazar", "Se cierra; el cliente recibe la razón")),
        ],
        error_messages=dict.fromkeys(("required", "invalid_choice"), "Elija si aprueba, pide aclaración o rechaza"),
    )
    reason = Reason(
        label="Razón de su decisión",
        most=MAX_OUTCOME,
        help_text="Queda en el expediente y la lee el cliente. Obligatoria también al aprobar.",
        missing="Escriba la razón de su decisión",
    )
    implementer = PersonField(
        label="Quién implementa (opcional)",
        required=False,
        wrong=WRONG_IMPLEMENTER,
        help_text="Solo si aprueba; puede designarlo después. Solo aparece personal ajeno a Desarrollo.",
    )

    def __init__(self, *args: Any, people: Iterable[User] | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        if people is None:
            del self.fields["implementer"]
        else:
            self.fields["implementer"].offer(people, none="Lo designo después")  # type: ignore[attr-defined]


class DesignateForm(ActForm):
    """Who applies the request (M24)."""

    implementer = PersonField(
        label="Quién implementa",
        help_text="Solo aparece personal ajeno a Desarrollo.",
        wrong=WRONG_IMPLEMENTER,
    )

    def __init__(self, *args: Any, people: Iterable[User] = (), **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["implementer"].offer(people)  # type: ignore[attr-defined]


class WaiverForm(ActForm):
    """A waiver: somebody of Development applies the request, under additional controls (M25)."""

    implementer = PersonField(
        label="Quién implementa",
        wrong=WRONG_IMPLEMENTER,
        help_text="Personal de Desarrollo que además tiene el cargo de Implementador.",
    )
    reason = Reason(
        label="Por qué no se puede segregar la función",
        least=MIN_WAIVER,
        rows=4,
        help_text=f"Al menos {MIN_WAIVER} caracteres. Queda en el expediente.",
        missing="Escriba por qué no se puede segregar la función",
    )
    controls = Reason(
        label="Controles adicionales",
        help_text="Qué más se vigilará, además del registro de actividad y de la revisión.",
        missing="Escriba qué controles adicionales habrá",
    )
    checker = PersonField(
        label="Quién revisa después",
        wrong="Elija a quien revisa, de la lista",
        help_text="Otra persona, ajena a la implementación; tiene 1 día hábil desde la ejecución.",
    )

    def __init__(self, *args: Any, people: Iterable[User] = (), checkers: Iterable[User] = (), **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["implementer"].offer(people)  # type: ignore[attr-defined]
        self.fields["checker"].offer(checkers)  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """Validate that the checker is not the implementer."""
        data = super().clean() or self.cleaned_data
        if data.get("checker") and data.get("checker") == data.get("implementer"):
            self.add_error("checker", "Quien revisa no puede ser quien implementa")
        return data


class CheckForm(ActForm):
    """The independent check of what was done under a waiver (M25)."""

    ok = forms.TypedChoiceField(
        label="Resultado de la revisión",
        coerce=lambda text: text == "yes",
        choices=[
            ("yes", _make_choice("Conforme", "Se hizo lo aprobado y nada más")),
            ("no", _make_choice("Con observaciones", "Queda marcada y la ve el Responsable de Seguridad")),
        ],
        widget=forms.RadioSelect(),
        error_messages=dict.fromkeys(("required", "invalid_choice"), "Elija si está conforme o tiene observaciones"),
    )
    findings = Reason(
        label="Qué revisó y qué encontró",
        help_text="Queda en el expediente.",
        missing="Escriba qué revisó y qué encontró",
    )


class RevertForm(ActForm):
    """Why a change is undone (M21)."""

    reason = Reason(
        label="Por qué se revierte",
        least=MIN_CHANGE,
        help_text="Es el motivo de la solicitud nueva: lo leen el cliente y quienes la aprueban.",
        missing="Escriba por qué se revierte",
    )


class ReturnForm(ActForm):
    """What the customer must correct."""

    reason = Reason(
        label="Qué debe corregir",
        most=MAX_OUTCOME,
        help_text="Lo lee el cliente.",
        missing="Escriba qué debe corregir el cliente",
    )


class CancelForm(ActForm):
    """Why the request is cancelled."""

    reason = Reason(
        label="Por qué se cancela",
        most=MAX_OUTCOME,
        help_text="Lo lee el cliente.",
        missing="Escriba por qué se cancela",
    )


class ResumeForm(ActForm):
    """How the officer found out that «no fui yo» was a mistake."""

    reason = Reason(
        label="Cómo lo comprobó",
        help_text="Queda en el expediente.",
        missing="Escriba cómo comprobó que la solicitud es legítima",
    )


class AlarmForm(ActForm):
    """What the officer found out about a «no fui yo» after the execution (M8)."""

    reason = Reason(
        label="Qué comprobó y qué sigue",
        help_text="Queda en el expediente. La marca roja se quita.",
        missing="Escriba qué comprobó con la empresa y qué sigue",
    )


class ExecuteForm(ActForm):
    """The button that applies the request."""


class CloseForm(ActForm):
    """The button that closes the request."""


def _make_date_field(label: str, help_text: str = "") -> forms.DateField:
    """Return an optional field for a day, which the browser offers as a calendar."""
    return forms.DateField(
        label=label,
        help_text=help_text,
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        error_messages={"invalid": "Escriba la fecha como 2026-12-01"},
    )


class OwnerForm(RefusableForm):
    """Who owns an information asset, and who is the alternate between two days (M21)."""

    owner = PersonField(label="Propietario", wrong="Elija al propietario, de la lista")
    alternate = PersonField(label="Suplente (opcional)", required=False, wrong="Elija al suplente, de la lista")
    alternate_from = _make_date_field("Suple desde (opcional)")
    alternate_until = _make_date_field("Suple hasta (opcional)", "El último día, completo.")

    def __init__(self, *args: Any, people: Sequence[User] = (), **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["owner"].offer(people)  # type: ignore[attr-defined]
        self.fields["alternate"].offer(people, none="Sin suplente")  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """Validate that an alternate has both dates, and is not the owner."""
        data = super().clean() or self.cleaned_data
        if data.get("alternate"):
            for name, end in (("alternate_from", "empieza"), ("alternate_until", "termina")):
                if not data.get(name) and name not in self.errors:
                    self.add_error(name, f"Escriba qué día {end} la suplencia")
            if data["alternate"] == data.get("owner"):
                self.add_error("alternate", "El suplente es otra persona")
        first, last = data.get("alternate_from"), data.get("alternate_until")
        if first and last and last < first:
            self.add_error("alternate_until", "La suplencia termina después de que empieza")
        return data

    def arguments(self) -> dict[str, Any]:
        """Return the people, and the instants at which the first day begins and the last day ends."""
        data = self.cleaned_data
        chosen = {"owner": data["owner"], "alternate": data["alternate"]}
        if data["alternate"] is None:
            return chosen
        return {
            **chosen,
            "alternate_from": _find_midnight(data["alternate_from"]),
            "alternate_until": _find_midnight(data["alternate_until"] + timedelta(days=1)),
        }


def _find_midnight(day: date) -> datetime:
    """Return the instant at which a local day begins."""
    return timezone.make_aware(datetime.combine(day, time.min))
