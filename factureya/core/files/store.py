"""Store the files that people send (M17): each is checked, images are re-encoded, and it gets a random name on disk.

A form keeps its files under its one-time key (`draft`), unguessable and of one person: whoever knows it can add and
remove them. The operation that stores the message empties `draft`; files with a draft are deleted after 24 h.
"""

import hashlib
import logging
import math
import secrets
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import timedelta
from typing import IO, Any

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import Storage
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.db.models import FileField
from django.utils.http import content_disposition_header

from factureya.core import clock
from factureya.core.files import types
from factureya.core.invoices import readings
from factureya.core.mail import copies
from factureya.core.models import Attachment
from factureya.core.refusals import Refused

logger = logging.getLogger(__name__)
MAX_NAME = 150
TOKEN_BYTES = 32
MEGABYTE = 1024 * 1024
_PURGE_BATCH = 500
_SMALL = ".small"
# Headers of everything that people sent: a browser runs nothing in it, and no cache keeps it.
SANDBOXED = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "private, no-store",
}
_NOT_IN_NAMES = str.maketrans(dict.fromkeys('<>:"|?*', "-"))


class RefusedFile(Refused):
    """Say that a file was not kept; the text names the file and says what to do, `name` is its clean name."""

    def __init__(self, text: str, name: str) -> None:
        super().__init__(text)
        self.name = name


class Unstorable(RefusedFile):
    """Say that the store is full or cannot be written: a person tries again in some minutes, a mail waits."""


def store(upload: "UploadedFile[Any]", *, draft: str) -> Attachment:
    """Check an uploaded file, store it for the form whose one-time key is `draft`, and return its row (M17).

    An image is re-encoded: `size` and `sha256` are those of the stored file. Raises RefusedFile and Unstorable.
    """
    name = clean_name(upload.name or "")
    content = _read_upload(upload, name)
    try:
        examined = types.examine_file(_get_extension(name), content)
    except types.Unacceptable as reason:
        raise _make_refusal(name, str(reason)) from reason
    return _save_checked(name, examined, draft)


def store_as(upload: "UploadedFile[Any]", kind: types.Kind, *, draft: str) -> Attachment:
    """Store a file of a mail as this `kind`, unexamined, and return its row. Raises RefusedFile and Unstorable."""
    name = clean_name(upload.name or "")
    return _save_checked(name, types.Examined(kind, _read_upload(upload, name)), draft)


def store_uploads(uploads: "Iterable[UploadedFile[Any]]", draft: str) -> tuple[list[Attachment], list[RefusedFile]]:
    """Store files for the form with the key `draft`, as many as fit. Return the stored ones' rows, and the refusals."""
    stored: list[Attachment] = []
    refusals: list[RefusedFile] = []
    limit = settings.ATTACHMENT_MAX_FILES
    free_places = limit - Attachment.objects.filter(draft=draft).count()
    no_room_text = f"no cupo: un mensaje lleva hasta {limit} archivos. Quite otro, o envíelo en el mensaje siguiente."
    for upload in uploads:
        try:
            if len(stored) >= free_places:
                raise _make_refusal(clean_name(upload.name or ""), no_room_text)
            stored.append(store(upload, draft=draft))
        except RefusedFile as refusal:
            refusals.append(refusal)
    return stored, refusals


def discard_file(draft: str, token: str) -> bool:
    """Delete the file `token` of the form with the key `draft`; return False if the form does not have that file."""
    if not draft or "\0" in token:  # PostgreSQL refuses to look for a NUL
        return False
    return bool(_delete_untaken(draft=draft, token=token))


def move_files(draft: str, to: str) -> None:
    """Give the files of the form with the key `draft` to the form that replaces it, which has the key `to`."""
    if draft and to:  # an empty key marks files that belong to a message already
        Attachment.objects.filter(draft=draft).update(draft=to)


def open_for_download(attachment: Attachment) -> tuple[dict[str, str], IO[Any]]:
    """Return the headers and the open file for a download. The caller must have checked that the person may read it.

    Raises FileNotFoundError if the store lost the file.
    """
    return download_headers(attachment), _get_storage().open(str(attachment.file.name))


def download_headers(attachment: Attachment) -> dict[str, str]:
    """Return the headers that make a browser save a file, and not show it, run it or keep it in a cache."""
    is_known = attachment.content_type in {kind.content_type for kind in types.KINDS}
    return {
        "Content-Type": attachment.content_type if is_known else "application/octet-stream",
        "Content-Length": str(attachment.size),
        "Content-Disposition": content_disposition_header(True, attachment.name) or "attachment",
        **SANDBOXED,
    }


def open_picture(attachment: Attachment, *, small: bool = False) -> tuple[dict[str, str], IO[Any]]:
    """Return the headers and the open file of a picture that a page shows. `small` asks for its small copy, if any.

    Raises FileNotFoundError for a file that is no picture of ours (re-encoded), and for one that the store lost.
    """
    if attachment.content_type not in types.PICTURES:
        raise FileNotFoundError(attachment.token)
    headers = {
        **download_headers(attachment),
        "Content-Disposition": content_disposition_header(False, attachment.name) or "inline",
        # The browser's own page around a picture has styles in it; nothing else may run or load.
        "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'",
    }
    path = _make_small_path(str(attachment.file.name))
    if small and _get_storage().exists(path):
        size = str(_get_storage().size(path))
        return headers | {"Content-Type": "image/webp", "Content-Length": size}, _get_storage().open(path)
    return headers, _get_storage().open(str(attachment.file.name))


def purge_orphans() -> int:
    """Delete files that no message took within 24 h: of forms never sent, or without a row. Return how many."""
    before = clock.now() - timedelta(hours=settings.ATTACHMENT_ORPHAN_HOURS)
    strays = [name for name in _find_strays() if _get_storage().get_modified_time(name) < before]
    for name in strays:
        _get_storage().delete(name)
    removed = len(strays)
    while deleted := _delete_untaken(created_at__lt=before):
        removed += deleted
    return removed


def clean_name(raw: str) -> str:
    """Return a file name that is safe to show: without folders, and without control, bidi or invisible characters."""
    base = unicodedata.normalize("NFC", raw).replace("\\", "/").rpartition("/")[2]
    # Categories C…: control, format (bidi, zero width), surrogate, private, unassigned. split() drops extra blanks.
    shown = "".join(c for c in base if unicodedata.category(c)[0] != "C")
    words = shown.translate(_NOT_IN_NAMES).split()
    return _shorten_name(" ".join(words).strip(". "))


def set_true_extension(name: str, kind: types.Kind) -> str:
    """Return a file name with the extension of the file's real kind: `foto.gif` stored as PNG becomes `foto.png`.

    The extension of another kind that we know is replaced. An unknown one is kept, as a part of the name.
    """
    extension = _get_extension(name)
    if extension in kind.extensions:
        return f"{name.rpartition('.')[0]}.{extension}"
    stem = name.rpartition(".")[0] if extension in types.EXTENSIONS else name
    return _shorten_name(f"{stem}.{kind.extensions[0]}")


def _save_checked(name: str, examined: types.Examined, draft: str) -> Attachment:
    """Write an examined file into the store, and for a picture its small copy. Return the file's row.

    The secret links of our mails are removed from the file (M16). Raises Unstorable.
    """
    kind, picture = examined.kind, examined.picture
    stored = copies.cut_file(examined.stored, is_mail=kind == types.EML, is_text=kind == types.TEXT)
    attachment = Attachment(
        token=secrets.token_urlsafe(TOKEN_BYTES),
        name=set_true_extension(name, kind),
        content_type=kind.content_type,
        size=len(stored),
        sha256=hashlib.sha256(stored).hexdigest(),
        draft=draft,
        width=picture.width if picture else None,
        height=picture.height if picture else None,
    )
    attachment.file.name = _write_to_storage(attachment, stored)
    if picture and picture.small:
        with suppress(OSError):  # without it the picture itself is shown
            _get_storage().save(_make_small_path(attachment.file.name), ContentFile(picture.small))
    attachment.save(force_insert=True)
    readings.read_on_commit(attachment)
    return attachment


def _make_small_path(path: str) -> str:
    """Return the path of the small copy of a stored picture."""
    return f"{path}{_SMALL}"


def _read_upload(upload: "UploadedFile[Any]", name: str) -> bytes:
    """Return the content of an uploaded file. Raises RefusedFile with this `name` if it is empty or too big."""
    limit = settings.ATTACHMENT_MAX_BYTES
    content: bytes = b"" if (upload.size or 0) > limit else upload.read(limit + 1)  # the declared size may lie
    size = max(upload.size or 0, len(content))
    if size > limit:
        weight = math.ceil(size * 10 / MEGABYTE) / 10
        text = f"pesa {weight} MB y el máximo es {limit // MEGABYTE} MB. Redúzcalo o envíelo por partes."
        raise _make_refusal(name, text)
    if not content:
        raise _make_refusal(name, "está vacío. Ábralo para comprobarlo y elíjalo de nuevo.")
    return content


def _write_to_storage(attachment: Attachment, content: bytes) -> str:
    """Write a file's content into the store and return its path. Raises Unstorable if the disk is full or read-only."""
    storage = attachment.file.storage
    path = attachment.file.field.generate_filename(attachment, attachment.token)
    try:
        return str(storage.save(path, ContentFile(content), max_length=100))
    except OSError as error:
        with suppress(OSError):
            storage.delete(path)  # the part that fitted
        logger.exception("a file of %s bytes was not stored", len(content))
        reason = "no se pudo guardar por un problema nuestro. Inténtelo de nuevo en unos minutos."
        raise Unstorable(f"«{attachment.name}» {reason}", attachment.name) from error


def _make_refusal(name: str, reason: str) -> RefusedFile:
    """Return the refusal of a file with this name, for this reason."""
    return RefusedFile(f"«{name}» {reason}", name)


def _delete_untaken(**conditions: Any) -> int:
    """Delete up to _PURGE_BATCH files that meet the `conditions` and that no message has taken; return how many."""
    with transaction.atomic():
        waiting = Attachment.objects.exclude(draft="").filter(**conditions).order_by("pk")  # a taken file has no draft
        # Locked: an operation that takes the file at this instant either has it already or finds it gone.
        batch = list(waiting.select_for_update(skip_locked=True)[:_PURGE_BATCH])
        Attachment.objects.filter(pk__in=[attachment.pk for attachment in batch]).delete()
        for attachment in batch:
            _delete_on_commit(str(attachment.file.name))
    return len(batch)


def _delete_on_commit(path: str) -> None:
    """Delete a file and its small copy when the transaction commits; if it fails, the rows stay and need the file."""
    transaction.on_commit(lambda: _get_storage().delete(path), robust=True)
    transaction.on_commit(lambda: _get_storage().delete(_make_small_path(path)), robust=True)


def _find_strays() -> Iterator[str]:
    """Yield the path of each file in the store that has no row, because the transaction was rolled back."""
    folders, _ = _list_folder("")
    for folder in folders:
        _, files = _list_folder(folder)
        token_by_file = {file: file.removesuffix(_SMALL) for file in files}  # a small copy has the picture's token
        rows = Attachment.objects.filter(token__in=set(token_by_file.values()))
        known = set(rows.values_list("token", flat=True))
        yield from (f"{folder}/{file}" for file, token in token_by_file.items() if token not in known)


def _list_folder(folder: str) -> tuple[list[str], list[str]]:
    """Return the names of the folders and of the files in a folder of the store; none if the folder does not exist."""
    try:
        return _get_storage().listdir(folder)
    except FileNotFoundError:  # nobody has sent a file yet
        return [], []


def _get_storage() -> Storage:
    """Return the storage in which the attachments are."""
    file: FileField = Attachment._meta.get_field("file")
    return file.storage


def _get_extension(name: str) -> str:
    """Return the extension of a file name in lower case, without its dot, or an empty text."""
    return name.rpartition(".")[2].lower() if "." in name else ""


def _shorten_name(name: str) -> str:
    """Return a name of at most MAX_NAME characters that keeps its extension; an empty name becomes «archivo»."""
    extension = _get_extension(name)
    tail = f".{extension}" if extension and len(extension) <= 10 else ""  # a longer one is no extension
    stem = name[: -len(tail)] if tail else name
    short_stem = stem[: MAX_NAME - len(tail)].strip(". ")
    return f"{short_stem or 'archivo'}{tail}"
