"""Keep the bytes of unfinished uploads on the disk, piece after piece; nothing is ever whole in memory (M32)."""

import fcntl
import hashlib
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Protocol

from django.conf import settings

from change_requests.packages.storage import FOLDER
from factureya.core.refusals import Refused, WrongStatus

logger = logging.getLogger(__name__)
CHUNK = 256 * 1024  # bytes in memory at a time
HEAD = 64 * 1024  # bytes of the beginning that tell what a file is


class Unstorable(Refused):
    """Say that the disk is full or cannot be written; nothing of the piece was kept."""

    def __init__(self) -> None:
        super().__init__("No hay espacio en el servidor para guardar el archivo. Avise al Área Informática.")


class UploadBusy(WrongStatus):
    """Say that another piece of the same upload is arriving at this moment."""

    def __init__(self) -> None:
        super().__init__("Ya se está recibiendo una parte de ese archivo. Espere unos segundos.")


class Stream(Protocol):
    """Anything with `read`, such as the body of a request or an uploaded file."""

    def read(self, size: int, /) -> bytes: ...


class TooLong(Exception):
    """Say that more bytes came than were announced."""


class Broken(Exception):
    """Say that the stream broke after `written` bytes, which are on the disk; its own error is the cause."""

    def __init__(self, written: int) -> None:
        super().__init__(written)
        self.written = written


def find_path(token: str) -> Path:
    """Return the path of an unfinished upload's file."""
    return find_folder() / token


def find_folder() -> Path:
    """Return the folder of the unfinished uploads, beside the stored files, so that storing one is a link."""
    return Path(settings.PACKAGES_DIR) / "parts"


def require_room(size: int) -> None:
    """Raise Unstorable if the disk has no room for so many bytes more, or cannot be written."""
    try:
        find_folder().mkdir(mode=FOLDER, parents=True, exist_ok=True)
        free = shutil.disk_usage(find_folder()).free
    except OSError as error:
        logger.exception("the folder of packages cannot be written")
        raise Unstorable from error
    if free - settings.PACKAGE_FREE_BYTES < size:
        raise Unstorable


@contextmanager
def opened(token: str) -> Iterator[IO[bytes]]:
    """Open an upload's file to add to it, locked against other pieces. Raises UploadBusy and Unstorable."""
    try:
        find_folder().mkdir(mode=FOLDER, parents=True, exist_ok=True)
        handle = os.open(find_path(token), os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        logger.exception("an upload's file cannot be opened")
        raise Unstorable from error
    with os.fdopen(handle, "r+b", buffering=0) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UploadBusy from error
        yield file


def measure(file: IO[bytes]) -> int:
    """Return how many bytes the open file has."""
    return os.fstat(file.fileno()).st_size


def add_piece(file: IO[bytes], offset: int, stream: Stream, *, at_most: int) -> int:
    """Write a stream into the open file from `offset` on, and return how many bytes came.

    Raises Unstorable or TooLong, and cuts the file at `offset` again; raises Broken if the stream ends with an error.
    """
    written = 0
    _cut(file, offset)
    try:
        for chunk in _read_chunks(stream):
            written += len(chunk)
            if written > at_most:
                raise TooLong
            _write_all(file, chunk)
    except _StreamError as error:
        raise Broken(written) from error.__cause__
    except OSError as error:
        _cut(file, offset)
        logger.exception("a piece of %s bytes was not stored", written)
        raise Unstorable from error
    except TooLong:
        _cut(file, offset)
        raise
    return written


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file, read in pieces. Raises OSError."""
    with path.open("rb") as file:
        return hash_open(file)


def hash_open(file: Any) -> str:
    """Return the SHA-256 of an open file from where it stands to its end, read in pieces. Raises OSError."""
    return hashlib.file_digest(file, "sha256").hexdigest()


def settle(token: str) -> None:
    """Write what the system still holds of an upload onto the disk. Raises Unstorable."""
    try:
        with find_path(token).open("rb") as file:
            os.fsync(file.fileno())
    except OSError as error:
        logger.exception("an upload was not written to the disk")
        raise Unstorable from error


def read_head(token: str) -> bytes:
    """Return the beginning of an upload's file."""
    with find_path(token).open("rb") as file:
        return file.read(HEAD)


def remove(token: str) -> None:
    """Delete the file of an upload, if it is there."""
    find_path(token).unlink(missing_ok=True)


class _StreamError(Exception):
    """Carry an error of the stream itself, which may be an OSError as those of the disk are."""


def _read_chunks(stream: Stream) -> Iterator[bytes]:
    """Yield the stream in small pieces. Raises _StreamError, whose cause is the stream's own error."""
    while True:
        try:
            chunk = stream.read(CHUNK)
        except Exception as error:
            raise _StreamError from error
        if not chunk:
            return
        yield chunk


def _write_all(file: IO[Any], chunk: bytes) -> None:
    """Write all of a chunk: an unbuffered file may take a part of it."""
    rest = memoryview(chunk)
    while rest:
        rest = rest[file.write(rest) :]


def _cut(file: IO[bytes], offset: int) -> None:
    """Cut the file at `offset` and stand there."""
    with suppress(OSError):
        os.ftruncate(file.fileno(), offset)
    file.seek(offset)
