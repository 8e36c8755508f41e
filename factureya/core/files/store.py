"""Files that people send (M17): checked, re-encoded, named anew and kept under a random name.

A form keeps its files under its one-time key (`draft`), so they survive a failed field or an expired session;
the operation that stores the message takes them by emptying `draft`. What nobody took is purged after 24 h ⚙.
A draft key must be unguessable and belong to one person: whoever knows it can add and remove the form's files.
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
    """Check a file, re-encode an image, and return it kept for the form with this key (M17).

    `size` and `sha256` are those of the stored file, which for an image is not the file that was sent.
    Raises RefusedFile and Unstorable.
    """
    name = clean_name(upload.name or "")
    content = _read(upload, name)
    try:
        found = types.examine(_extension(name), content)
    except types.Unacceptable as reason:
        raise _refused(name, str(reason)) from reason
    return _keep(named_as(name, found.kind), found, draft)


def store_as(upload: "UploadedFile[Any]", kind: types.Kind, *, draft: str) -> Attachment:
    """Keep a file of a kind that only mail brings, byte by byte, within the limit of bytes.

    Raises RefusedFile and Unstorable.
    """
    name = clean_name(upload.name or "")
    return _keep(named_as(name, kind), types.Examined(kind, _read(upload, name)), draft)


def store_all(uploads: "Iterable[UploadedFile[Any]]", draft: str) -> tuple[list[Attachment], list[RefusedFile]]:
    """Keep the good files of a form and report the bad ones; at most ATTACHMENT_MAX_FILES with those kept before."""
    kept: list[Attachment] = []
    refusals: list[RefusedFile] = []
    room = settings.ATTACHMENT_MAX_FILES - len(drafts(draft))
    for upload in uploads:
        try:
            if len(kept) >= room:
                raise _no_room(upload)
            kept.append(store(upload, draft=draft))
        except RefusedFile as refusal:
            refusals.append(refusal)
    return kept, refusals


def drafts(draft: str) -> list[Attachment]:
    """The files kept for the form with this key, in the order they came."""
    return list(Attachment.objects.filter(draft=draft).order_by("pk")) if draft else []


def discard(draft: str, token: str) -> bool:
    """Remove one file of a form; False when it is not (or no longer) the form's."""
    is_token = "\0" not in token  # which PostgreSQL would refuse to look for
    return bool(draft) and is_token and bool(_remove(draft=draft, token=token))


def move(draft: str, to: str) -> None:
    """Give a form's files to the form that takes its place, when its one-time key was used already."""
    if draft and to:  # without a key a file would count as taken, and never be purged
        Attachment.objects.filter(draft=draft).update(draft=to)


def open_for_download(attachment: Attachment) -> tuple[dict[str, str], IO[Any]]:
    """The headers and the open file of a download: never shown in our origin, never cached by others.

    Raises FileNotFoundError when the store lost the file. The caller has asked the owner's policy.
    """
    return download_headers(attachment), _storage().open(str(attachment.file.name))


def download_headers(attachment: Attachment) -> dict[str, str]:
    """Return the headers of a download: as an attachment, typed from the allow-list, sandboxed, private."""
    allowed = {kind.content_type for kind in types.KINDS}
    return {
        "Content-Type": attachment.content_type if attachment.content_type in allowed else "application/octet-stream",
        "Content-Length": str(attachment.size),
        "Content-Disposition": content_disposition_header(True, attachment.name) or "attachment",
        **SANDBOXED,
    }


def open_picture(attachment: Attachment, *, small: bool = False) -> tuple[dict[str, str], IO[Any]]:
    """Return the headers and the open file of a picture that is shown in place or in a tab of its own.

    Only what we re-encoded ourselves: anything else, and what the store lost, raises FileNotFoundError. A missing small
    copy is no loss: the picture itself is sent.
    """
    if attachment.content_type not in types.PICTURES:
        raise FileNotFoundError(attachment.token)
    headers = {
        **download_headers(attachment),
        "Content-Disposition": content_disposition_header(False, attachment.name) or "inline",
        # The browser's own page around a picture has styles in it; nothing else may run or load.
        "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'",
    }
    path = _small_path(str(attachment.file.name))
    if small and _storage().exists(path):
        size = str(_storage().size(path))
        return headers | {"Content-Type": "image/webp", "Content-Length": size}, _storage().open(path)
    return headers, _storage().open(str(attachment.file.name))


def purge_orphans() -> int:
    """Remove rows and files of abandoned forms, and stray files without a row, once they are 24 h ⚙ old; how many."""
    before = clock.now() - timedelta(hours=settings.ATTACHMENT_ORPHAN_HOURS)
    strays = [name for name in _strays() if _storage().get_modified_time(name) < before]
    for name in strays:
        _storage().delete(name)
    removed = len(strays)
    while batch := _remove(created_at__lt=before):
        removed += batch
    return removed


def clean_name(raw: str) -> str:
    """A file name safe to show and to save: no folders, no control, bidirectional or invisible characters."""
    base = unicodedata.normalize("NFC", raw).replace("\\", "/").rpartition("/")[2]
    # C* is control, format (bidi overrides, zero width), surrogate, private, unassigned; split() takes the rest.
    shown = "".join(c for c in base if unicodedata.category(c)[0] != "C")
    words = shown.translate(_NOT_IN_NAMES).split()
    return _shortened(" ".join(words).strip(". "))


def named_as(name: str, kind: types.Kind) -> str:
    """The clean name with an extension that tells the truth: `foto.gif` kept as PNG becomes `foto.png`."""
    extension = _extension(name)
    if extension in kind.extensions:
        return f"{_stem(name)}.{extension}"
    stem = _stem(name) if extension in types.EXTENSIONS else name
    return _shortened(f"{stem}.{kind.extensions[0]}")


# -- Private -----------------------------------------------------------------------------------------


def _keep(name: str, found: types.Examined, draft: str) -> Attachment:
    """Write what passed into the store, and its row; a picture with its size and its small copy.

    Links of ours are cut out of it (M16).
    """
    kind, picture = found.kind, found.picture
    stored = copies.cut_file(found.stored, is_mail=kind == types.EML, is_text=kind == types.TEXT)
    attachment = Attachment(
        token=secrets.token_urlsafe(TOKEN_BYTES),
        name=name,
        content_type=found.kind.content_type,
        size=len(stored),
        sha256=hashlib.sha256(stored).hexdigest(),
        draft=draft,
        width=picture.width if picture else None,
        height=picture.height if picture else None,
    )
    attachment.file.name = _write(attachment, stored)
    if picture and picture.small:
        with suppress(OSError):  # without it the picture itself is shown
            _storage().save(_small_path(attachment.file.name), ContentFile(picture.small))
    attachment.save(force_insert=True)
    return attachment


def _small_path(path: str) -> str:
    """Return where the small copy of a stored picture is."""
    return f"{path}{_SMALL}"


def _read(upload: "UploadedFile[Any]", name: str) -> bytes:
    """The whole content, which fits in memory because it is limited. Raises RefusedFile when empty or too big."""
    limit = settings.ATTACHMENT_MAX_BYTES
    content: bytes = b"" if (upload.size or 0) > limit else upload.read(limit + 1)  # the declared size may lie
    size = max(upload.size or 0, len(content))
    if size > limit:
        weight = math.ceil(size * 10 / MEGABYTE) / 10
        raise _refused(
            name,
            f"pesa {weight} MB y el máximo es {limit // MEGABYTE} MB. Redúzcalo o envíelo por partes.",
        )
    if not content:
        raise _refused(name, "está vacío. Ábralo para comprobarlo y elíjalo de nuevo.")
    return content


def _write(attachment: Attachment, content: bytes) -> str:
    """Put the content in the store; its path there. Raises Unstorable when the store is full or cannot be written."""
    storage = attachment.file.storage
    path = attachment.file.field.generate_filename(attachment, attachment.token)
    try:
        return str(storage.save(path, ContentFile(content), max_length=100))
    except OSError as error:
        with suppress(OSError):
            storage.delete(path)  # the half that fitted
        logger.exception("a file of %s bytes was not stored", len(content))
        reason = "no se pudo guardar por un problema nuestro. Inténtelo de nuevo en unos minutos."
        raise Unstorable(f"«{attachment.name}» {reason}", attachment.name) from error


def _refused(name: str, reason: str) -> RefusedFile:
    return RefusedFile(f"«{name}» {reason}", name)


def _no_room(upload: "UploadedFile[Any]") -> RefusedFile:
    most = settings.ATTACHMENT_MAX_FILES
    reason = f"no cupo: un mensaje lleva hasta {most} archivos. Quite otro, o envíelo en el mensaje siguiente."
    return _refused(clean_name(upload.name or ""), reason)


def _remove(**which: Any) -> int:
    """Delete files that no message has taken, a batch at a time; from the store only once the rows are gone."""
    with transaction.atomic():
        waiting = Attachment.objects.exclude(draft="").filter(**which).order_by("pk")
        # Locked: an operation that takes the file at this instant either has it already or finds it gone.
        batch = list(waiting.select_for_update(skip_locked=True)[:_PURGE_BATCH])
        Attachment.objects.filter(pk__in=[attachment.pk for attachment in batch]).delete()
        for attachment in batch:
            _delete_on_commit(str(attachment.file.name))
    return len(batch)


def _delete_on_commit(path: str) -> None:
    transaction.on_commit(lambda: _storage().delete(path), robust=True)
    transaction.on_commit(lambda: _storage().delete(_small_path(path)), robust=True)


def _strays() -> Iterator[str]:
    """Paths in the store that no row knows, folder by folder: left by a transaction that did not commit."""
    for folder in _listed("")[0]:
        tokens = {file: file.removesuffix(_SMALL) for file in _listed(folder)[1]}
        rows = Attachment.objects.filter(token__in=set(tokens.values()))
        known = set(rows.values_list("token", flat=True))
        yield from (f"{folder}/{file}" for file, token in tokens.items() if token not in known)


def _listed(folder: str) -> tuple[list[str], list[str]]:
    try:
        return _storage().listdir(folder)
    except FileNotFoundError:  # nobody has sent a file yet
        return [], []


def _storage() -> Storage:
    file: FileField = Attachment._meta.get_field("file")
    return file.storage


def _extension(name: str) -> str:
    return name.rpartition(".")[2].lower() if "." in name else ""


def _stem(name: str) -> str:
    return name.rpartition(".")[0] if "." in name else name


def _shortened(name: str) -> str:
    """At most MAX_NAME characters with the extension kept; a name of which nothing is left is «archivo»."""
    extension = _extension(name)
    tail = f".{extension}" if extension and len(extension) <= 10 else ""
    stem = name[: -len(tail)] if tail else name
    return f"{stem[: MAX_NAME - len(tail)].strip('. ') or 'archivo'}{tail}"
