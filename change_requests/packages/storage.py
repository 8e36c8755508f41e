"""Keep the bytes of packages in a store in which nothing is written twice or deleted (M32)."""

import os
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import SuspiciousFileOperation
from django.core.files.base import File
from django.core.files.storage import FileSystemStorage

READ_ONLY = 0o400
FOLDER = 0o700


class WriteOnceStorage(FileSystemStorage):
    """Store files under `settings.PACKAGES_DIR` that are only read from then on; it refuses all else (M32)."""

    @property
    def base_location(self) -> str:
        """Return the folder as the setting has it."""
        return str(settings.PACKAGES_DIR)

    @property
    def location(self) -> str:
        """Return the folder's absolute path."""
        return str(Path(self.base_location).resolve())

    def keep(self, part: Path, name: str) -> None:
        """Store a whole file under a name for ever, read-only; `part` stays until the caller deletes it.

        Both names are links to the same bytes, so nothing is copied. Done twice, it is done once. Raises OSError, and
        SuspiciousFileOperation if other bytes have the name.
        """
        path = Path(self.path(name))
        path.parent.mkdir(mode=FOLDER, parents=True, exist_ok=True)
        os.utime(part)  # a stray is deleted by its age, and this file is no stray
        try:
            os.link(part, path)
        except FileExistsError as error:
            if not part.samefile(path):
                raise SuspiciousFileOperation(name) from error
        path.chmod(READ_ONLY)

    def remove_stray(self, name: str) -> None:
        """Delete a file that no row names, because the operation that stored it was rolled back."""
        Path(self.path(name)).unlink(missing_ok=True)

    def _open(self, name: str, mode: str = "rb") -> "File[Any]":
        """Return the open file. Raises SuspiciousFileOperation for a mode that writes."""
        if mode != "rb":
            raise SuspiciousFileOperation("a stored package is only read")
        return super()._open(name, mode)  # type: ignore[misc]  # its stubs leave it out

    def _save(self, name: str, content: "File[Any]") -> str:
        """Raise SuspiciousFileOperation: files come in by `keep` alone."""
        raise SuspiciousFileOperation("a package is stored by its operation")

    def delete(self, name: str) -> None:
        """Raise SuspiciousFileOperation: a stored package stays."""
        raise SuspiciousFileOperation("a stored package stays")
