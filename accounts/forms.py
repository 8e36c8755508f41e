"""The forms of /cuenta/. allauth's behave as it wants; the words, and what an empty field says, are ours."""

import secrets
import unicodedata
from typing import Any

from allauth.account import forms as account
from allauth.mfa.base import forms as mfa
from allauth.mfa.models import Authenticator
from allauth.mfa.totp import forms as totp
from django import forms
from django.core.validators import EmailValidator, MaxLengthValidator
from django.http import HttpRequest

from accounts import operations, passwords
from accounts.models import User
from accounts.operations import factor_keys
from accounts.rfc import RFC, BadRFC, parse

CHOOSING_HELP = "Al menos 12 caracteres. Que no sea de uso común ni se parezca a su nombre o su correo."
EMAIL_INVALID = "Escriba el correo completo, por ejemplo nombre@empresa.mx."
EMAIL_TOO_LONG = "Un correo tiene hasta %(limit_value)d caracteres; escribió %(show_value)d."
TOO_LONG = "Son hasta %(limit_value)d caracteres y escribió %(show_value)d. Acorte el texto."
MAX_TYPED = 4096  # of a password or a code, which no column holds
MAX_EMAIL: int = User._meta.get_field("email").max_length or 0
WRITE_EMAIL = "Escriba su correo."
WRITE_PASSWORD = "Escriba su contraseña."  # noqa: S105 (a text)
CHOOSE_PASSWORD = "Elija una contraseña de al menos 12 caracteres."  # noqa: S105 (a text)
WRITE_NAME = "Escriba su nombre completo."
STALE_FORM = "El formulario perdió su validez. Recargue la página y envíelo de nuevo."
ODD_CHARACTER = "Trae un carácter que no se puede guardar; escríbalo de nuevo."


FACTOR_UNREADABLE = (
    "No podemos leer su verificación en dos pasos, porque cambió una clave del sistema. Su aplicación no tiene la "
    "culpa: pida que se la restablezcan (lo aprueban dos personas) o llámenos: 01 800 63 22 887."
)
CODE_CAME_BACK = "El correo con el código se devolvió y por seguridad ya no sirve. Llámenos: 01 800 63 22 887."


def _measure_password(form: forms.Form, field: str, person: User) -> None:
    """Add what is wrong with the new password of this person."""
    try:
        passwords.check(form.cleaned_data[field], person)
    except forms.ValidationError as problem:
        form.add_error(field, problem)


def _short_enough(email: str) -> None:
    """Measure an address as it is stored: some letters are longer in lower case."""
    if (length := len(email.lower())) > MAX_EMAIL:
        raise forms.ValidationError(EMAIL_TOO_LONG % {"limit_value": MAX_EMAIL, "show_value": length})


class PlainForm(forms.Form):
    """No browser bubbles, no placeholders, and for each field its own words: label, help, what empty means."""

    use_required_attribute = False
    words: dict[str, tuple[str, str, str]] = {}  # field: label, help text, text when empty

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, (label, help_text, empty) in self.words.items():
            field = self.fields[name]
            field.label, field.help_text = label, help_text
            field.error_messages["required"] = empty
        for field in self.fields.values():
            field.widget.attrs.pop("placeholder", None)
            field.error_messages["null_characters_not_allowed"] = ODD_CHARACTER
            if isinstance(field, forms.CharField) and field.max_length is None:
                field.max_length = MAX_TYPED
                field.validators.append(MaxLengthValidator(MAX_TYPED, TOO_LONG))
            if isinstance(field, forms.EmailField):
                field.error_messages |= {"invalid": EMAIL_INVALID, "max_length": EMAIL_TOO_LONG}
                ours = (EmailValidator, MaxLengthValidator)
                kept = [v for v in field.validators if not isinstance(v, ours)]
                field.validators = [*kept, EmailValidator(EMAIL_INVALID), _short_enough]
                field.max_length = MAX_EMAIL


class CodeForm(PlainForm):
    """A form with one code in it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["code"].widget.attrs.update(
            {"class": "fy-mono", "spellcheck": "false", "autocapitalize": "characters"}
        )


class OnePasswordMixin:
    """A new password is typed once: a mistake is mended by a code to the registered mail."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields.pop("password2", None)  # type: ignore[attr-defined]


class LoginForm(PlainForm, account.LoginForm):
    """E-mail and password."""

    words = {
        "login": ("Correo", "", WRITE_EMAIL),
        "password": ("Contraseña", "", WRITE_PASSWORD),
    }


class SignupForm(PlainForm, account.SignupForm):
    """A company and its first person. An RFC or an address that is known changes nothing one can see."""

    rfc = forms.CharField(
        max_length=20,
        error_messages={"max_length": "El RFC tiene 12 o 13 caracteres."},
        widget=forms.TextInput(attrs={"class": "fy-mono", "autocapitalize": "characters", "spellcheck": "false"}),
    )
    legal_name = forms.CharField(
        max_length=254,
        error_messages={"max_length": "Escriba la razón social en 254 caracteres o menos."},
        widget=forms.TextInput(attrs={"autocomplete": "organization"}),
    )
    full_name = forms.CharField(
        max_length=150,
        error_messages={"max_length": "Escriba su nombre en 150 caracteres o menos."},
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    form_key = forms.CharField(
        max_length=80,
        widget=forms.HiddenInput,
        error_messages=dict.fromkeys(("required", "max_length"), STALE_FORM),
    )
    field_order = ["rfc", "legal_name", "full_name", "email", "password1", "form_key"]
    words = {
        "rfc": (
            "RFC",
            "Con homoclave: 12 caracteres si es empresa, 13 si es persona física.",
            "Escriba el RFC de su empresa, con homoclave.",
        ),
        "legal_name": (
            "Razón social",
            "Como está en su constancia de situación fiscal.",
            "Escriba la razón social, o su nombre si es persona física.",
        ),
        "full_name": ("Su nombre completo", "", WRITE_NAME),
        "email": ("Correo", "Ahí recibirá un código y sus respuestas.", WRITE_EMAIL),
        "password1": ("Contraseña", CHOOSING_HELP, CHOOSE_PASSWORD),
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["form_key"].initial = secrets.token_urlsafe(24)

    def clean_legal_name(self) -> str:
        """One form of each character, measured as it is stored: some are longer composed."""
        name = unicodedata.normalize("NFC", " ".join(self.cleaned_data["legal_name"].split()))
        field = self.fields["legal_name"]
        if len(name) > (getattr(field, "max_length", None) or 0):
            raise forms.ValidationError(field.error_messages["max_length"])
        return name

    def clean_rfc(self) -> RFC:
        """The cleaned RFC, or what is wrong with it."""
        try:
            return parse(self.cleaned_data["rfc"])
        except BadRFC as problem:
            raise forms.ValidationError(str(problem)) from None

    def clean(self) -> dict[str, Any]:
        """The password is measured against the person's name too."""
        data = super().clean() or {}
        if "password1" in data and "password1" not in self.errors:
            person = User(email=data.get("email", ""), full_name=data.get("full_name", ""))
            _measure_password(self, "password1", person)
        return data

    def try_save(self, request: HttpRequest) -> tuple[User | None, Any]:
        """Register; when the address is taken, the same work was done and the same page follows."""
        data = self.cleaned_data
        try:
            person = operations.register_company(
                email=data["email"],
                password=data["password1"],
                full_name=data["full_name"],
                rfc=data["rfc"],
                legal_name=data["legal_name"],
                form_key=data["form_key"],
            )
        except operations.Refused:
            self.account_already_exists = True
            return super().try_save(request)
        return person, None


class ConfirmEmailForm(CodeForm, account.ConfirmEmailVerificationCodeForm):
    """The code that proves the address."""

    words = {"code": ("Código", "Está en el correo que le enviamos.", "Escriba el código.")}


class ResetPasswordForm(PlainForm, account.ResetPasswordForm):
    """Ask for a code."""

    words = {"email": ("Correo", "El que usa para ingresar.", WRITE_EMAIL)}


class ConfirmResetForm(CodeForm, account.ConfirmPasswordResetCodeForm):
    """The code that allows a new password; one whose mail came back allows nothing (M16)."""

    words = {"code": ("Código", "Está en el correo que le enviamos.", "Escriba el código.")}

    def __init__(self, *args: Any, email: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.email = email

    def clean_code(self) -> str:
        """Return the code, if its mail arrived."""
        if operations.code_came_back(self.email):
            raise forms.ValidationError(CODE_CAME_BACK)
        return str(super().clean_code())


class NewPasswordForm(PlainForm, OnePasswordMixin, account.ResetPasswordKeyForm):
    """A new password after the code."""

    words = {"password1": ("Contraseña nueva", CHOOSING_HELP, CHOOSE_PASSWORD)}


class ChangePasswordForm(PlainForm, OnePasswordMixin, account.ChangePasswordForm):
    """A new password after the old one."""

    words = {
        "oldpassword": ("Contraseña actual", "", "Escriba su contraseña actual."),
        "password1": ("Contraseña nueva", CHOOSING_HELP, CHOOSE_PASSWORD),
    }


class ReauthenticateForm(PlainForm, account.ReauthenticateForm):
    """The password again, before something delicate."""

    words = {"password": ("Contraseña", "", WRITE_PASSWORD)}


class FactorCodeForm(CodeForm):
    """A code of the second factor; where no key reads the factor any more, the way out is said."""

    words = {
        "code": (
            "Código",
            "El de 6 números de su aplicación, o uno de sus códigos de respaldo.",
            "Escriba el código de su aplicación.",
        )
    }
    user: User

    def clean_code(self) -> str:
        """Return the code, if one of the person's factors takes it."""
        try:
            return str(super().clean_code())  # type: ignore[misc]  # of allauth's form
        except forms.ValidationError as wrong:
            factors = Authenticator.objects.filter(user=self.user)
            if all(map(factor_keys.is_readable, factors)):
                raise
            raise forms.ValidationError(FACTOR_UNREADABLE) from wrong


class FactorForm(FactorCodeForm, mfa.AuthenticateForm):
    """The second step of signing in."""


class FactorAgainForm(FactorCodeForm, mfa.ReauthenticateForm):
    """The second factor again."""


class ActivateFactorForm(CodeForm, totp.ActivateTOTPForm):
    """The first code of a new authenticator app."""

    words = {
        "code": (
            "Código de su aplicación",
            "6 números; cambian cada 30 segundos.",
            "Escriba el código de 6 números que muestra su aplicación.",
        )
    }


class DeactivateFactorForm(PlainForm, totp.DeactivateTOTPForm):
    """Nothing to type."""


class NameForm(PlainForm):
    """The own name, the one thing a person changes in the profile."""

    full_name = forms.CharField(
        max_length=150,
        error_messages={"max_length": "Escriba su nombre en 150 caracteres o menos."},
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    words = {"full_name": ("Nombre completo", "", WRITE_NAME)}


class AcceptForm(PlainForm):
    """What an invited person chooses."""

    full_name = forms.CharField(
        max_length=150,
        error_messages={"max_length": "Escriba su nombre en 150 caracteres o menos."},
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    password = forms.CharField(strip=False, widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}))
    words = {
        "full_name": ("Su nombre completo", "", WRITE_NAME),
        "password": ("Contraseña", CHOOSING_HELP, CHOOSE_PASSWORD),
    }

    def __init__(self, *args: Any, email: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.email = email

    def clean(self) -> dict[str, Any]:
        """The password is measured against the person it is for."""
        data = super().clean() or {}
        if "password" in data:
            person = User(email=self.email, full_name=data.get("full_name", ""))
            _measure_password(self, "password", person)
        return data
