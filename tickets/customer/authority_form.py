"""Define the form with which an authority asks for information (M2)."""

from typing import Any

from django import forms
from django.conf import settings

from accounts.rfc import BadRFC, parse_rfc
from factureya.core.forms import STALE_FORM, PortalForm, Text

MAX_BODY = 4000
FORM_KEY = r"[A-Za-z0-9_-]{22}"
ODD = "Trae un carácter que no se puede guardar; escríbalo de nuevo."


def _make_line(label: str, missing: str, most: int, help_text: str = "") -> forms.CharField:
    """Return a form field of one line with our messages; `missing` is the one for an empty field."""
    return forms.CharField(
        label=label,
        help_text=help_text,
        max_length=most,
        widget=forms.TextInput(),
        error_messages={
            "required": missing,
            "max_length": f"Son hasta {most} caracteres y escribió %(show_value)d. Acorte el texto.",
            "null_characters_not_allowed": ODD,
        },
    )


class AuthorityForm(PortalForm):
    """Ask an authority who it is, about whom and what it asks, and for the *oficio* as a PDF."""

    unit = _make_line("Unidad administrativa que requiere", "Escriba la unidad administrativa.", 150)
    official = _make_line("Nombre de quien firma el oficio", "Escriba quién firma el oficio.", 150)
    position = _make_line("Cargo de quien firma", "Escriba el cargo de quien firma.", 120)
    email = forms.EmailField(
        label="Correo institucional",
        help_text="A este correo respondemos por escrito, después de verificar el oficio.",
        max_length=254,
        error_messages={
            "required": "Escriba su correo institucional.",
            "invalid": "Escriba el correo completo, por ejemplo nombre@sat.gob.mx.",
            "max_length": "Un correo tiene hasta 254 caracteres; escribió %(show_value)d.",
            "null_characters_not_allowed": ODD,
        },
    )
    document_number = _make_line("Número de oficio", "Escriba el número de oficio.", 60)
    taxpayer_rfc = _make_line("RFC del contribuyente", "Escriba el RFC del contribuyente.", 20)
    body = Text(
        label="Qué información requiere",
        help_text="El periodo o los folios fiscales, y el fundamento.",
        missing="Escriba qué información requiere.",
        most=MAX_BODY,
    )
    document = forms.FileField(
        label="Oficio (PDF de hasta 10 MB)",
        error_messages=dict.fromkeys(
            ("required", "missing", "invalid"), "Adjunte el oficio en PDF. Si ya lo había elegido, elíjalo otra vez."
        )
        | {"empty": "El archivo está vacío."},
        widget=forms.FileInput(attrs={"accept": "application/pdf"}),
    )
    form_key = forms.RegexField(
        FORM_KEY,
        max_length=22,
        widget=forms.HiddenInput(),
        error_messages=dict.fromkeys(("required", "invalid", "max_length"), STALE_FORM),
    )

    def clean_email(self) -> str:
        """Return the mail address in lower case. One that is of no authority is an error."""
        email: str = self.cleaned_data["email"].lower()
        domain = email.rpartition("@")[2]
        known = settings.AUTHORITY_MAIL_DOMAINS
        if not any(domain == name or domain.endswith(f".{name}") for name in known):
            raise forms.ValidationError(f"Escriba desde un correo institucional, que termina en {' o '.join(known)}.")
        return email

    def clean_taxpayer_rfc(self) -> str:
        """Return the RFC as it is stored. Raises ValidationError for what is none."""
        try:
            return parse_rfc(self.cleaned_data["taxpayer_rfc"]).value
        except BadRFC as problem:
            raise forms.ValidationError(str(problem)) from None

    def clean_document(self) -> Any:
        """Return the uploaded file. Anything but a PDF by its name is an error; the store looks into it."""
        upload = self.cleaned_data["document"]
        if not upload.name.lower().endswith(".pdf"):
            raise forms.ValidationError("El oficio debe ser un PDF.")
        return upload
