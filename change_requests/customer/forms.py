"""Define the forms of the wizard's five steps and of the request's page (M7, M19).

`answers()` of a step's form returns what is merged into `FormalRequest.draft`. A form checks that nothing is missing;
`change_requests.kinds` checks the answers themselves, for the web and for a PDF alike.
"""

from typing import Any

from django import forms

from accounts import passwords
from accounts.models import User
from change_requests.kinds.base import RequestKind
from change_requests.kinds.inputs import ODD_CHARACTER, Choice, Day, Line, Tick
from change_requests.kinds.registry import list_kinds
from change_requests.kinds.values import MAX_REASON
from factureya.core.forms import FilesField, FilesMixin, PortalForm, Text

DECLARATION = (
    "Declaro, bajo protesta de decir verdad, que mis facultades están vigentes y no me han sido "
    "modificadas ni revocadas"
)
CONFIRMATION = "Confirmo que los datos son correctos y que tengo facultades para solicitar este cambio"


class KindForm(PortalForm):
    """Ask in step 1 which kind of request is wanted, among the kinds of one form: access or change (M7, M19)."""

    kind = Choice(label="¿Qué solicita?", missing="")

    def __init__(self, *args: Any, form: str, **options: Any) -> None:
        """Offer the kinds of this form; the error for no choice names them: «Elija si solicita un alta o …»."""
        super().__init__(*args, **options)
        kinds = list_kinds(form)
        field: Any = self.fields["kind"]
        field.choices = [(str(kind.code), kind.choice) for kind in kinds]
        nouns = [kind.noun for kind in kinds]
        missing = f"Elija si solicita {', '.join(nouns[:-1])} o {nouns[-1]}"
        field.error_messages |= dict.fromkeys(("required", "invalid_choice"), missing)


class ReasonForm(FilesMixin):
    """Ask in step 3 for the reason, the effective date and the evidence (M19)."""

    reason = Text(
        label="Motivo",
        help_text="Por qué lo solicita. Lo leen quienes deciden: con un buen motivo no le preguntan.",
        missing="Escriba el motivo de la solicitud",
        rows=4,
        most=MAX_REASON,
    )
    effective_date = Day(label="¿Cuándo aplicarlo? (opcional)", required=False)
    files = FilesField("Evidencia (opcional)")  # type: ignore[assignment]

    def __init__(self, *args: Any, kind: RequestKind, **options: Any) -> None:
        """Leave the date out for a kind of request that has none; require it for one that needs it."""
        super().__init__(*args, **options)
        if not kind.has_date:
            del self.fields["effective_date"]
            return
        field = self.fields["effective_date"]
        field.help_text = "Si lo deja vacío, en cuanto esté aprobado."
        if kind.needs_date:
            field.label, field.required = "¿Desde qué día?", True
            field.error_messages["required"] = "Escriba desde qué día deja el servicio"
            field.help_text = "Hasta el día anterior todo sigue igual."

    def answers(self) -> dict[str, Any]:
        """Return the answers of step 3 as the draft keeps them: the reason, and the date as YYYY-MM-DD or empty."""
        day = self.cleaned_data.get("effective_date")
        return {"reason": str(self.cleaned_data["reason"]).strip(), "effective_date": day.isoformat() if day else ""}


class SignForm(PortalForm):
    """Ask in step 4 for the declaration that the signer's powers are in force (M8)."""

    declares = Tick(label=DECLARATION, missing="Marque la declaración para poder firmar")

    def answers(self) -> dict[str, Any]:
        return {"declares": True}


class SubmitForm(PortalForm):
    """Ask in step 5 for the confirmation; `seen` is the hash of the draft that was shown."""

    confirm = Tick(label=CONFIRMATION, missing="Confirme que los datos son correctos")
    seen = forms.CharField(
        required=False,
        max_length=64,
        widget=forms.HiddenInput,
        error_messages={"max_length": "La página perdió su validez. Revise los datos de nuevo."},
    )


class AnswerForm(PortalForm):
    """Ask for the answer to a clarification; the content of the request stays as it was."""

    answer = Text(
        label="Su respuesta",
        help_text="La lee quien preguntó. Si necesita corregir datos o agregar evidencia, corrija la solicitud.",
        missing="Escriba su respuesta",
        rows=4,
    )


class WithdrawForm(PortalForm):
    """Ask why the request is withdrawn."""

    reason = Text(
        label="¿Por qué la retira?",
        help_text="Queda en el expediente.",
        missing="Escriba por qué la retira",
        rows=3,
        most=1000,
    )


class CodeForm(PortalForm):
    """Ask for the code that was mailed to the new registered address."""

    code = Line(
        label="Código",
        help_text="El de 6 números que enviamos al correo nuevo.",
        missing="Escriba el código de 6 números que llegó al correo nuevo",
        most=20,
        attrs={"inputmode": "numeric", "autocomplete": "one-time-code", "spellcheck": "false"},
    )


class NewPasswordForm(PortalForm):
    """Ask once for the new password of a cambio de clave.

    Who mistypes it can still sign in with a code sent to the registered mail.
    """

    password = forms.CharField(
        label="Contraseña nueva",
        help_text="Al menos 12 caracteres. Que no sea de uso común ni se parezca a su nombre o su correo.",
        strip=False,
        max_length=4096,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        error_messages={
            "required": "Elija una contraseña de al menos 12 caracteres.",
            "max_length": "Elija una contraseña más corta.",
            "null_characters_not_allowed": ODD_CHARACTER,
        },
    )

    def __init__(self, *args: Any, person: User, **options: Any) -> None:
        super().__init__(*args, **options)
        self.person = person

    def clean_password(self) -> str:
        """Return the new password. Raise ValidationError when it is weak, or like the person's name or mail."""
        password: str = self.cleaned_data["password"]
        passwords.check_password(password, self.person)
        return password
