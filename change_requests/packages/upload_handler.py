"""Write the files of a posted form to the disk of the packages, chunk by chunk, while the form arrives (M32).

A form whose connection broke looks complete to Django, so the form's last field (COMPLETE) must have come. What no
operation took is deleted when the request ends.
"""

import os
import secrets
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler, StopFutureHandlers

from change_requests.packages import parts
from factureya.core.files.store import clean_name
from factureya.core.refusals import Refused
from factureya.core.templatetags.fy import filesize

COMPLETE = "completo"  # the last field of every form with files
BROKEN = "La subida se interrumpió y no quedó nada del archivo. Elíjalo otra vez."


@dataclass
class Spooled:
    """Hold a file that came with a form: its name, its bytes on the disk, or why it was not kept."""

    name: str
    path: Path
    size: int = 0
    refusal: Refused | None = None


class FormFilesHandler(FileUploadHandler):
    """Take the files of these fields of a form; `received` has the last one of each field.

    With `refusal` nothing is written: the form is read to its end only because the browser waits for that.
    """

    def __init__(self, fields: Collection[str], refusal: Refused | None = None) -> None:
        super().__init__()
        self.fields, self.refusal = fields, refusal
        self.received: dict[str, Spooled] = {}
        self._form_size = 0
        self._present: Spooled | None = None
        self._file: IO[bytes] | None = None

    def handle_raw_input(
        self,
        input_data: Any,
        META: Any,  # noqa: N803  # Django names it so
        content_length: int,
        boundary: Any,
        encoding: Any = None,
    ) -> None:
        """Remember how many bytes the whole form says it has; the form is parsed as any other."""
        self._form_size = content_length

    def new_file(self, field_name: str, file_name: str, *args: Any, **options: Any) -> None:
        """Open a new file on the disk for a file of ours, and keep Django's handlers off every file of the form."""
        super().new_file(field_name, file_name, *args, **options)
        self._present = None
        if field_name in self.fields and self.refusal is None:
            self._drop(field_name)
            path = parts.find_folder() / f"form-{secrets.token_hex(20)}"
            self._present = self.received[field_name] = Spooled(clean_name(file_name), path)
            self._try(self._open)
        raise StopFutureHandlers

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes | None:
        """Write a chunk of a file of ours. After a refusal the rest is read past."""
        if self._file is not None and self._present is not None:
            self._present.size += len(raw_data)
            self._try(self._write, raw_data)
        return None

    def file_complete(self, file_size: int) -> UploadedFile:
        """Close the file, and return one without content that stands for it in the form."""
        if self._file is not None:
            self._try(self._file.close)
            self._file = None
        return UploadedFile(BytesIO(), name=self.file_name, size=file_size)

    def discard(self) -> None:
        """Delete what came with the form."""
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
            self._file = None
        for name in list(self.received):
            self._drop(name)

    def _open(self) -> None:
        """Open the file on the disk. Raises Unstorable if it may not fit."""
        assert self._present is not None
        parts.require_room(self._form_size)
        handle = os.open(self._present.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._file = os.fdopen(handle, "wb")

    def _write(self, raw_data: bytes) -> None:
        """Write a chunk. Raises Refused if the file is larger than any package."""
        assert self._present is not None
        assert self._file is not None
        if self._present.size > settings.PACKAGE_MAX_BYTES:
            raise Refused(f"«{self._present.name}» pesa más de {filesize(settings.PACKAGE_MAX_BYTES)}.")
        self._file.write(raw_data)

    def _try(self, step: Any, *arguments: Any) -> None:
        """Do a step; if it fails, remember why the file is not kept, and delete what was written of it."""
        assert self._present is not None
        try:
            step(*arguments)
        except Refused as refusal:
            self._refuse(refusal)
        except OSError:  # the disk is full or cannot be written
            self._refuse(parts.Unstorable())

    def _refuse(self, refusal: Refused) -> None:
        """Remember the refusal of the present file, and delete it."""
        assert self._present is not None
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
            self._file = None
        self._present.refusal = refusal
        self._present.path.unlink(missing_ok=True)

    def _drop(self, field_name: str) -> None:
        """Delete the file of one field, if it has one."""
        if spooled := self.received.pop(field_name, None):
            spooled.path.unlink(missing_ok=True)
