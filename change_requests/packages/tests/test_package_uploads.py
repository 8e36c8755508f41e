"""Large files by the pages: in pieces that go on, whole, broken off, on a full disk, in little memory (M32)."""

import json
import os
import re
import time
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart
from django.urls import reverse

from change_requests.packages import operations
from change_requests.packages.models import PackageChange, PackageFile, PackageUpload
from factureya.testing.packages import PATCH, WHY, Packages, make_archive
from factureya.testing.pages import make_client, text_of

pytestmark = pytest.mark.django_db
MEGABYTE = 1024 * 1024
Status = PackageChange.Status


@pytest.fixture
def change(scene: Packages) -> PackageChange:
    """A change that waits for its copy."""
    return scene.bring(Status.IMPACT_WEIGHED)


def pieces(change: PackageChange, kind: str = "copy") -> str:
    """Return the address that takes the pieces of a file of the change."""
    return reverse("packages:pieces", args=[change.folio, kind])


def send_piece(
    client: Client, address: str, piece: bytes, *, offset: Any, size: Any, name: str = "copia.tar.gz", mark: str = "a1"
) -> Any:
    """Send a piece as the script does."""
    headers = {"X-Upload-Name": name, "X-Upload-Size": str(size), "X-Upload-Offset": str(offset), "X-Upload-Mark": mark}
    return client.post(address, piece, content_type="application/octet-stream", headers=headers)


def list_parts(folder: Path) -> list[str]:
    """Return the names of the unfinished files on the disk; the bytes of a stored one are linked twice."""
    return sorted(path.name for path in (folder / "parts").glob("*") if path.stat().st_nlink == 1)


@pytest.mark.clause("M32")
def test_pieces_go_on_where_they_stopped_and_become_the_copy(scene, change, packages_folder):
    client, address, content = make_client(scene.cast.gina), pieces(change), make_archive("copia " * 999)
    size, half = len(content), len(content) // 2
    assert client.get(address).json() == {"received": 0}
    assert send_piece(client, address, content[half:], offset=half, size=size).status_code == 409  # it has no beginning
    first = send_piece(client, address, content[:half], offset=0, size=size, name="cop%C3%ADa.tar.gz")
    state = {"name": "copía.tar.gz", "size": size, "received": half, "sha256": ""}
    assert (first.status_code, first.json()) == (200, state)
    page = text_of(client.get(reverse("packages:change", args=[change.folio])))
    assert "copía.tar.gz" in page
    assert "Elija el mismo archivo para seguir" in page
    again = send_piece(client, address, content[:half], offset=0, size=size)  # the answer was lost
    assert (again.status_code, again.json()) == (409, {"received": half})
    assert make_client(scene.cast.gina).get(address).json() == state  # another day, another session
    unfinished = client.post(reverse("packages:make_copy", args=[change.folio]), {"completo": "1"})
    assert "no ha terminado de subir" in " ".join(unfinished.context["form"].errors["copy"])
    last = send_piece(client, address, content[half:], offset=half, size=size).json()
    assert len(last["sha256"]) == 64
    data = {"patch": SimpleUploadedFile("aviso.diff", PATCH), "change_log": WHY, "reapply_notes": WHY, "completo": "1"}
    assert client.post(reverse("packages:make_copy", args=[change.folio]), data).status_code == 302
    copy = change.copies.get()
    assert copy.sha256 == last["sha256"]
    stored = client.get(reverse("packages:file", args=[copy.file.token]))
    assert b"".join(stored.streaming_content) == content
    assert list_parts(packages_folder) == []


@pytest.mark.clause("M32")
def test_cancelling_leaves_nothing(scene, change, packages_folder, django_capture_on_commit_callbacks):
    client, address = make_client(scene.cast.gina), pieces(change)
    send_piece(client, address, make_archive("a")[:5], offset=0, size=50)
    assert list_parts(packages_folder)
    with django_capture_on_commit_callbacks(execute=True):
        assert client.post(address, {"cancelar": "1"}).json() == {"received": 0}
    assert client.post(address, {"cancelar": "1"}).json() == {"received": 0}
    assert not PackageUpload.objects.exists()
    assert list_parts(packages_folder) == []


@pytest.mark.clause("M32")
@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"offset": "x", "size": 5}, "no se entendió"),
        ({"offset": 0, "size": ""}, "no se entendió"),
        ({"offset": 0, "size": "٣"}, "no se entendió"),
        ({"offset": 0, "size": "9" * 30}, "no se entendió"),
        ({"offset": 0, "size": 5, "mark": ""}, "no se entendió"),
        ({"offset": 0, "size": 5, "mark": "a" * 65}, "no se entendió"),
        ({"offset": 0, "size": 5, "mark": "a-1"}, "no se entendió"),
        ({"offset": 0, "size": 0}, "está vacío"),
        ({"offset": 0, "size": 10**12}, "pesa más de 500 MB"),
    ],
)
def test_a_piece_that_cannot_be_is_refused_in_words(scene, change, sent, words):
    answer = send_piece(make_client(scene.cast.gina), pieces(change), b"\x1f\x8bxyz", **sent)
    assert answer.status_code == 422
    assert words in answer.json()["error"]
    assert not PackageUpload.objects.exists()


@pytest.mark.clause("M32")
def test_a_file_of_another_type_is_refused_with_its_last_piece(
    scene, change, packages_folder, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        answer = send_piece(make_client(scene.cast.gina), pieces(change), b"texto", offset=0, size=5)
    assert answer.status_code == 422
    assert "ZIP o un TAR.GZ" in answer.json()["error"]
    assert not PackageUpload.objects.exists()
    assert list_parts(packages_folder) == []


@pytest.mark.clause("M32")
def test_another_person_does_not_go_on_with_it(scene, change):
    send_piece(make_client(scene.cast.gina), pieces(change), b"\x1f\x8bx", offset=0, size=50)
    other = make_client(scene.cast.laura)
    assert other.get(pieces(change)).json() == {"received": 0}
    answer = send_piece(other, pieces(change), b"\x1f\x8by", offset=0, size=50)
    assert answer.status_code == 403
    assert "quien la empezó" in answer.json()["error"]


@pytest.mark.clause("M32")
def test_two_windows_do_not_mix_two_files(scene, change):
    client, address = make_client(scene.cast.gina), pieces(change)
    send_piece(client, address, b"\x1f\x8ba", offset=0, size=50, name="uno.tgz")
    for piece in ({"mark": "b2"}, {"mark": "b2", "name": "dos.tgz", "size": 60}):
        answer = send_piece(client, address, b"otra", **{"offset": 3, "size": 50, **piece})
        assert answer.status_code == 409
        assert "Otra ventana sube «uno.tgz»" in answer.json()["error"]
        assert "received" not in answer.json()  # so the script stops
    upload = PackageUpload.objects.get()
    assert (upload.name, upload.received) == ("uno.tgz", 3)
    assert send_piece(client, address, b"b", offset=3, size=50, name="uno.tgz").json()["received"] == 4


def form_body(content: bytes) -> bytes:
    """Return the form of a copy as a browser sends it without script; the file comes before the last field."""
    data = {"change_log": WHY, "copy": SimpleUploadedFile("copia.tar.gz", content), "completo": "1"}
    body: bytes = encode_multipart(BOUNDARY, data)
    return body


@pytest.mark.clause("M32")
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_form_that_breaks_off_leaves_nothing(scene, change, packages_folder, share):
    body = form_body(b"\x1f\x8b" + os.urandom(200_000))
    cut = body[: int(len(body) * share)]
    client = make_client(scene.cast.gina)
    answer = client.generic("POST", reverse("packages:make_copy", args=[change.folio]), cut, MULTIPART_CONTENT)
    assert "se interrumpió" in " ".join(answer.context["form"].errors["copy"])
    assert not PackageUpload.objects.exists()
    assert list_parts(packages_folder) == []
    whole = client.generic("POST", reverse("packages:make_copy", args=[change.folio]), body, MULTIPART_CONTENT)
    assert "copy" not in whole.context["form"].errors
    assert PackageUpload.objects.get().is_finished


@pytest.mark.clause("M32")
def test_what_a_killed_process_left_of_a_form_is_deleted_after_a_day(packages_folder):
    left = packages_folder / "parts" / "form-abc"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"PK")
    assert operations.purge_uploads() == 0
    yesterday = time.time() - 25 * 60 * 60
    os.utime(left, (yesterday, yesterday))
    assert operations.purge_uploads() == 1
    assert list_parts(packages_folder) == []


def fill_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put every unfinished file onto a full disk: the system's own, which refuses every byte."""
    true_open = os.open

    def open_full(path: Any, flags: int, *rest: Any, **options: Any) -> int:
        is_written = flags & (os.O_WRONLY | os.O_RDWR) and "/parts/" in str(path)
        return true_open("/dev/full", os.O_RDWR) if is_written else true_open(path, flags, *rest, **options)

    monkeypatch.setattr(os, "open", open_full)


@pytest.mark.clause("M32")
def test_a_full_disk_is_told_and_keeps_nothing(
    scene, change, packages_folder, monkeypatch, django_capture_on_commit_callbacks
):
    fill_disk(monkeypatch)
    client = make_client(scene.cast.gina)
    content = b"\x1f\x8b" + os.urandom(300_000)
    page = client.post(
        reverse("packages:make_copy", args=[change.folio]),
        {"change_log": WHY, "copy": SimpleUploadedFile("copia.tar.gz", content), "completo": "1"},
    )
    assert page.status_code == 200
    assert "No hay espacio en el servidor" in " ".join(page.context["form"].errors["copy"])
    assert WHY in page.content.decode()
    with django_capture_on_commit_callbacks(execute=True):
        answer = send_piece(client, pieces(change), content, offset=0, size=len(content))
    assert answer.status_code == 507
    assert "No hay espacio en el servidor" in answer.json()["error"]
    assert not PackageUpload.objects.exists()
    assert list_parts(packages_folder) == []
    assert PackageFile.objects.filter(kind="copy").count() == 0


class Stream:
    """A body of this many bytes that is never whole in memory: a head, the same megabyte again and again, a tail."""

    def __init__(self, size: int, head: bytes = b"", tail: bytes = b"") -> None:
        self.parts, self.left, self.tail = head, size, tail
        self.block = os.urandom(MEGABYTE)
        self.length = len(head) + size + len(tail)

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes."""
        if not self.parts and self.left:
            take = min(self.left, MEGABYTE)
            self.parts, self.left = self.block[:take], self.left - take
        elif not self.parts:
            self.parts, self.tail = self.tail, b""
        given, self.parts = self.parts[:size], self.parts[size:]
        return given

    def readline(self, size: int = -1) -> bytes:
        """Say that nobody reads a body line by line."""
        raise NotImplementedError


def peak_memory() -> int:
    """Return the most bytes of memory that this process has had since the last reset."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found.group(1)) * 1024


def reset_peak() -> int:
    """Forget the peak, and return what the process has now."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak_memory()


def post_stream(client: Client, address: str, stream: Any, length: int, content_type: str, **headers: str) -> Any:
    """Post a body that is read from a stream."""
    return client.request(
        **{
            "PATH_INFO": address,
            "REQUEST_METHOD": "POST",
            "CONTENT_TYPE": content_type,
            "CONTENT_LENGTH": str(length),
            "wsgi.input": stream,
            **headers,
        }
    )


@pytest.mark.clause("M32")
@pytest.mark.once
def test_200_megabytes_in_one_form_take_little_memory(scene, change, packages_folder):
    size, client = 200 * MEGABYTE, make_client(scene.cast.gina)
    whole = form_body(b"\x1f\x8b")
    place = whole.index(b"\x1f\x8b") + 2
    stream = Stream(size, whole[:place], whole[place:])
    before = reset_peak()
    page = post_stream(
        client, reverse("packages:make_copy", args=[change.folio]), stream, stream.length, MULTIPART_CONTENT
    )
    assert peak_memory() - before < 100 * MEGABYTE
    assert page.status_code == 200  # the patch is missing, and the copy is kept for the next try
    assert "copy" not in page.context["form"].errors
    assert operations.find_upload(scene.cast.gina, "copy", change.pk).size == size + 2
    assert len(list_parts(packages_folder)) == 1


@pytest.mark.clause("M32")
@pytest.mark.once
def test_200_megabytes_in_pieces_take_little_memory_and_leave_as_they_came(scene, change):
    size, piece, client = 200 * MEGABYTE, 4 * MEGABYTE, make_client(scene.cast.gina)
    before = reset_peak()
    for offset in range(0, size, piece):
        stream = Stream(piece - 2, b"\x1f\x8b")
        headers = {"X_UPLOAD_NAME": "copia.tgz", "X_UPLOAD_SIZE": size, "X_UPLOAD_OFFSET": offset, "X_UPLOAD_MARK": "a"}
        headers = {f"HTTP_{name}": str(value) for name, value in headers.items()}
        answer = post_stream(client, pieces(change), stream, piece, "application/octet-stream", **headers)
        assert json.loads(answer.content)["received"] == offset + piece
    upload = operations.find_upload(scene.cast.gina, "copy", change.pk)
    patch = operations.store_bytes(PATCH, kind="patch", name="a.diff", actor=scene.cast.gina, change_pk=change.pk)
    operations.make_copy(
        change.pk,
        copy_upload=upload.pk,
        patch_upload=patch.pk,
        change_log=WHY,
        reapply_notes=WHY,
        actor=scene.cast.gina,
    )
    token = change.copies.get().file.token
    length = sum(len(chunk) for chunk in client.get(reverse("packages:file", args=[token])).streaming_content)
    assert length == size
    assert peak_memory() - before < 100 * MEGABYTE
