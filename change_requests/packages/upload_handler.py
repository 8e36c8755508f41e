"""Write the large file of a posted form to the disk beside the packages, chunk by chunk, while the form arrives (M32).

Django's own handlers keep the form's other files. The file counts only if the whole form came: a form whose connection
broke looks complete to Django, so the form's last field (COMPLETE) must be there.
"""

from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import IO, Any

from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler, StopFutureHandlers
from django.http import HttpRequest

from change_requests.packages import uploads
from factureya.core.files.store import clean_name
from factureya.core.refusals import Refused

COMPLETE = "completo"  # the last field of every form with a large file


class LargeFileHandler(FileUploadHandler):
    """Take the file of one field of a form; `refusal` says why it was not kept, or is None."""

    def __init__(self, request: HttpRequest, field: str, slot: uploads.Slot) -> None:
        super().__init__(request)
        self.field, self.slot = field, slot
        self.refusal: Refused | None = None
        self.path: Path | None = None
        self.name = ""
        self._size = self._form_size = 0
        self._file: IO[bytes] | None = None
        self._is_mine = False

    def handle_raw_input(
        self, input_data: Any, META: Any, content_length: int, boundary: Any, encoding: Any = None
    ) -> None:
        """Remember how many bytes the whole form says it has; the form is parsed as any other."""
        self._form_size = content_length

    def new_file(self, field_name: str, file_name: str, *args: Any, **options: Any) -> None:
        """Open a new file on the disk for the large file, and keep the other handlers off it."""
        super().new_file(field_name, file_name, *args, **options)
        self._is_mine = field_name == self.field
        if not self._is_mine:
            return
        self.discard()  # of the same field, sent twice
        self.name, self.refusal, self._size = clean_name(file_name), None, 0
        try:
            uploads.require_package(self.name, 1)
            self.path = uploads.make_spare_path(self.slot)
            uploads.require_room(self.slot, self._form_size)
            self._file = self.path.open("wb")
        except Refused as refusal:
            self._refuse(refusal)
        except OSError as error:
            self._refuse_disk(error)
        raise StopFutureHandlers

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes | None:
        """Write a chunk of the large file; hand on a chunk of another file. After a refusal the rest is read past."""
        if not self._is_mine:
            return raw_data
        if self._file is not None:
            self._size += len(raw_data)
            try:
                uploads.require_package(self.name, self._size)
                self._file.write(raw_data)
            except Refused as refusal:
                self._refuse(refusal)
            except OSError as error:
                self._refuse_disk(error)
        return None

    def file_complete(self, file_size: int) -> UploadedFile | None:
        """Close the large file, and return a file without content that stands for it in the form."""
        if not self._is_mine:
            return None
        if self._file is not None:
            try:
                self._file.close()
            except OSError as error:
                self._refuse_disk(error)
            self._file = None
        return UploadedFile(BytesIO(), name=self.name, size=file_size)

    def upload_interrupted(self) -> None:
        """Delete what was written of a form that could not be read to its end."""
        self.discard()

    def adopt(self) -> uploads.Upload | None:
        """Put the file that came with a whole form into the slot, and return it; None if the form had none.

        Raises Refused if the form did not come whole, or for why the file was not kept.
        """
        if self.refusal is not None:
            raise self.refusal
        if self.path is None:
            return None
        if COMPLETE not in self._posted():
            raise uploads.Broken(uploads.BROKEN)
        return uploads.take_whole(self.slot, self.path, self.name)

    def discard(self) -> None:
        """Delete the file of this form, unless the slot has it now."""
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
            self._file = None
        if self.path is not None:
            self.path.unlink(missing_ok=True)
            self.path = None

    def _posted(self) -> Any:
        """Return the fields of the form, which was read before."""
        assert self.request is not None
        return self.request.POST

    def _refuse(self, refusal: Refused) -> None:
        """Remember why the file is not kept, and delete what was written of it."""
        self.discard()
        self.refusal = refusal

    def _refuse_disk(self, error: OSError) -> None:
        """Refuse the file because of a full disk. Raises any other error of the system again."""
        if not uploads.is_disk_error(error):
            raise error
        self._refuse(uploads.NoSpace(uploads.NO_SPACE))
