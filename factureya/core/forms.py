"""Define what every form of the portal shares: wrong fields, long texts, files, and what is kept of it (M16, M17)."""

from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.forms.utils import flatatt
from django.utils.html import format_html
from django.utils.safestring import SafeString

from factureya.core.files import store
from factureya.core.models import Attachment

MAX_TEXT = 10_000
# A field with one of these words in its name is not kept: it may hold a secret, or what only the page itself may say.
_SECRET_WORDS = "csrf password token code secret hash otp half".split()
_NOT_KEPT = frozenset(
    "key quitar agregar_a otro resolved seen next usar_folio".split()
)  # buttons, and what each page makes anew
# Chosen from a list: kept, but not a text that a person wrote.
_CHOICE_FIELDS = frozenset(
    "a_quien action after agente assignee categoria category chosen contacto decision elegido impact implementer kind "
    "note_key outcome vista".split()
)
STALE_FORM = "El formulario perdió su validez. Conservamos lo que escribió: revíselo y envíelo de nuevo."


class PortalForm(forms.Form):
    """Turn the browser's own messages off: the server says what is missing."""

    use_required_attribute = False


class Textarea(forms.Textarea):
    """Write the textarea without a template, because a template costs more time than the rest of the field."""

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        """Return the textarea as HTML. Browsers drop its first line break, so one more is put before the text."""
        attributes = flatatt({"name": name, **self.build_attrs(self.attrs, attrs)})
        return format_html("<textarea{}>\n{}</textarea>", attributes, self.format_value(value) or "")


class Text(forms.CharField):
    """Ask for a text of at most `most` characters; `missing` is the error when it is empty."""

    def __init__(self, *, missing: str = "", rows: int = 5, most: int = MAX_TEXT, **options: Any) -> None:
        too_long = "Son hasta %(limit_value)d caracteres y escribió %(show_value)d. Acorte el texto"
        super().__init__(  # `missing` is the text when nothing is written
            widget=Textarea(attrs={"rows": rows}),
            max_length=most,
            error_messages={
                "required": missing,
                "max_length": too_long + (" o adjúntelo como archivo TXT." if most == MAX_TEXT else "."),
                "null_characters_not_allowed": "El texto trae un carácter que no se puede guardar. "
                "Escríbalo de nuevo o péguelo sin formato.",
            },
            **options,
        )

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        """Return the attributes without maxlength, which would make the browser cut a pasted text silently."""
        return {}


class FilesMixin(PortalForm):
    """Add files to a form; they are stored under its one-time key before any other field is validated."""

    kept: list[Attachment]

    def take_files(self, kept: list[Attachment], refusals: Iterable[store.RefusedFile]) -> None:
        """Remember the files stored for this form (`kept`); show each refusal as an error of its file field."""
        self.kept = kept
        for refusal in refusals:
            self.add_error("files", str(refusal))


class FilesField(forms.Field):
    """Stand for the file input in labels and errors; the files themselves go through `core.files.store`."""

    widget = forms.FileInput
    hint = "PNG, JPG, WebP, GIF, PDF, XML o TXT; hasta 5 archivos de 10 MB."

    def __init__(self, label: str) -> None:
        super().__init__(label=label, required=False, help_text=self.hint)

    def clean(self, value: Any) -> None:
        """Return nothing: this field has nothing to validate."""


def choose_kept_fields(posted: Mapping[str, Any]) -> dict[str, str]:
    """Return the fields of a posted form that may be stored, to fill the form again if it could not be accepted.

    Left out are secrets (a word such as «password» in the name), and buttons and keys, which each page makes anew.
    """
    return {
        name: str(value)
        for name, value in posted.items()
        if name not in _NOT_KEPT and not any(word in name.lower() for word in _SECRET_WORDS)
    }


def list_texts(fields: dict[str, str]) -> list[str]:
    """Return what a person wrote: no choices from a list, no earlier values (`…_was`), no values without a letter."""
    return [
        value
        for name, value in fields.items()
        if name not in _CHOICE_FIELDS and not name.endswith("_was") and any(character.isalpha() for character in value)
    ]
