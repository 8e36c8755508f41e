"""An original is overwritten by no way that the program has, and any other way is alarmed the same night (M32)."""

import io
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.contrib import admin
from django.core.exceptions import SuspiciousFileOperation
from django.core.files.base import ContentFile
from django.db import IntegrityError, transaction
from time_machine import travel

from change_requests.packages import operations, store
from change_requests.packages.models import PackageFile, PackageFileCheck, SupplierPackage
from change_requests.packages.models.files import get_storage
from change_requests.tasks import compare_package_files
from factureya.core.models import Event, Heartbeat, OutboxMessage
from factureya.testing.packages import Packages, Status, damage, find_bytes
from factureya.testing.people import make_auditor
from factureya.testing.raw_sql import execute, execute_as_owner, refused_by, update

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M32")]
MEXICO = ZoneInfo("America/Mexico_City")
NIGHT = datetime(2026, 12, 1, 3, 0, 30, tzinfo=MEXICO)


def verdicts() -> list[str]:
    return list(PackageFileCheck.objects.order_by("file").values_list("verdict", flat=True))


def alarms(file: PackageFile) -> list[str]:
    events = Event.objects.filter(chain=file.chain, verb="package_file.altered").order_by("seq")
    return [event.data["verdict"] for event in events]


# -- Refused ------------------------------------------------------------------------------------------


def save_over(scene: Packages) -> None:
    scene.package.original.file.save("otro", ContentFile(b"otra cosa"))


def delete_by_field(scene: Packages) -> None:
    scene.package.original.file.delete(save=False)


def open_to_write(scene: Packages) -> None:
    get_storage().open(str(scene.package.original.file.name), "wb")


def open_by_field(scene: Packages) -> None:
    scene.package.original.file.open("r+b")


def save_in_store(scene: Packages) -> None:
    get_storage().save(str(scene.package.original.file.name), ContentFile(b"otra cosa"))


def delete_in_store(scene: Packages) -> None:
    get_storage().delete(str(scene.package.original.file.name))


def keep_another(scene: Packages) -> None:
    other = Path(get_storage().location) / "otro"
    other.write_bytes(b"otra cosa")
    get_storage().keep(other, str(scene.package.original.file.name))


@pytest.mark.parametrize(
    "act", [save_over, delete_by_field, open_to_write, open_by_field, save_in_store, delete_in_store, keep_another]
)
def test_the_store_overwrites_and_deletes_nothing(scene: Packages, act: Callable[[Packages], None]):
    before = find_bytes(scene.package.original).read_bytes()
    with pytest.raises(SuspiciousFileOperation):
        act(scene)
    assert find_bytes(scene.package.original).read_bytes() == before
    assert find_bytes(scene.package.original).stat().st_mode & 0o222 == 0


@pytest.mark.parametrize("column", ["token", "file", "kind", "name", "size", "sha256", "stored_by_id", "stored_at"])
def test_raw_sql_changes_nothing_of_a_stored_file(scene: Packages, column: str):
    value: Any = 7 if column in ("size", "stored_by_id") else "2026-01-01 00:00:00+00:00" if "at" in column else "x"
    with refused_by("change_requests_packagefile_no_update"):
        update(scene.package.original, **{column: value})


def test_the_orm_changes_nothing_of_a_stored_file(scene: Packages):
    original = scene.package.original
    for act in (
        lambda: PackageFile.objects.filter(pk=original.pk).update(sha256="0" * 64),
        lambda: PackageFile.objects.filter(pk=original.pk)._raw_delete("default"),
        lambda: PackageFile.objects.bulk_update([PackageFile(pk=original.pk, name="otro")], ["name"]),
        original.save,
        lambda: SupplierPackage.objects.filter(pk=scene.package.pk).update(original=None),
    ):
        with refused_by("change_requests_packagefile_no", "package_facts_stay", "NOT NULL|null value"):
            act()


def test_a_deleted_row_is_refused(scene: Packages):
    with refused_by("change_requests_packagefile_no_delete", "FOREIGN KEY|foreign key"):
        execute("DELETE FROM change_requests_packagefile WHERE id = %s", scene.package.original_id)


def test_the_admin_has_no_page_that_writes_a_file(scene: Packages):
    for model in (PackageFile, SupplierPackage):
        page = admin.site._registry.get(model)
        assert page is None or not any(
            getattr(page, f"has_{power}_permission")(_Request(scene)) for power in ("add", "change", "delete")
        )


class _Request:
    """A request of a superuser."""

    def __init__(self, scene: Packages) -> None:
        self.user = scene.cast.jorge
        self.user.is_superuser = True


# -- Alarmed the same night ---------------------------------------------------------------------------


def overwrite(file: PackageFile) -> None:
    damage(file)


def shorten(file: PackageFile) -> None:
    damage(file, find_bytes(file).read_bytes()[:-1])


def flip(file: PackageFile) -> None:
    content = bytearray(find_bytes(file).read_bytes())
    content[-1] ^= 1
    damage(file, bytes(content))


def remove(file: PackageFile) -> None:
    find_bytes(file).unlink()


def change_row(file: PackageFile) -> None:
    execute_as_owner("UPDATE change_requests_packagefile SET sha256 = %s WHERE id = %s", "0" * 64, file.pk)


def move_path(file: PackageFile) -> None:
    execute_as_owner("UPDATE change_requests_packagefile SET file = %s WHERE id = %s", "aa/bb", file.pk)


@pytest.mark.parametrize("attack", [overwrite, shorten, flip, remove, change_row, move_path])
def test_the_next_night_alarms(scene: Packages, attack: Callable[[PackageFile], None]):
    auditor = make_auditor()
    file = scene.package.original
    with travel(NIGHT - timedelta(days=1), tick=False):
        assert operations.compare_files() == 1
    assert verdicts() == ["intact"]
    attack(file)
    with travel(NIGHT, tick=False):
        assert operations.compare_files() == 1
    assert verdicts() == ["missing" if attack in (remove, move_path) else "altered"]
    assert len(alarms(file)) == 1
    mails = OutboxMessage.objects.filter(kind="packages/altered")
    people = (scene.cast.elsa, scene.cast.jorge, auditor)
    assert set(mails.values_list("to", flat=True)) == {person.email for person in people}
    assert all(file.name in mail.body for mail in mails)
    run = Event.objects.filter(chain="system:packages").latest("seq")
    assert run.data == {"files": 1, "altered": [file.token]}


def test_each_night_alarms_until_it_is_whole_again(scene: Packages):
    file = scene.package.original
    before = damage(file)
    for night in range(3):
        with travel(NIGHT + timedelta(days=night), tick=False):
            operations.compare_files()
            assert operations.compare_files() == 0  # once a night
    assert len(alarms(file)) == 3
    damage(file, before)
    with travel(NIGHT + timedelta(days=3), tick=False):
        operations.compare_files()
    assert verdicts() == ["intact"]
    assert Event.objects.filter(chain=file.chain).latest("seq").verb == "package_file.whole_again"


def test_every_file_is_compared_and_a_new_one_soon(scene: Packages):
    with travel(NIGHT, tick=False):
        scene.bring(Status.RELEASED)
        assert operations.compare_files() == 4  # original, licence, patch, copy
        assert verdicts() == ["intact"] * 4
        scene.bring(Status.LICENCE_CHECKED)
        assert operations.compare_files() == 1
    with travel(NIGHT + timedelta(hours=22), tick=False):
        assert operations.compare_files() == 0
    with travel(NIGHT + timedelta(hours=24), tick=False):
        assert operations.compare_files() == 5


def test_a_comparison_of_tomorrow_hides_no_file(scene: Packages):
    with travel(NIGHT, tick=False):
        operations.compare_files()
        damage(scene.package.original)
        execute("UPDATE change_requests_packagefilecheck SET checked_at = '2999-01-01 00:00:00+00:00'")
        assert operations.compare_files() == 1
    assert verdicts() == ["altered"]
    assert alarms(scene.package.original) == ["altered"]


def test_what_was_never_compared_comes_first(scene: Packages):
    with travel(NIGHT - timedelta(days=1), tick=False):
        operations.compare_files()
    newer = scene.register("v9")
    with travel(NIGHT, tick=False):
        assert operations.compare_files(seconds=-1) == 1
    assert PackageFileCheck.objects.filter(file=newer.original).exists()


def test_a_long_night_goes_on_where_it_stopped(scene: Packages):
    with travel(NIGHT, tick=False):
        scene.bring(Status.RELEASED)
        assert [operations.compare_files(seconds=-1) for _run in range(5)] == [1, 1, 1, 1, 0]


@pytest.mark.parametrize(
    ("hour", "days"), [(3, 0), (4, 0), (23, 0), (2, 1), (0, 1)], ids=["three", "four", "night", "before", "midnight"]
)
def test_a_night_begins_at_three_in_mexico(hour: int, days: int):
    instant = datetime(2026, 11, 30, hour, 0, tzinfo=MEXICO)
    assert operations.find_last_night(instant) == datetime(2026, 11, 30 - days, 3, 0, tzinfo=MEXICO)


def test_the_task_beats(scene: Packages):
    compare_package_files()
    assert Heartbeat.objects.filter(name="compare_package_files").exists()
    assert verdicts() == ["intact"]


# -- And nothing is done with it ----------------------------------------------------------------------


def test_an_altered_original_is_neither_released_nor_reverted_nor_sent(scene: Packages):
    tested = scene.bring(Status.TESTED)
    before = damage(scene.package.original)
    with pytest.raises(operations.AlteredFile, match="no es el archivo"):
        scene.release(tested)
    assert alarms(scene.package.original) == ["altered"]  # at once, not only at night
    with pytest.raises(operations.AlteredFile):
        store.open_file(scene.package.original)
    damage(scene.package.original, before)
    released = scene.release(tested)
    damage(scene.package.original)
    with pytest.raises(operations.AlteredFile):
        scene.revert(released)
    released.refresh_from_db()
    assert released.status == "released"


@pytest.mark.parametrize(("attack", "verdict"), [(overwrite, "altered"), (remove, "missing")])
def test_a_download_of_an_altered_file_alarms_once(
    scene: Packages, attack: Callable[[PackageFile], None], verdict: str
):
    file = scene.package.original
    attack(file)
    for _each in range(3):
        with pytest.raises(operations.AlteredFile):
            operations.open_stored(file)
    assert alarms(file) == [verdict]
    assert OutboxMessage.objects.filter(kind="packages/altered").count() == 2  # Elsa and Jorge


def test_what_is_sent_is_what_was_compared(scene: Packages):
    file = scene.package.original
    before = find_bytes(file).read_bytes()
    with operations.open_stored(file) as content:
        other = find_bytes(file).with_name("otro")
        other.write_bytes(b"otra cosa")
        other.replace(find_bytes(file))  # after it was compared
        assert content.read() == before


def test_an_altered_copy_is_not_released(scene: Packages):
    tested = scene.bring(Status.TESTED)
    damage(scene.last_copy(tested).file)
    with pytest.raises(operations.AlteredFile):
        scene.release(tested)


def test_a_check_is_not_deleted(scene: Packages):
    operations.compare_files()
    with pytest.raises(IntegrityError, match="packagefilecheck_no_delete"), transaction.atomic():
        execute("DELETE FROM change_requests_packagefilecheck")


def test_a_stream_is_what_was_stored(scene: Packages):
    headers = store.describe_download(scene.package.original)
    with store.open_file(scene.package.original) as content:
        assert io.BytesIO(content.read()).getvalue() == find_bytes(scene.package.original).read_bytes()
    assert "attachment" in headers["Content-Disposition"]
    assert headers["Content-Security-Policy"].startswith("sandbox")
