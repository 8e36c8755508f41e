"""The fields that forms of packages share: a file that is uploaded beside the form, and a number (M32)."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, ClassVar

from django import forms
from django.http import HttpRequest

from change_requests.control.views_common import SafeForm
from change_requests.packages.models import FileKind, PackageUpload

ACCEPT = {
    FileKind.ORIGINAL: ".zip,.tar.gz,.tgz",
    FileKind.COPY: ".zip,.tar.gz,.tgz",
    FileKind.PATCH: ".diff,.patch",
    FileKind.LICENCE: ".pdf",
    FileKind.CONSENT: ".pdf",
}
LARGE_KINDS = (FileKind.ORIGINAL, FileKind.COPY)
# Digits, with or without a comma after each three; «845,00» is none, as it may be 845 or 84,500.
_NUMBER = re.compile(r"(?:[0-9]{1,3}(?:,[0-9]{3}){1,6}|[0-9]{1,20})(?:\.[0-9]{1,10})?", re.ASCII)
_TYPED = (forms.TextInput, forms.Textarea)
Uploads = Mapping[str, PackageUpload | None]


class UploadField(forms.Field):
    """Stand for a file that is uploaded beside the form; the form asks whether all of it arrived.

    `missing` is the message when there is none; an optional file has no such message.
    """

    widget = forms.FileInput

    def __init__(self, kind: FileKind, *, label: str, help_text: str, missing: str = "") -> None:
        super().__init__(label=label, help_text=help_text, required=False)
        self.kind, self.missing = kind, missing
        self.accept = ACCEPT[kind]
        self.is_large = kind in LARGE_KINDS

    def clean(self, value: Any) -> None:
        """Return nothing: the view has stored the file, and the form looks at `uploads`."""


class Number(forms.DecimalField):
    """Take a number that is typed with or without commas between thousands; `missing` is the message for none."""

    def __init__(self, *, missing: str, places: int = 2, digits: int = 10, least: int = 0, **options: Any) -> None:
        wrong = dict.fromkeys(("invalid", "min_value", "max_digits", "max_decimal_places", "max_whole_digits"), missing)
        super().__init__(
            max_digits=digits,
            decimal_places=places,
            min_value=least,
            widget=forms.TextInput(attrs={"inputmode": "decimal" if places else "numeric", "autocomplete": "off"}),
            error_messages={**wrong, "required": missing},
            **options,
        )

    def to_python(self, value: Any) -> Decimal | None:  # type: ignore[override]  # as DecimalField's own
        """Return the number. Raises ValidationError for what is none, and for a comma that stands elsewhere."""
        text = str(value or "").strip().removeprefix("$").strip()
        if text and not _NUMBER.fullmatch(text):
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid")
        return super().to_python(text.replace(",", ""))


class PackageForm(SafeForm):
    """Ask for one step; `uploads` are the files that its person has uploaded for it, by kind."""

    asks_password: ClassVar[bool] = False

    def __init__(self, request: HttpRequest, data: Any = None, *, uploads: Uploads | None = None, **options: Any):
        """Make the form; without `asks_password` the session of the person is proof enough."""
        super().__init__(request, data, **options)
        self.uploads = uploads or {}
        if not self.asks_password:
            self.fields.pop("password", None)

    @classmethod
    def list_kinds(cls) -> list[FileKind]:
        """Return the kinds of files that the form asks for, in its order."""
        return [field.kind for field in cls.base_fields.values() if isinstance(field, UploadField)]

    def clean(self) -> dict[str, Any]:
        """Validate that each file that is needed has arrived whole."""
        data = super().clean() or self.cleaned_data
        for name, field in self.fields.items():
            if not isinstance(field, UploadField) or name in self.errors:
                continue
            upload = self.uploads.get(field.kind)
            if upload is not None and not upload.is_finished:
                self.add_error(name, f"«{upload.name}» no ha terminado de subir: elija el mismo archivo para seguir")
            elif upload is None and field.missing:
                self.add_error(name, field.missing)
        return data

    def list_typed(self) -> list[tuple[str, str]]:
        """Return the texts that the person typed, each with the label of its field; no choices and no password."""
        fields = [bound for bound in self if isinstance(bound.field.widget, _TYPED) and bound.name != "password"]
        texts = [(str(bound.label), str(bound.value() or "").strip()) for bound in fields]
        return [(label, text) for label, text in texts if text]

    def make_arguments(self) -> dict[str, Any]:
        """Return what the person wrote as the operation takes it: a file by the key of its upload."""
        data = super().make_arguments()
        for name, field in self.fields.items():
            if isinstance(field, UploadField):
                del data[name]
                upload = self.uploads.get(field.kind)
                data[f"{name}_upload"] = upload.pk if upload else None
        return data
