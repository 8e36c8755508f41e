"""The forms of the five steps and of what follows (M7, M19).

Each form knows what of the draft it writes: `answers()` is merged into `FormalRequest.draft`. A form says what is
missing; what is wrong with an answer, `change_requests.kinds.content` tells, for the web and for a PDF alike.
"""

from collections.abc import Sequence
from typing import Any

from django import forms

from accounts import passwords
from accounts.models import User
from factureya.core.forms import FilesField, FilesMixin, PortalForm, Text

ODD_CHARACTER = "Trae un carácter que no se puede guardar; escríbalo de nuevo"
EMAIL_INVALID = "Escriba el correo completo, como nombre@empresa.com"
ALTA, BAJA, CLAVE, CHANGE = "alta", "baja", "clave", "change"
DECLARATION = (
    "Declaro, bajo protesta de decir verdad, que mis facultades están vigentes y no me han sido "
    "modificadas ni revocadas"
)
CONFIRMATION = "Confirmo que los datos son correctos y que tengo facultades para solicitar este cambio"


class Line(forms.CharField):
    """One line of text; single spaces. `missing` is said when it is empty, `most` characters at the most."""

    def __init__(self, *, missing: str = "", most: int = 254, attrs: Any = None, **options: Any):
        self.most = most
        css = {"class": "textinput form-control", "autocomplete": "off", **(attrs or {})}
        super().__init__(
            widget=forms.TextInput(attrs=css),
            error_messages={"required": missing, "null_characters_not_allowed": ODD_CHARACTER},
            **options,
        )

    def clean(self, value: Any) -> str:
        """The line; what is too long is told how long it is."""
        text = " ".join(str(super().clean(value)).split())
        if len(text) > self.most:
            raise forms.ValidationError(f"Son hasta {self.most} caracteres y escribió {len(text)}. Acorte el texto.")
        return text


class Mail(forms.EmailField):
    """A mail address, in lower case."""

    def __init__(self, *, missing: str = "", **options: Any) -> None:
        super().__init__(
            max_length=254,
            widget=forms.EmailInput(attrs={"class": "emailinput form-control", "autocomplete": "off"}),
            error_messages={
                "required": missing,
                "invalid": EMAIL_INVALID,
                "max_length": "Un correo tiene hasta 254 caracteres; escribió %(show_value)d",
                "null_characters_not_allowed": EMAIL_INVALID,
            },
            **options,
        )

    def clean(self, value: Any) -> str:
        """Addresses are compared in lower case."""
        return str(super().clean(value)).lower()


class Day(forms.DateField):
    """A date, as the browser's own control sends it."""

    def __init__(self, *, missing: str = "", **options: Any) -> None:
        super().__init__(
            input_formats=["%Y-%m-%d", "%d/%m/%Y"],
            widget=forms.DateInput(attrs={"type": "date", "class": "dateinput form-control"}, format="%Y-%m-%d"),
            error_messages={
                "required": missing,
                "invalid": "Escriba la fecha completa, por ejemplo 2026-12-01",
            },
            **options,
        )


class Choice(forms.ChoiceField):
    """One of a few, as cards or as a list."""

    def __init__(self, *, missing: str, is_list: bool = False, **options: Any) -> None:
        widget: forms.Widget = (
            forms.Select(attrs={"class": "select form-select"})
            if is_list
            else forms.RadioSelect(attrs={"class": "form-check-input"})
        )
        super().__init__(
            widget=widget,
            error_messages=dict.fromkeys(("required", "invalid_choice"), missing),
            **options,
        )


class Tick(forms.BooleanField):
    """A box to tick; `missing` is said when it must be and is not."""

    def __init__(self, *, missing: str = "", **options: Any) -> None:
        super().__init__(
            widget=forms.CheckboxInput(attrs={"class": "form-check-input"}),
            error_messages={"required": missing},
            **options,
        )


class AccessKindForm(PortalForm):
    """Step 1 of the Solicitud de Control de Acceso (M7)."""

    kind = Choice(
        label="¿Qué solicita?",
        choices=[
            (ALTA, "Alta: dar acceso a una persona de la empresa"),
            (BAJA, "Baja: quitar el acceso a una persona"),
            (CLAVE, "Cambio de clave: que una persona elija otra contraseña"),
        ],
        missing="Elija si solicita un alta, una baja o un cambio de clave",
    )


class ChangeKindForm(PortalForm):
    """Step 1 of the Solicitud de Baja o Cambio de Información Sensible (M19)."""

    kind = Choice(
        label="¿Qué solicita?",
        choices=[
            (CHANGE, "Cambio: corregir o actualizar datos registrados de la empresa"),
            (BAJA, "Baja: dejar el servicio a partir de una fecha"),
        ],
        missing="Elija si solicita un cambio de datos o la baja del servicio",
    )


class PersonForm(PortalForm):
    """Step 2 of an alta: who gets access."""

    full_name = Line(label="Nombre completo", missing="Escriba el nombre de la persona", most=150)
    email = Mail(
        label="Correo de la persona",
        help_text="Ahí recibe el enlace para elegir su contraseña; será su correo registrado.",
        missing="Escriba el correo de la persona",
    )
    position = Line(label="Puesto", missing="Escriba el puesto de la persona", most=100)
    phone = Line(
        label="Teléfono (opcional)",
        most=30,
        required=False,
        attrs={"inputmode": "tel", "type": "tel"},
    )

    def answers(self) -> dict[str, Any]:
        """The person to be."""
        return {"person": dict(self.cleaned_data)}


class WhoForm(PortalForm):
    """Step 2 of a baja or cambio de clave: one of the company's people, named by the mail address."""

    person = Choice(label="¿De quién?", missing="Elija a la persona, de la lista")

    def __init__(self, *args: Any, people: Sequence[tuple[int, str, str]] = (), **options: Any):
        """`people`: key, name and mail of each."""
        super().__init__(*args, **options)
        self.keys = {mail: key for key, _, mail in people}
        field: Any = self.fields["person"]
        field.choices = [(mail, f"{name} · {mail}") for _, name, mail in people]

    def answers(self) -> dict[str, Any]:
        """The person's key."""
        return {"person": {"user": self.keys[self.cleaned_data["person"]]}}


class ServiceForm(PortalForm):
    """Step 2 of the baja of the service: what it means was read."""

    understood = Tick(
        label="Leí qué pasa con la baja del servicio",
        missing="Lea qué pasa con la baja y marque que lo leyó",
    )

    def answers(self) -> dict[str, Any]:
        """The only item of a baja."""
        return {"items": {"status": "suspended"}}


class ReasonForm(FilesMixin):
    """Step 3: why, since when, and what proves it (M19)."""

    reason = Text(
        label="Motivo",
        help_text="Por qué lo solicita. Lo leen quienes deciden: con un buen motivo no le preguntan.",
        missing="Escriba el motivo de la solicitud",
        rows=4,
        most=2000,
    )
    effective_date = Day(label="¿Cuándo aplicarlo? (opcional)", required=False)
    files = FilesField("Evidencia (opcional)")  # type: ignore[assignment]

    def __init__(self, *args: Any, kind: str = "", form: str = "", **options: Any) -> None:
        super().__init__(*args, **options)
        if form == "access":
            del self.fields["effective_date"]
            return
        field = self.fields["effective_date"]
        field.help_text = "Si lo deja vacío, en cuanto esté aprobado."
        if kind == BAJA:
            field.label, field.required = "¿Desde qué día?", True
            field.error_messages["required"] = "Escriba desde qué día deja el servicio"
            field.help_text = "Hasta el día anterior todo sigue igual."

    def answers(self) -> dict[str, Any]:
        """Reason and date."""
        day = self.cleaned_data.get("effective_date")
        return {
            "reason": str(self.cleaned_data["reason"]).strip(),
            "effective_date": day.isoformat() if day else "",
        }


class SignForm(PortalForm):
    """Step 4: who signs declares that the powers are in force (M8)."""

    declares = Tick(label=DECLARATION, missing="Marque la declaración para poder firmar")

    def answers(self) -> dict[str, Any]:
        """That it was declared."""
        return {"declares": True}


class SubmitForm(PortalForm):
    """Step 5; `seen` is what was reviewed."""

    confirm = Tick(label=CONFIRMATION, missing="Confirme que los datos son correctos")
    seen = forms.CharField(
        required=False,
        max_length=64,
        widget=forms.HiddenInput,
        error_messages={"max_length": "La página perdió su validez. Revise los datos de nuevo."},
    )


class AnswerForm(PortalForm):
    """The answer to a clarification: a message, the content stays as it was."""

    answer = Text(
        label="Su respuesta",
        help_text="La lee quien preguntó. Si necesita corregir datos o agregar evidencia, corrija la solicitud.",
        missing="Escriba su respuesta",
        rows=4,
    )


class WithdrawForm(PortalForm):
    """Why it is withdrawn."""

    reason = Text(
        label="¿Por qué la retira?",
        help_text="Queda en el expediente.",
        missing="Escriba por qué la retira",
        rows=3,
        most=1000,
    )


class CodeForm(PortalForm):
    """The code mailed to the new registered address."""

    code = Line(
        label="Código",
        help_text="El de 6 números que enviamos al correo nuevo.",
        missing="Escriba el código de 6 números que llegó al correo nuevo",
        most=20,
        attrs={"inputmode": "numeric", "autocomplete": "one-time-code", "spellcheck": "false"},
    )


class NewPasswordForm(PortalForm):
    """The new password of a cambio de clave, typed once: a mistake is mended by a code to the registered mail."""

    password = forms.CharField(
        label="Contraseña nueva",
        help_text="Al menos 12 caracteres. Que no sea de uso común ni se parezca a su nombre o su correo.",
        strip=False,
        max_length=4096,
        widget=forms.PasswordInput(attrs={"class": "textinput form-control", "autocomplete": "new-password"}),
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
        """Measured against the person's name and mail."""
        password: str = self.cleaned_data["password"]
        passwords.check_password(password, self.person)
        return password
