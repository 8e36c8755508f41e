"""Turn a finished upload into a stored file, read stored files, and compare their bytes with their hash (M32)."""

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from django.db import transaction
from django.utils.http import content_disposition_header

from accounts.models import User
from change_requests.packages import parts, record
from change_requests.packages.models import PackageFile, PackageFileCheck, PackageUpload
from change_requests.packages.models.files import get_storage, make_path
from factureya.core import audit, clock
from factureya.core.files.store import SANDBOXED
from factureya.core.refusals import WrongStatus

Verdict = PackageFileCheck.Verdict
TOKEN_BYTES = 32


class AlteredFile(WrongStatus):
    """Say that the bytes of a stored file are not those that were stored, or are gone; `found` is their SHA-256."""

    def __init__(self, file: PackageFile, verdict: PackageFileCheck.Verdict, found: str = "") -> None:
        super().__init__(
            f"«{file.name}» no es el archivo que se guardó. No se hizo nada; avise a Seguridad Informática."
        )
        self.file, self.verdict, self.found = file, verdict, found


def make_token() -> str:
    """Return a new random name for a file or an upload."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def keep_upload(upload: PackageUpload, *, actor: User) -> PackageFile:
    """Store the bytes of a locked, finished upload for ever, delete the upload, and return the stored file's row.

    The caller's transaction must be open: if it is undone, the upload is there as before. Raises Unstorable.
    """
    file = PackageFile(
        token=upload.token,
        kind=upload.kind,
        name=upload.name,
        size=upload.size,
        sha256=upload.found_sha256,
        patch_files=upload.patch_files,
        patch_lines=upload.patch_lines,
        stored_by=actor,
        stored_at=clock.now(),
    )
    file.file.name = make_path(file, "")
    try:
        get_storage().keep(parts.find_path(upload.token), file.file.name)
    except OSError as error:
        raise parts.Unstorable from error
    audit.record("package_file.stored", file, actor=actor, rows={record.FILE: record.describe_file(file)})
    file.save(force_insert=True)
    token = upload.token
    upload.delete()
    transaction.on_commit(lambda: parts.remove(token), robust=True)
    return file


def describe_download(file: PackageFile) -> dict[str, str]:
    """Return the headers of a download. The caller must have asked the policy."""
    return {
        "Content-Type": "application/octet-stream",
        "Content-Length": str(file.size),
        "Content-Disposition": content_disposition_header(True, file.name) or "attachment",
        **SANDBOXED,
    }


def open_file(file: PackageFile) -> IO[Any]:
    """Return the open file, after all its bytes were compared with its hash; what is read are those very bytes.

    Raises AlteredFile.
    """
    try:
        content = get_storage().open(str(file.file.name))
    except OSError as error:
        raise AlteredFile(file, Verdict.MISSING) from error
    found = parts.hash_open(content.file)
    if found != file.sha256:
        content.close()
        raise AlteredFile(file, Verdict.ALTERED, found)
    content.seek(0)
    return content


def examine(file: PackageFile) -> tuple[PackageFileCheck.Verdict, str]:
    """Return what the bytes of a stored file are today, and their SHA-256 ("" if they are gone)."""
    try:
        found = parts.hash_file(Path(get_storage().path(str(file.file.name))))
    except OSError:
        return Verdict.MISSING, ""
    return (Verdict.INTACT if found == file.sha256 else Verdict.ALTERED), found


def list_stray_files() -> Iterator[str]:
    """Yield the name of each file in the store that no row has, because its operation was rolled back."""
    root = Path(get_storage().location)
    for folder in root.glob("??"):
        names = {path.name for path in folder.iterdir()}
        known = set(PackageFile.objects.filter(token__in=names).values_list("token", flat=True))
        yield from (f"{folder.name}/{name}" for name in sorted(names - known))
