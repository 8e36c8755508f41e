"""Take files in pieces: begin an upload, add to it, finish it, drop it, and delete those that nobody finished (M32)."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction

from accounts.models import User
from change_requests.operations._common import require_none, reread_person
from change_requests.packages import parts, patches, policy, store
from change_requests.packages.models import FileKind, PackageChange, PackageFile, PackageUpload
from change_requests.packages.models.files import get_storage
from factureya.core.clock import now
from factureya.core.files.store import clean_name
from factureya.core.refusals import Invalid, Refused, Stale, WrongStatus

TOO_LONG = "Llegaron más bytes de los anunciados. Elija el archivo de nuevo."
_STARTS = {
    FileKind.ORIGINAL: (b"PK\x03\x04", b"\x1f\x8b"),
    FileKind.COPY: (b"PK\x03\x04", b"\x1f\x8b"),
    FileKind.LICENCE: (b"%PDF-",),
    FileKind.CONSENT: (b"%PDF-",),
}
_WRONG_TYPE = {
    FileKind.ORIGINAL: "El original es un ZIP o un TAR.GZ.",
    FileKind.COPY: "La copia es un ZIP o un TAR.GZ.",
    FileKind.LICENCE: "El documento de la licencia es un PDF.",
    FileKind.CONSENT: "El consentimiento es un PDF.",
    FileKind.PATCH: "El parche es un texto en formato diff.",
}


class WrongOffset(Stale):
    """Say that a piece does not begin where the upload ends; `received` says where the next one begins."""

    def __init__(self, received: int) -> None:
        super().__init__("La subida sigue en otro punto; continúe desde ahí.")
        self.received = received


class UploadGone(WrongStatus):
    """Say that the upload is not there any more: cancelled, taken, or deleted because nobody continued it."""

    def __init__(self) -> None:
        super().__init__("Esa subida ya no existe. Empiece de nuevo.")


class OtherUpload(WrongStatus):
    """Say that a piece is of another file, or of another window, than the upload that is there."""

    def __init__(self, upload: PackageUpload) -> None:
        super().__init__(
            f"Otra ventana sube «{upload.name}» aquí, así que esta se detuvo. Cierre una de las dos y elija el archivo "
            "otra vez."
        )


def begin_upload(
    *, kind: str, name: str, size: int, actor: User, change_pk: int | None = None, mark: str = ""
) -> PackageUpload:
    """Begin an upload and return it; the same file again returns the one that was begun, to go on at `received`.

    `mark` names who sends the file: each piece must have the same one. Nothing of a change is uploaded before it is
    authorized (M28). Raises the policy's refusal, Invalid, and Unstorable.
    """
    kind, name = _clean_kind(kind), clean_name(name)
    _require_size(kind, size)
    with _locked_change(kind, change_pk, actor) as (change, person):
        upload = _find_begun(kind, change, person)
        if upload is not None and (upload.name, upload.size, upload.mark) == (name, size, mark):
            return upload
        if upload is not None:
            raise WrongStatus(f"Ya hay una subida de «{upload.name}»; termínela o cancélela.")
        parts.require_room(size)
        return _insert_upload(
            token=store.make_token(), kind=kind, change=change, name=name, size=size, mark=mark, started_by=person
        )


def append_piece(pk: int, *, offset: int, stream: parts.Stream, actor: User, mark: str = "") -> PackageUpload:
    """Add what the stream gives to the upload, from `offset` on, and return the upload.

    What arrived before a stream broke stays, and its own error is raised. Raises OtherUpload if `mark` is not the
    upload's, WrongOffset, UploadBusy, Unstorable, Invalid if more comes than was announced, and the policy's refusal.
    No transaction is open while bytes arrive.
    """
    upload = _read_upload(pk, actor)
    if upload.mark != mark:
        raise OtherUpload(upload)
    with parts.opened(upload.token) as file:
        upload = _read_upload(pk, actor)  # another piece may have come before the file was locked
        received = min(upload.received, parts.measure(file))
        if upload.is_finished or offset != received:
            raise WrongOffset(received)
        try:
            written = parts.add_piece(file, offset, stream, at_most=upload.size - received)
        except parts.Broken as broken:
            _save_received(upload, received + broken.written)
            raise (broken.__cause__ or broken) from None
        except parts.TooLong as error:
            raise Invalid({"file": TOO_LONG}) from error
        return _save_received(upload, received + written)


def finish_upload(pk: int, *, actor: User) -> PackageUpload:
    """Finish an upload whose bytes are all there, and return it with its SHA-256; done twice, it is done once.

    Raises Invalid, and deletes the upload, if the file is of another type.
    """
    upload = _read_upload(pk, actor)
    if upload.is_finished:
        return upload
    if upload.received != upload.size:
        raise WrongOffset(upload.received)
    with parts.opened(upload.token) as file:
        if parts.measure(file) != upload.size:
            raise WrongOffset(min(upload.received, parts.measure(file)))
        parts.settle(upload.token)
        found: dict[str, Any] = {"found_sha256": parts.hash_file(parts.find_path(upload.token))}
        try:
            _require_type(FileKind(upload.kind), upload.token)
        except Invalid:
            delete_upload(upload)
            raise
        found |= _count(upload)
        conditions = {"pk": pk, "received": upload.size, "finished_at": None}
        PackageUpload.objects.filter(**conditions).update(finished_at=now(), touched_at=now(), **found)
    return _read_upload(pk, actor)


def drop_upload(pk: int, *, actor: User) -> None:
    """Delete an upload and its bytes. Raises UploadGone, and the policy's refusal."""
    with transaction.atomic():
        upload = PackageUpload.objects.select_for_update().filter(pk=pk).first()
        if upload is None:
            raise UploadGone
        require_none(policy.why_not_drop_upload(reread_person(actor), upload))
        delete_upload(upload)


def store_whole(
    *, kind: str, name: str, size: int, stream: parts.Stream, actor: User, change_pk: int | None = None
) -> PackageUpload:
    """Upload a whole file in one go and return the finished upload; nothing is left if it breaks or is refused.

    It takes the place of an upload of this person and kind, finished or not, once its own bytes are whole and right.
    """
    kind, name = _clean_kind(kind), clean_name(name)
    _require_size(kind, size)
    parts.require_room(size)
    token = store.make_token()
    try:
        found = _write_whole(kind, token, stream, size)
        with _locked_change(kind, change_pk, actor) as (change, person):
            begun = _find_begun(kind, change, person)
            if begun is not None:
                delete_upload(begun)
            upload = _insert_upload(token=token, kind=kind, change=change, name=name, size=size, started_by=person)
            finished = {"received": size, "finished_at": now(), "found_sha256": found, **_count(upload)}
            PackageUpload.objects.filter(pk=upload.pk).update(**finished)
            upload.refresh_from_db(fields=finished)
            return upload
    except BaseException:
        parts.remove(token)
        raise


def store_bytes(content: bytes, *, kind: str, name: str, actor: User, change_pk: int | None = None) -> PackageUpload:
    """Upload a small file that is in memory, such as a patch, and return the finished upload."""
    stream = BytesIO(content)
    return store_whole(kind=kind, name=name, size=len(content), stream=stream, actor=actor, change_pk=change_pk)


def find_upload(user: User, kind: str, change_pk: int | None = None) -> PackageUpload | None:
    """Return the person's upload of this kind and change, finished or not, or None."""
    return PackageUpload.objects.filter(started_by=user, kind=kind, change=change_pk).first()


def delete_upload(upload: PackageUpload) -> None:
    """Delete an upload, and its bytes when the transaction commits."""
    token = upload.token
    upload.delete()
    transaction.on_commit(lambda: parts.remove(token), robust=True)


def purge_uploads(instant: datetime | None = None) -> int:
    """Delete the uploads that nobody continued or used for a day, and files that no row names; return how many."""
    before = (instant or now()) - timedelta(hours=settings.PACKAGE_UPLOAD_HOURS)
    count = 0
    for pk in list(PackageUpload.objects.filter(touched_at__lt=before).values_list("pk", flat=True)):
        with transaction.atomic():
            late = PackageUpload.objects.select_for_update(skip_locked=True).filter(pk=pk, touched_at__lt=before)
            for upload in late:
                delete_upload(upload)
                count += 1
    return count + _purge_strays(before)


def _purge_strays(before: datetime) -> int:
    """Delete the files of uploads and of the store that no row names and that are older than the instant."""
    count = 0
    folder = parts.find_folder()
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    for name in names - set(PackageUpload.objects.filter(token__in=names).values_list("token", flat=True)):
        with suppress(FileNotFoundError):  # its operation or another run was faster
            if datetime.fromtimestamp(parts.find_path(name).stat().st_mtime, UTC) < before:
                parts.remove(name)
                count += 1
    storage = get_storage()
    for name in list(store.list_stray_files()):
        with suppress(FileNotFoundError):
            if storage.get_modified_time(name) < before and not PackageFile.objects.filter(file=name).exists():
                storage.remove_stray(name)
                count += 1
    return count


@contextmanager
def _locked_change(kind: FileKind, change_pk: int | None, actor: User) -> Iterator[tuple[PackageChange | None, User]]:
    """Open a transaction, and yield the locked change and the person as he is today, who may upload such a file now.

    Raises the policy's refusal.
    """
    with transaction.atomic():
        change = PackageChange.objects.select_for_update().get(pk=change_pk) if change_pk is not None else None
        actor = reread_person(actor)
        require_none(policy.why_not_upload(actor, kind, change))
        yield change, actor


def _write_whole(kind: FileKind, token: str, stream: parts.Stream, size: int) -> str:
    """Write a whole file beside the other uploads, and return its SHA-256.

    Raises Invalid if it is not of its size or type, Unstorable, and the stream's own error if it breaks.
    """
    with parts.opened(token) as file:
        try:
            written = parts.add_piece(file, 0, stream, at_most=size)
        except parts.Broken as broken:
            raise (broken.__cause__ or broken) from None
        except parts.TooLong as error:
            raise Invalid({"file": TOO_LONG}) from error
        if written != size:
            raise WrongOffset(written)
    parts.settle(token)
    _require_type(kind, token)
    return parts.hash_file(parts.find_path(token))


def _clean_kind(kind: str) -> FileKind:
    """Return the kind of file. Raises Refused for an unknown one."""
    if kind not in FileKind.values:
        raise Refused("Ese archivo no corresponde a este paso.")
    return FileKind(kind)


def _require_size(kind: FileKind, size: int) -> None:
    """Raise Invalid if a file of this size is empty or too big for its kind."""
    limit = settings.PACKAGE_MAX_BYTES if kind in PackageFile.PACKAGES else settings.PACKAGE_DOCUMENT_MAX_BYTES
    if size < 1:
        raise Invalid({"file": "El archivo está vacío. Ábralo para comprobarlo y elíjalo de nuevo."})
    if size > limit:
        raise Invalid({"file": f"El archivo pesa más de {limit // (1024 * 1024)} MB."})


def _find_begun(kind: FileKind, change: PackageChange | None, actor: User) -> PackageUpload | None:
    """Return the upload that stands in the way of a new one, or None. Raises NotAllowed if it is another person's."""
    uploads = PackageUpload.objects.filter(kind=kind, change=change)
    upload = (uploads if change is not None else uploads.filter(started_by=actor)).first()
    if upload is not None:
        require_none(policy.why_not_continue_upload(actor, upload))
    return upload


def _insert_upload(**columns: Any) -> PackageUpload:
    """Insert and return an upload of which nothing arrived. Raises WrongStatus if another came first."""
    try:
        with transaction.atomic():
            return PackageUpload.objects.create(started_at=now(), touched_at=now(), **columns)
    except IntegrityError as error:
        raise WrongStatus("Ya hay una subida de ese archivo; termínela o cancélela.") from error


def _read_upload(pk: int, actor: User) -> PackageUpload:
    """Return the upload if this person may continue it now. Raises UploadGone, and the policy's refusal."""
    upload = PackageUpload.objects.select_related("change").filter(pk=pk).first()
    if upload is None:
        raise UploadGone
    require_none(policy.why_not_continue_upload(reread_person(actor), upload))
    return upload


def _save_received(upload: PackageUpload, received: int) -> PackageUpload:
    """Save how many bytes of an upload are there, and return it. Raises UploadGone if it was dropped meanwhile."""
    rows = PackageUpload.objects.filter(pk=upload.pk, finished_at=None)
    if not rows.update(received=received, touched_at=now()):
        parts.remove(upload.token)
        raise UploadGone
    upload.received = received
    return upload


def _count(upload: PackageUpload) -> dict[str, int]:
    """Return what an upload that arrived whole changes, by column, if it is a patch; of another file nothing."""
    return patches.count_patch(parts.find_path(upload.token)) if upload.kind == FileKind.PATCH else {}


def _require_type(kind: FileKind, token: str) -> None:
    """Raise Invalid if the bytes of an upload that arrived do not begin as a file of its kind does."""
    head = parts.read_head(token)
    if not (_is_diff(head) if kind == FileKind.PATCH else head.startswith(_STARTS[kind])):
        raise Invalid({"file": _WRONG_TYPE[kind]})


def _is_diff(head: bytes) -> bool:
    """Return True if the beginning of a file reads as a diff: text, with a line that begins a part of it."""
    if b"\0" in head:
        return False
    return any(line.startswith((b"diff ", b"--- ", b"@@ ")) for line in head.splitlines())
