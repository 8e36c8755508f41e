"""What every form of the portal shares: fields that look wrong when they are, texts, and files (M16, M17)."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.forms.utils import flatatt
from django.utils.html import format_html
from django.utils.safestring import SafeString

from factureya.core.files import store
from factureya.core.models import Attachment

MAX_TEXT = 10_000
STALE_FORM = "El formulario perdió su validez. Conservamos lo que escribió: revíselo y envíelo de nuevo."


class PortalForm(forms.Form):
    """Marks wrong fields for sight and for assistive technology; the browser's own bubbles are off."""

    use_required_attribute = False

    def full_clean(self) -> None:
        """Validate, then let the controls of the wrong fields look wrong."""
        super().full_clean()
        for name in self.errors if self.is_bound else ():
            if name in self.fields:
                self._mark(name)

    def add_error(self, field: str | None, error: Any) -> None:
        """Add an error from outside (an operation's refusal, a file's), marked like the form's own."""
        super().add_error(field, error)
        if field in self.fields:
            self._mark(field)

    def _mark(self, name: str) -> None:
        attrs = self.fields[name].widget.attrs
        if "is-invalid" not in attrs.get("class", ""):
            attrs["class"] = f"{attrs.get('class', '')} is-invalid".strip()


class Textarea(forms.Textarea):
    """The same element written without a template, which costs more than the rest of its field."""

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        """The element; its text begins after a line break, which a browser drops."""
        attributes = flatatt({"name": name, **self.build_attrs(self.attrs, attrs)})
        return format_html("<textarea{}>\n{}</textarea>", attributes, self.format_value(value) or "")


class Text(forms.CharField):
    """A text of at most `most` characters; `missing` is said when it is empty."""

    def __init__(self, *, missing: str = "", rows: int = 5, most: int = MAX_TEXT, **options: Any) -> None:
        too_long = "Son hasta %(limit_value)d caracteres y escribió %(show_value)d. Acorte el texto"
        super().__init__(
            widget=Textarea(attrs={"class": "textarea form-control", "rows": rows}),
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
        """No maxlength: the browser would cut a pasted text in silence."""
        return {}


class FilesMixin(PortalForm):
    """A form with files, which are kept under its one-time key before anything else is looked at."""

    kept: list[Attachment]

    def take_files(self, kept: list[Attachment], refusals: Iterable[store.RefusedFile]) -> None:
        """The files that the form has, and those it refused, with their reasons beside the field."""
        self.kept = kept
        for refusal in refusals:
            self.add_error("files", str(refusal))


class FilesField(forms.Field):
    """Stands for the file input in labels and errors; the files themselves go through `core.files.store`."""

    widget = forms.FileInput
    hint = "PNG, JPG, WebP, GIF, PDF, XML o TXT; hasta 5 archivos de 10 MB."

    def __init__(self, label: str) -> None:
        super().__init__(label=label, required=False, help_text=self.hint)

    def clean(self, value: Any) -> None:
        """Nothing to validate here."""
        return
