"""A file comes in pieces, is resumed or broken off cleanly, and is never whole in memory (M32)."""

import errno
import hashlib
import tracemalloc
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from time_machine import travel

from accounts.models import Office
from change_requests.packages import operations, parts
from change_requests.packages.models import FileKind, PackageFile, PackageUpload
from change_requests.packages.models.files import get_storage
from change_requests.tasks import purge_package_uploads
from factureya.core.clock import now
from factureya.core.models import Heartbeat
from factureya.core.refusals import Invalid, NotAllowed, Refused, WrongStatus
from factureya.testing.packages import PDF, Packages, Status, find_bytes, make_archive, stream
from factureya.testing.people import Cast, end_offices, make_staff

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M32")]
ZIP = b"PK\x03\x04"
MEGABYTE = 1024 * 1024


class Zeros:
    """A stream of so many bytes that begins as a ZIP, made while it is read."""

    def __init__(self, size: int, breaks_at: int | None = None) -> None:
        self.left, self.breaks_at, self.given = size, breaks_at, 0

    def read(self, size: int, /) -> bytes:
        if self.breaks_at is not None and self.given >= self.breaks_at:
            raise OSError(errno.EPIPE, "the browser went away")
        count = min(size, self.left)
        chunk = (ZIP + bytes(count))[:count] if not self.given else bytes(count)
        self.left -= count
        self.given += count
        return chunk


def begin(cast: Cast, size: int = 10, **others: Any) -> PackageUpload:
    given = {"kind": FileKind.ORIGINAL, "name": "paquete.zip", "size": size, "actor": cast.laura}
    return operations.begin_upload(**{**given, **others})


def list_files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_pieces_make_the_file(cast: Cast, packages_folder: Path):
    content = ZIP + bytes(range(250)) * 40
    upload = begin(cast, len(content))
    for offset in range(0, len(content), 3000):
        piece = stream(content[offset : offset + 3000])
        upload = operations.append_piece(upload.pk, offset=offset, stream=piece, actor=cast.laura)
    assert upload.received == len(content)
    upload = operations.finish_upload(upload.pk, actor=cast.laura)
    assert upload.found_sha256 == hashlib.sha256(content).hexdigest()
    assert parts.find_path(upload.token).read_bytes() == content
    assert operations.finish_upload(upload.pk, actor=cast.laura) == upload  # twice is once


def test_a_broken_piece_is_resumed_where_it_broke(cast: Cast):
    upload = begin(cast, MEGABYTE)
    with pytest.raises(OSError, match="browser"):
        operations.append_piece(upload.pk, offset=0, stream=Zeros(MEGABYTE, 600_000), actor=cast.laura)
    upload.refresh_from_db()
    assert 600_000 <= upload.received < MEGABYTE
    assert begin(cast, MEGABYTE) == upload  # the same file again goes on
    with pytest.raises(operations.WrongOffset) as refusal:
        operations.append_piece(upload.pk, offset=0, stream=stream(b"x"), actor=cast.laura)
    assert refusal.value.received == upload.received
    rest = stream(bytes(MEGABYTE - upload.received))
    operations.append_piece(upload.pk, offset=upload.received, stream=rest, actor=cast.laura)
    finished = operations.finish_upload(upload.pk, actor=cast.laura)
    assert finished.found_sha256 == hashlib.sha256(ZIP + bytes(MEGABYTE - 4)).hexdigest()


def test_a_whole_post_that_breaks_leaves_nothing(
    cast: Cast, packages_folder: Path, django_capture_on_commit_callbacks: Any
):
    with django_capture_on_commit_callbacks(execute=True), pytest.raises(OSError, match="browser"):
        operations.store_whole(
            kind=FileKind.ORIGINAL, name="a.zip", size=MEGABYTE, stream=Zeros(MEGABYTE, 500_000), actor=cast.laura
        )
    assert not PackageUpload.objects.exists()
    assert list_files(packages_folder) == []


def test_two_hundred_megabytes_take_little_memory(cast: Cast):
    size = 200 * MEGABYTE
    upload = begin(cast, size)
    tracemalloc.start()
    try:
        operations.append_piece(upload.pk, offset=0, stream=Zeros(size), actor=cast.laura)
        operations.finish_upload(upload.pk, actor=cast.laura)
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10 * MEGABYTE
    operations.drop_upload(upload.pk, actor=cast.laura)


@pytest.mark.parametrize("failure", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_a_full_disk_keeps_nothing_of_the_piece(cast: Cast, monkeypatch: pytest.MonkeyPatch, failure: int):
    upload = begin(cast, 100)
    operations.append_piece(upload.pk, offset=0, stream=stream(ZIP), actor=cast.laura)

    def fail(file: Any, chunk: bytes) -> None:
        file.write(chunk[:5])
        raise OSError(failure, "no room")

    monkeypatch.setattr(parts, "_write_all", fail)
    with pytest.raises(operations.Unstorable, match="espacio"):
        operations.append_piece(upload.pk, offset=4, stream=stream(b"123456789"), actor=cast.laura)
    upload.refresh_from_db()
    assert upload.received == 4
    assert parts.find_path(upload.token).read_bytes() == ZIP


def test_a_disk_without_room_begins_nothing(cast: Cast, settings: Any):
    settings.PACKAGE_FREE_BYTES = 2**60
    with pytest.raises(operations.Unstorable):
        begin(cast)
    assert not PackageUpload.objects.exists()


def test_more_than_announced_is_cut_off(cast: Cast):
    upload = begin(cast, 6)
    operations.append_piece(upload.pk, offset=0, stream=stream(ZIP), actor=cast.laura)
    with pytest.raises(Invalid, match="más bytes"):
        operations.append_piece(upload.pk, offset=4, stream=stream(b"1234"), actor=cast.laura)
    assert parts.find_path(upload.token).read_bytes() == ZIP


def test_two_pieces_at_once_are_one(cast: Cast):
    upload = begin(cast, 10)
    with parts.opened(upload.token), pytest.raises(operations.UploadBusy):
        operations.append_piece(upload.pk, offset=0, stream=stream(ZIP), actor=cast.laura)


def test_what_the_disk_lost_is_sent_again(cast: Cast):
    upload = begin(cast, 8)
    operations.append_piece(upload.pk, offset=0, stream=stream(ZIP + b"1234"), actor=cast.laura)
    parts.find_path(upload.token).write_bytes(ZIP)  # a crash after the row was saved
    for act in (
        lambda: operations.finish_upload(upload.pk, actor=cast.laura),
        lambda: operations.append_piece(upload.pk, offset=8, stream=stream(b""), actor=cast.laura),
    ):
        with pytest.raises(operations.WrongOffset) as refusal:
            act()
        assert refusal.value.received == 4
    operations.append_piece(upload.pk, offset=4, stream=stream(b"1234"), actor=cast.laura)
    assert operations.finish_upload(upload.pk, actor=cast.laura).is_finished


def test_a_piece_of_another_window_is_refused(cast: Cast):
    upload = begin(cast, 8, mark="a1")
    operations.append_piece(upload.pk, offset=0, stream=stream(ZIP), actor=cast.laura, mark="a1")
    for mark in ("b2", ""):
        with pytest.raises(operations.OtherUpload, match=r"paquete\.zip"):
            operations.append_piece(upload.pk, offset=4, stream=stream(b"1234"), actor=cast.laura, mark=mark)
    assert parts.find_path(upload.token).read_bytes() == ZIP
    with pytest.raises(WrongStatus, match="Ya hay una subida"):
        begin(cast, 8, mark="b2")
    assert begin(cast, 8, mark="a1") == upload


@pytest.mark.parametrize("content", [b"texto", b"", b"PK"])
def test_a_refused_file_leaves_the_good_one(cast: Cast, packages_folder: Path, content: bytes):
    good = operations.store_bytes(make_archive("bueno"), kind=FileKind.ORIGINAL, name="a.tgz", actor=cast.laura)
    with pytest.raises(Invalid):
        operations.store_bytes(content, kind=FileKind.ORIGINAL, name="b.tgz", actor=cast.laura)
    assert PackageUpload.objects.get() == good
    assert parts.find_path(good.token).read_bytes() == make_archive("bueno")
    assert list_files(packages_folder) == [good.token]


def test_a_whole_file_takes_the_place_of_the_one_before(
    cast: Cast, packages_folder: Path, django_capture_on_commit_callbacks: Any
):
    begin(cast, 8)
    with django_capture_on_commit_callbacks(execute=True):
        upload = operations.store_bytes(make_archive("b"), kind=FileKind.ORIGINAL, name="b.tgz", actor=cast.laura)
    assert PackageUpload.objects.get() == upload
    assert upload.found_sha256 == hashlib.sha256(make_archive("b")).hexdigest()
    assert list_files(packages_folder) == [upload.token]


def test_a_file_that_vanishes_meanwhile_ends_no_sweep(cast: Cast, packages_folder: Path, monkeypatch: Any):
    folder = parts.find_folder()
    folder.mkdir(parents=True)
    for name in ("resto-1", "resto-2"):
        (folder / name).write_bytes(b"x")
    true_path = parts.find_path

    def lose_one(name: str) -> Path:
        return folder / "gone" if name == "resto-1" else true_path(name)

    monkeypatch.setattr(parts, "find_path", lose_one)
    with travel(now() + timedelta(hours=25), tick=False):
        assert operations.purge_uploads(now()) == 1
    assert list_files(packages_folder) == ["resto-1"]


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        (FileKind.ORIGINAL, b"MZ un programa"),
        (FileKind.ORIGINAL, b"<html>"),
        (FileKind.LICENCE, ZIP),
        (FileKind.PATCH, b"no es un parche"),
        (FileKind.PATCH, b"--- a\0b"),
        (FileKind.COPY, PDF),
    ],
)
def test_each_kind_is_what_it_says(scene: Packages, kind: FileKind, content: bytes):
    status = Status.IMPACT_WEIGHED if kind in (FileKind.COPY, FileKind.PATCH) else Status.AUTHORIZED
    change = None if kind == FileKind.ORIGINAL else scene.bring(status)
    with pytest.raises(Invalid):
        operations.store_bytes(
            content, kind=kind, name="a", actor=scene.cast.laura, change_pk=change.pk if change else None
        )
    assert not PackageUpload.objects.exists()


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ({"size": 0}, Invalid),
        ({"size": -1}, Invalid),
        ({"size": 501 * MEGABYTE}, Invalid),
        ({"kind": "virus"}, Refused),
        ({"kind": FileKind.COPY}, Refused),
    ],
)
def test_bad_beginnings(cast: Cast, given: dict[str, Any], kind: type[Exception]):
    with pytest.raises(kind):
        begin(cast, **given)
    assert not PackageUpload.objects.exists()


def test_a_document_is_small(scene: Packages):
    change = scene.bring(Status.AUTHORIZED)
    with pytest.raises(Invalid, match="10 MB"):
        begin(scene.cast, 11 * MEGABYTE, kind=FileKind.LICENCE, change_pk=change.pk)


def test_an_upload_is_of_one_person(scene: Packages):
    change = scene.bring(Status.IMPACT_WEIGHED)
    upload = begin(scene.cast, kind=FileKind.COPY, actor=scene.cast.gina, change_pk=change.pk)
    for act in (
        lambda: begin(scene.cast, kind=FileKind.COPY, change_pk=change.pk),
        lambda: operations.append_piece(upload.pk, offset=0, stream=stream(ZIP), actor=scene.cast.laura),
        lambda: operations.finish_upload(upload.pk, actor=scene.cast.laura),
        lambda: operations.drop_upload(upload.pk, actor=scene.cast.laura),
    ):
        with pytest.raises(NotAllowed):
            act()
    with pytest.raises(WrongStatus, match="Ya hay una subida"):
        begin(scene.cast, 11, kind=FileKind.COPY, actor=scene.cast.gina, change_pk=change.pk)
    operations.drop_upload(upload.pk, actor=scene.cast.jorge)  # the head of IT may


def test_the_right_is_asked_again_at_every_piece(cast: Cast):
    upload = begin(cast)
    end_offices(cast.laura)
    with pytest.raises(NotAllowed):
        operations.append_piece(upload.pk, offset=0, stream=stream(ZIP), actor=cast.laura)


@pytest.mark.parametrize("office", [Office.AGENT, Office.AUDITOR, Office.DEVELOPER, Office.INFORMATION_OWNER])
def test_others_upload_nothing(cast: Cast, office: str):
    with pytest.raises(NotAllowed):
        begin(cast, actor=make_staff(office))


def test_what_nobody_goes_on_with_is_deleted(
    scene: Packages, packages_folder: Path, django_capture_on_commit_callbacks: Any
):
    upload = begin(scene.cast)
    operations.append_piece(upload.pk, offset=0, stream=stream(ZIP), actor=scene.cast.laura)
    stray = parts.find_folder() / "resto"
    stray.write_bytes(b"x")
    kept = get_storage().path(str(scene.package.original.file.name))
    lost = packages_folder / "zz" / "sin-fila"
    lost.parent.mkdir()
    lost.write_bytes(b"x")
    assert purge_package_uploads() == 0
    assert Heartbeat.objects.filter(name="purge_package_uploads").exists()
    with travel(now() + timedelta(hours=25), tick=False), django_capture_on_commit_callbacks(execute=True):
        assert operations.purge_uploads(now()) >= 3
    assert not PackageUpload.objects.exists()
    assert list_files(packages_folder) == [Path(kept).name]


def test_a_rolled_back_operation_loses_nothing(scene: Packages, monkeypatch: pytest.MonkeyPatch):
    upload = operations.store_bytes(
        make_archive("otro"), kind=FileKind.ORIGINAL, name="b.tar.gz", actor=scene.cast.laura
    )
    before = PackageFile.objects.count()

    with pytest.raises(Invalid, match="nombre y esa versión"):
        scene.register(actor=scene.cast.gina)
    with monkeypatch.context() as patch:
        patch.setattr("change_requests.packages.notifications.mail_registered", lambda *_given: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            operations.register_package(original_upload=upload.pk, **columns(scene))
    assert PackageFile.objects.count() == before
    package = operations.register_package(original_upload=upload.pk, **columns(scene))
    assert find_bytes(package.original).read_bytes() == make_archive("otro")


def columns(scene: Packages) -> dict[str, Any]:
    package = scene.package
    names = "supplier software credits price months valid_from valid_until licence_name licence_text"
    return {
        **{name: getattr(package, name) for name in names.split()},
        "name": "PAC-900",
        "version": "v1",
        "actor": scene.cast.laura,
    }
