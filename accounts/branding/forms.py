"""Ask for a company's logo and two colours (M33)."""

from typing import Any

from django import forms

from accounts.branding import colours, logos, operations
from accounts.forms import PlainForm
from factureya.core.refusals import Refused

LOGO_HINT = (
    f"PNG, JPG o WebP, hasta {logos.MAX_BYTES // 1024 // 1024} MB y de {logos.MIN_SIDE} a {logos.MAX_SIDE:,} píxeles "
    "en su lado mayor. Con fondo transparente si lo tiene. Sin animación."
)
COLOUR_TOO_LONG = "Un color tiene siete caracteres, por ejemplo #1f5f8b."
_LONGEST_KEY = 12


class ColourField(forms.CharField):
    """Ask for a colour such as «#1f5f8b»; the value is always written so."""

    def __init__(self) -> None:
        super().__init__(max_length=20, error_messages={"max_length": COLOUR_TOO_LONG})

    def clean(self, value: Any) -> str:
        """Return the typed colour in its one form. Raises ValidationError for what is no colour."""
        text = super().clean(value)
        try:
            return colours.read_colour(text)
        except Refused as refusal:
            raise forms.ValidationError(str(refusal)) from refusal


class BrandingForm(PlainForm):
    """Ask for the logo and the two colours; `kept_logo` is the logo that was uploaded before, by its key."""

    logo = forms.FileField(required=False, allow_empty_file=True)
    kept_logo = forms.CharField(
        required=False,
        max_length=_LONGEST_KEY,
        error_messages={"max_length": operations.LOGO_GONE},
        widget=forms.HiddenInput,
    )
    main = ColourField()
    accent = ColourField()
    words = {
        "logo": ("Logotipo", LOGO_HINT, ""),
        "main": ("Color principal", "Encabezado, botones y título de la factura.", "Elija el color principal."),
        "accent": ("Color de acento", "Rayas y detalles; nunca lleva texto.", "Elija el color de acento."),
    }

    def clean_key(self) -> int | None:
        """Return the posted key of the logo that was uploaded before, or None."""
        return read_key(self.data.get("kept_logo", ""))


def read_key(text: str) -> int | None:
    """Return the key of a row that a form holds as text; None for anything else."""
    is_key = text.isascii() and text.isdecimal() and len(text) <= _LONGEST_KEY
    return int(text) if is_key else None
