"""Define the forms of /cuenta/: allauth's forms with our own words for labels, help and errors."""

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
from accounts.rfc import RFC, BadRFC, parse_rfc

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


def _check_password(form: forms.Form, field: str, person: User) -> None:
    """Check this person's new password, and add each fault of it to the errors of the form's field."""
    try:
        passwords.check_password(form.cleaned_data[field], person)
    except forms.ValidationError as problem:
        form.add_error(field, problem)


def _require_short_address(email: str) -> None:
    """Raise ValidationError if the mail address is too long for the database, which stores it in lower case."""
    if (length := len(email.lower())) > MAX_EMAIL:  # some letters get longer in lower case
        raise forms.ValidationError(EMAIL_TOO_LONG % {"limit_value": MAX_EMAIL, "show_value": length})


class PlainForm(forms.Form):
    """Give each field its words (label, help, error when empty), without the browser's messages and placeholders."""

    use_required_attribute = False
    words: dict[str, tuple[str, str, str]] = {}  # field: label, help text, text when empty

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Give allauth's fields our Spanish words (`words`), a limit of length and our check of a mail address."""
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
                kept = [v for v in field.validators if not isinstance(v, ours)]  # Django's are replaced
                field.validators = [*kept, EmailValidator(EMAIL_INVALID), _require_short_address]
                field.max_length = MAX_EMAIL


class CodeForm(PlainForm):
    """Ask for one code."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["code"].widget.attrs.update(
            {"class": "fy-mono", "spellcheck": "false", "autocapitalize": "characters"}
        )


class OnePasswordMixin:
    """Ask for a new password once: a code to the registered mail repairs a mistake."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields.pop("password2", None)  # type: ignore[attr-defined]


class LoginForm(PlainForm, account.LoginForm):
    """Ask for e-mail and password."""

    words = {"login": ("Correo", "", WRITE_EMAIL), "password": ("Contraseña", "", WRITE_PASSWORD)}


class NameForm(PlainForm):
    """Ask for the person's name, the one thing that a person changes in the profile."""

    full_name = forms.CharField(
        max_length=150,
        error_messages={"max_length": "Escriba su nombre en 150 caracteres o menos."},
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    words = {"full_name": ("Nombre completo", "", WRITE_NAME)}


class SignupForm(NameForm, account.SignupForm):
    """Ask for a company and its first person; an RFC or an address that is known makes no visible difference."""

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
    form_key = forms.CharField(
        max_length=80, widget=forms.HiddenInput, error_messages=dict.fromkeys(("required", "max_length"), STALE_FORM)
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
        """Return the company's name as we store it: single spaces, composed letters (NFC). Error if it is too long."""
        name = unicodedata.normalize("NFC", " ".join(self.cleaned_data["legal_name"].split()))
        field = self.fields["legal_name"]
        if len(name) > (getattr(field, "max_length", None) or 0):  # NFC may have lengthened it
            raise forms.ValidationError(field.error_messages["max_length"])
        return name

    def clean_rfc(self) -> RFC:
        """Return the company's RFC (tax number) from the form, or raise ValidationError with what is wrong with it."""
        try:
            return parse_rfc(self.cleaned_data["rfc"])
        except BadRFC as problem:
            raise forms.ValidationError(str(problem)) from None

    def clean(self) -> dict[str, Any]:
        """Check the password of a sign-up, also against the name and the mail typed beside it; return all the data."""
        data = super().clean() or {}
        if "password1" in data and "password1" not in self.errors:
            person = User(email=data.get("email", ""), full_name=data.get("full_name", ""))  # only to compare with
            _check_password(self, "password1", person)
        return data

    def try_save(self, request: HttpRequest) -> tuple[User | None, Any]:
        """Register the company and the person who signs up. Return the person and None, which lets allauth go on.

        If an account has the address already, return what allauth returns then. It shows the same page as always, so
        that a stranger learns nothing, and mails the owner of the address.
        """
        data = {name: self.cleaned_data[name] for name in ("email", "full_name", "rfc", "legal_name", "form_key")}
        try:
            person = operations.register_company(password=self.cleaned_data["password1"], **data)
        except operations.Refused:
            self.account_already_exists = True  # allauth reads it
            return super().try_save(request)
        return person, None


class ConfirmEmailForm(CodeForm, account.ConfirmEmailVerificationCodeForm):
    """Ask for the code that proves the address."""

    words = {"code": ("Código", "Está en el correo que le enviamos.", "Escriba el código.")}


class ResetPasswordForm(PlainForm, account.ResetPasswordForm):
    """Ask for the address that a code for a new password is mailed to."""

    words = {"email": ("Correo", "El que usa para ingresar.", WRITE_EMAIL)}


class ConfirmResetForm(CodeForm, account.ConfirmPasswordResetCodeForm):
    """Ask for the code that allows a new password; a code whose mail came back is refused (M16)."""

    words = {"code": ("Código", "Está en el correo que le enviamos.", "Escriba el código.")}

    def __init__(self, *args: Any, email: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.email = email

    def clean_code(self) -> str:
        """Return the typed code. Raises ValidationError if its mail came back: a stranger may have read it."""
        if operations.was_reset_code_returned(self.email):
            raise forms.ValidationError(CODE_CAME_BACK)
        return str(super().clean_code())


class NewPasswordForm(PlainForm, OnePasswordMixin, account.ResetPasswordKeyForm):
    """Ask for a new password after the code."""

    words = {"password1": ("Contraseña nueva", CHOOSING_HELP, CHOOSE_PASSWORD)}


class ChangePasswordForm(PlainForm, OnePasswordMixin, account.ChangePasswordForm):
    """Ask for the old password and a new one."""

    words = {
        "oldpassword": ("Contraseña actual", "", "Escriba su contraseña actual."),
        "password1": ("Contraseña nueva", CHOOSING_HELP, CHOOSE_PASSWORD),
    }


class ReauthenticateForm(PlainForm, account.ReauthenticateForm):
    """Ask for the password again before a delicate act."""

    words = {"password": ("Contraseña", "", WRITE_PASSWORD)}


class FactorCodeForm(CodeForm):
    """Ask for a code of the second factor; if no key can decrypt the factor, say what to do."""

    words = {
        "code": (
            "Código",
            "El de 6 números de su aplicación, o uno de sus códigos de respaldo.",
            "Escriba el código de su aplicación.",
        )
    }
    user: User

    def clean_code(self) -> str:
        """Return the typed code if one of the person's second factors accepts it; else raise ValidationError.

        If a factor of the person cannot be decrypted, no code can be right, and the error says what to do.
        """
        try:
            return str(super().clean_code())  # type: ignore[misc]  # of allauth's form
        except forms.ValidationError as wrong:
            factors = Authenticator.objects.filter(user=self.user)
            if all(map(factor_keys.is_readable, factors)):
                raise  # the code itself is wrong
            raise forms.ValidationError(FACTOR_UNREADABLE) from wrong


class FactorForm(FactorCodeForm, mfa.AuthenticateForm):
    """Ask for the second factor while signing in."""


class FactorAgainForm(FactorCodeForm, mfa.ReauthenticateForm):
    """Ask for the second factor again."""


class ActivateFactorForm(CodeForm, totp.ActivateTOTPForm):
    """Ask for the first code of a new authenticator app."""

    words = {
        "code": (
            "Código de su aplicación",
            "6 números; cambian cada 30 segundos.",
            "Escriba el código de 6 números que muestra su aplicación.",
        )
    }


class DeactivateFactorForm(PlainForm, totp.DeactivateTOTPForm):
    """Ask for nothing: the button confirms."""


class AcceptForm(NameForm):
    """Ask an invited person for a name and a password."""

    password = forms.CharField(strip=False, widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}))
    words = {
        "full_name": ("Su nombre completo", "", WRITE_NAME),
        "password": ("Contraseña", CHOOSING_HELP, CHOOSE_PASSWORD),
    }

    def __init__(self, *args: Any, email: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.email = email

    def clean(self) -> dict[str, Any]:
        """Check the password of an invited person, also against the person's name and mail; return all the data."""
        data = super().clean() or {}
        if "password" in data:
            person = User(email=self.email, full_name=data.get("full_name", ""))  # only to compare with
            _check_password(self, "password", person)
        return data
