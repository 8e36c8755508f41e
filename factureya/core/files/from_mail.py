"""Store the files of a mail by the rules of uploads; embedded messages and TNEF are for download only (M17)."""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile

from factureya.core.files import store as files_store
from factureya.core.files import types
from factureya.core.mail.parse import MailFile
from factureya.core.models import Attachment

_EXTENSIONS = {
    **{kind.content_type: f".{kind.extensions[0]}" for kind in (*types.KINDS, types.EML, types.TNEF)},
    "image/gif": ".gif",
    "image/jpg": ".jpg",
    "text/xml": ".xml",
    "text/html": ".html",
}


@dataclass(frozen=True)
class Kept:
    """Hold what became of a mail's files: the stored files, the refusals, and for each file whether it was stored."""

    files: tuple[Attachment, ...] = ()
    refusals: tuple[str, ...] = ()
    accepted: tuple[bool, ...] = ()


def store_files(files: Sequence[MailFile], *, draft: str) -> Kept:
    """Store the files of a mail. Return the rows of the stored ones, why others were refused, and which were stored.

    They have the key `draft` until an operation puts them into a ticket or request. Raises Unstorable if the disk is
    full or cannot be written; then the whole mail waits (M17).
    """
    stored: list[Attachment] = []
    refusals: list[str] = []
    accepted: list[bool] = []
    for file in files:
        try:
            if len(stored) >= settings.MAIL_IN_MAX_FILES:
                text = f"«{_make_clean_name(file)}» no cupo: el correo trae demasiados archivos."
                raise files_store.RefusedFile(text, "")
            stored.append(_store_file(file, draft))
            accepted.append(True)
        except files_store.Unstorable:  # a subclass of RefusedFile, but here the store fails and not the file
            raise
        except files_store.RefusedFile as refusal:
            refusals.append(str(refusal))
            accepted.append(False)
    return Kept(tuple(stored), tuple(refusals), tuple(accepted))


def _store_file(file: MailFile, draft: str) -> Attachment:
    """Store one file of a mail and return its row. A mail or a file of Outlook (TNEF) in it is stored unexamined."""
    upload: UploadedFile[Any] = UploadedFile(BytesIO(file.content), _make_clean_name(file), size=len(file.content))
    if file.content_type == types.EML.content_type:
        return files_store.store_as(upload, types.EML, draft=draft)
    if file.content.startswith(types.TNEF_SIGNATURE):
        return files_store.store_as(upload, types.TNEF, draft=draft)
    return files_store.store(upload, draft=draft)


def _make_clean_name(file: MailFile) -> str:
    """Return a safe name for a file of a mail. If it has no extension, add the one of its content type in the mail."""
    name = files_store.clean_name(file.name)
    return name if "." in name else name + _EXTENSIONS.get(file.content_type, "")
