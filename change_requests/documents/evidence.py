"""Whether the stored files are the ones that were sent: their bytes are read and hashed each time (M20, M21).

A file is read in pieces and never beyond its recorded size, so the cost of a request is bounded by its files' limits.
"""

import hashlib
from collections.abc import Iterable
from tempfile import SpooledTemporaryFile
from typing import IO, Any

from change_requests.kinds import content
from change_requests.models import Evidence, FormalRequest
from factureya.core.files import store
from factureya.core.models import Attachment

PIECE = 256 * 1024  # bytes read at a time
IN_MEMORY = 1024 * 1024  # bytes of a copy, before it goes to a temporary file


class Altered(Exception):
    """The stored file is missing (`is_missing`), or its bytes are not those that were sent."""

    is_missing = False


class Missing(Altered):
    """The store has no such file."""

    is_missing = True


def open_as_sent(attachment: Attachment, sha256: str) -> tuple[dict[str, str], IO[Any]]:
    """Return the headers and the very bytes that gave this hash, in a copy that nobody alters. Raises Altered."""
    copy = SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 (whoever sends it closes it)
    try:
        headers = _read(attachment, sha256, copy)
    except Altered:
        copy.close()
        raise
    copy.seek(0)
    return headers, copy


def is_as_sent(attachment: Attachment, sha256: str) -> bool:
    """Say whether the stored bytes give this hash now."""
    try:
        _read(attachment, sha256)
    except Altered:
        return False
    return True


def altered(files: Iterable[Evidence]) -> list[str]:
    """Return the names of the files whose stored bytes are not those that were sent, or are missing."""
    return [one.attachment.name for one in files if not is_as_sent(one.attachment, one.sha256)]


def altered_in(request: FormalRequest) -> list[str]:
    """Return the files of the current version that are not as the version names them: bytes, rows and list."""
    kept = of_version(request)
    signed = {(file["name"], file["sha256"]) for file in content.payload_of(request)["evidence"]}
    found = {(one.attachment.name, one.sha256) for one in kept}
    return [*altered(kept), *sorted(name for name, _ in signed ^ found)]


def of_version(request: FormalRequest) -> list[Evidence]:
    """Return the evidence that the current version carries; one statement."""
    rows = Evidence.objects.filter(request=request, revision_no__lte=request.revision_no)
    return list(rows.filter(dropped_at__isnull=True).select_related("attachment").order_by("pk"))


def _read(attachment: Attachment, sha256: str, copy: IO[Any] | None = None) -> dict[str, str]:
    """Read the stored file once, into the copy if there is one; return its headers. Raises Altered."""
    try:
        headers, file = store.open_for_download(attachment)
        with file:
            found = _digest(file, attachment.size, copy)
    except FileNotFoundError as error:
        raise Missing(attachment.name) from error
    except OSError as error:
        raise Altered(attachment.name) from error
    if found != sha256:
        raise Altered(attachment.name)
    return headers


def _digest(file: IO[Any], size: int, copy: IO[Any] | None = None) -> str:
    """The SHA-256 of the file; empty when it is longer than it was, without reading the rest."""
    whole, read = hashlib.sha256(), 0
    while piece := file.read(PIECE):
        read += len(piece)
        if read > size:
            return ""
        whole.update(piece)
        if copy is not None:
            copy.write(piece)
    return whole.hexdigest()
