"""Files that came by mail: the rules of uploads, and embedded messages and TNEF for download only (M17)."""

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
    """What became of a mail's files: those kept, why the others were not, and for each whether it was."""

    files: tuple[Attachment, ...] = ()
    refusals: tuple[str, ...] = ()
    accepted: tuple[bool, ...] = ()


def store(files: Sequence[MailFile], *, draft: str) -> Kept:
    """Keep the good files under `draft`; nobody can send the others again, so each refusal says its reason.

    Raises Unstorable when the store is full or cannot be written: then the whole mail waits (M17).
    """
    kept: list[Attachment] = []
    refusals: list[str] = []
    accepted: list[bool] = []
    for file in files:
        try:
            if len(kept) >= settings.MAIL_IN_MAX_FILES:
                raise files_store.RefusedFile(f"«{_name(file)}» no cupo: el correo trae demasiados archivos.", "")
            kept.append(_store(file, draft))
            accepted.append(True)
        except files_store.Unstorable:
            raise
        except files_store.RefusedFile as refusal:
            refusals.append(str(refusal))
            accepted.append(False)
    return Kept(tuple(kept), tuple(refusals), tuple(accepted))


def _store(file: MailFile, draft: str) -> Attachment:
    upload: UploadedFile[Any] = UploadedFile(BytesIO(file.content), _name(file), size=len(file.content))
    kind = _only_by_mail(file)
    return files_store.store_as(upload, kind, draft=draft) if kind else files_store.store(upload, draft=draft)


def _only_by_mail(file: MailFile) -> types.Kind | None:
    if file.content_type == types.EML.content_type:
        return types.EML
    return types.TNEF if file.content.startswith(types.TNEF_SIGNATURE) else None


def _name(file: MailFile) -> str:
    """Its clean name; to one without an extension, the type it claims adds what it can."""
    name = files_store.clean_name(file.name)
    return name if "." in name else name + _EXTENSIONS.get(file.content_type, "")
