"""Check that the stored files are those that were sent, by reading and hashing them each time (M20, M21).

A file is read in pieces and never beyond its recorded size, so the files' limits bound the cost of a request.
"""

import hashlib
from tempfile import SpooledTemporaryFile
from typing import IO, Any

from change_requests.models import Evidence, FormalRequest
from factureya.core.files import store
from factureya.core.models import Attachment

PIECE = 256 * 1024  # bytes read at a time
IN_MEMORY = 1024 * 1024  # bytes of a copy, before it goes to a temporary file


class Altered(Exception):
    """Report that a stored file is missing, or that its bytes are not those that were sent."""

    is_missing = False


class Missing(Altered):
    """Report that the store has no such file."""

    is_missing = True


def open_as_sent(attachment: Attachment, sha256: str) -> tuple[dict[str, str], IO[Any]]:
    """Return the headers of a download and an open copy of the stored file; the copy has the hash `sha256`.

    A later change of the file does not reach the copy. Raises Altered if the file is lost or has another hash.
    """
    copy = SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 (whoever sends it closes it)
    try:
        headers = _read_as_sent(attachment, sha256, copy)
    except Altered:
        copy.close()
        raise
    copy.seek(0)
    return headers, copy


def is_as_sent(attachment: Attachment, sha256: str) -> bool:
    """Return True if the stored bytes of the file still have `sha256`, the hash of what was sent."""
    try:
        _read_as_sent(attachment, sha256)  # only a check here: the headers are not needed
    except Altered:
        return False
    return True


def find_altered_in(request: FormalRequest) -> list[str]:
    """Return the names of the evidence files that differ from the request's current version.

    A file differs if its stored bytes changed, if the version lists it but the request no longer has it, or if the
    request has it but the version does not list it.
    """
    files = list_evidence(request)
    listed = {(file["name"], file["sha256"]) for file in request.read_payload()["evidence"]}
    altered = [file.attachment.name for file in files if not is_as_sent(file.attachment, file.sha256)]
    only_in_one = listed ^ {(file.attachment.name, file.sha256) for file in files}  # not in both
    return [*altered, *sorted(name for name, _ in only_in_one)]


def list_evidence(request: FormalRequest) -> list[Evidence]:
    """Return the rows of evidence that belong to the current version, in one query."""
    rows = Evidence.objects.filter(request=request, revision_no__lte=request.revision_no)  # added with it or before it
    return list(rows.filter(dropped_at__isnull=True).select_related("attachment").order_by("pk"))


def _read_as_sent(attachment: Attachment, sha256: str, copy: IO[Any] | None = None) -> dict[str, str]:
    """Read a stored file once, write it into `copy` if there is one, and return the headers of its download.

    Raises Missing if the store lost the file, and Altered if it cannot be read or its bytes do not have this hash.
    """
    try:
        headers, file = store.open_for_download(attachment)
        with file:
            stored_hash = _hash_file(file, attachment.size, copy)
    except FileNotFoundError as error:
        raise Missing(attachment.name) from error
    except OSError as error:
        raise Altered(attachment.name) from error
    if stored_hash != sha256:
        raise Altered(attachment.name)
    return headers


def _hash_file(file: IO[Any], size: int, copy: IO[Any] | None = None) -> str:
    """Return the SHA-256 of a file, which is also written into `copy` if there is one.

    If a file is longer than its recorded size, reading stops and the result is "", which is no file's hash.
    """
    digest, bytes_read = hashlib.sha256(), 0
    while piece := file.read(PIECE):
        bytes_read += len(piece)
        if bytes_read > size:
            return ""
        digest.update(piece)
        if copy is not None:
            copy.write(piece)
    return digest.hexdigest()
