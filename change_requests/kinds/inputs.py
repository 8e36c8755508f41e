"""The inputs of the wizard (line, mail address, date, choice, box to tick) and of the PDF forms (`PdfField`)."""

from dataclasses import dataclass
from typing import Any

from django import forms

ODD_CHARACTER = "Trae un carácter que no se puede guardar; escríbalo de nuevo"
EMAIL_INVALID = "Escriba el correo completo, como nombre@empresa.com"


class Line(forms.CharField):
    """Take one line of text of at most `most` characters; `missing` is the message for an empty one."""

    def __init__(self, *, missing: str = "", most: int = 254, attrs: Any = None, **options: Any):
        self.most = most
        css = {"autocomplete": "off", **(attrs or {})}
        super().__init__(  # `missing` is the text when nothing is written, `most` the number of characters
            widget=forms.TextInput(attrs=css),
            error_messages={"required": missing, "null_characters_not_allowed": ODD_CHARACTER},
            **options,
        )

    def clean(self, value: Any) -> str:
        """Return what was typed as one line with single spaces. Raises ValidationError when it is too long."""
        text = " ".join(str(super().clean(value)).split())
        if len(text) > self.most:
            raise forms.ValidationError(f"Son hasta {self.most} caracteres y escribió {len(text)}. Acorte el texto.")
        return text


class Mail(forms.EmailField):
    """Take a mail address; `missing` is the message for an empty one."""

    def __init__(self, *, missing: str = "", **options: Any) -> None:
        super().__init__(  # `missing` is the text when no mail is written
            max_length=254,
            widget=forms.EmailInput(attrs={"autocomplete": "off"}),
            error_messages={
                "required": missing,
                "invalid": EMAIL_INVALID,
                "max_length": "Un correo tiene hasta 254 caracteres; escribió %(show_value)d",
                "null_characters_not_allowed": EMAIL_INVALID,
            },
            **options,
        )

    def clean(self, value: Any) -> str:
        return str(super().clean(value)).lower()


class Day(forms.DateField):
    """Take a date, as the browser's own control sends it or as people write it."""

    def __init__(self, *, missing: str = "", **options: Any) -> None:
        super().__init__(
            input_formats=["%Y-%m-%d", "%d/%m/%Y"],
            widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
            error_messages={"required": missing, "invalid": "Escriba la fecha completa, por ejemplo 2026-12-01"},
            **options,
        )


class Choice(forms.ChoiceField):
    """Take one of a few values, shown as cards or as a list (`is_list`); `missing` is the only error message."""

    def __init__(self, *, missing: str, is_list: bool = False, **options: Any) -> None:
        widget: forms.Widget = forms.Select() if is_list else forms.RadioSelect()
        super().__init__(
            widget=widget, error_messages=dict.fromkeys(("required", "invalid_choice"), missing), **options
        )


class Tick(forms.BooleanField):
    """Take a box to tick; `missing` is the message when a required box is not ticked."""

    def __init__(self, *, missing: str = "", **options: Any) -> None:
        super().__init__(widget=forms.CheckboxInput(), error_messages={"required": missing}, **options)


@dataclass(frozen=True)
class PdfField:
    """A place to write in a PDF form: its name in the file, what is printed over it, and what a screen reader says."""

    name: str
    label: str
    hint: str = ""
    lines: int = 1
    max_length: int = 120
    is_fixed: bool = False  # filled by us, read-only in the form
    choices: tuple[str, ...] = ()

    @property
    def spoken(self) -> str:
        """Return the accessible name: the label, then the hint."""
        return f"{self.label}. {self.hint}" if self.hint else self.label
