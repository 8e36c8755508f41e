"""What no raw SQL does to a package, its files and its uploads (M28, M32), on both engines."""

from datetime import date
from typing import Any

import pytest

from accounts.models import Office
from change_requests.packages import operations
from change_requests.packages.models import FileKind, PackageFile, PackageUpload, SupplierPackage
from factureya.core.clock import now
from factureya.testing.packages import WHY, Packages, Status, make_archive
from factureya.testing.people import make_hugo, make_staff
from factureya.testing.raw_sql import copy_statement, execute, insert, refused_by, sqlite_only, update

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M32")]


# -- Files --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "name"),
    [
        ({"kind": "raro"}, "package_file_kind_is_known|package_file_has_its_event"),
        ({"size": 0, "kind": "patch"}, "package_file_is_not_empty|package_file_has_its_event"),
        ({"sha256": "corto"}, "package_file_has_hash|package_file_has_its_event"),
        ({"kind": "patch"}, "package_file_has_its_event"),
        ({}, "package_file_has_its_event|one_package_file_per_hash|package_file_insert_replaces_none"),
    ],
    ids=str,
)
def test_a_file_is_stored_with_its_event(scene: Packages, columns: dict[str, Any], name: str):
    with refused_by(name):
        insert(scene.package.original, token="otro", **columns)


@pytest.mark.parametrize(
    ("columns", "name"),
    [
        ({"kind": "raro"}, "package_file_kind_is_known"),
        ({"size": 0}, "package_file_is_not_empty"),
        ({"sha256": "ab"}, "package_file_has_hash"),
    ],
    ids=str,
)
def test_a_files_facts_are_checked(scene: Packages, columns: dict[str, Any], name: str, unguarded: None):
    with refused_by(name):
        update(scene.package.original, **columns)


def test_no_bytes_are_stored_twice(scene: Packages, unguarded: None):
    other = scene.register("v9").original
    with refused_by("one_package_file_per_hash", "UNIQUE.*sha256"):
        update(other, sha256=scene.package.original.sha256)


@sqlite_only
def test_a_file_replaces_none(scene: Packages):
    original = scene.package.original
    for columns in ({"id": original.pk}, {"id": 900}, {"token": "otro"}):
        sql, params = copy_statement(PackageFile, original.pk, "INSERT OR REPLACE", **columns)
        with refused_by("packagefile_no_replace", "package_file_insert_replaces_none", "package_file_has_its_event"):
            execute(sql, *params)


def test_a_check_says_what_it_found(scene: Packages):
    operations.compare_files()
    with refused_by("file_check_verdict_is_known"):
        execute("UPDATE change_requests_packagefilecheck SET verdict = 'bien'")
    with refused_by("file_check_verdict_is_known"):
        execute("UPDATE change_requests_packagefilecheck SET verdict = 'missing'")


# -- Uploads ------------------------------------------------------------------------------------------


@pytest.fixture
def upload(scene: Packages) -> PackageUpload:
    """An upload of an original, of which nothing arrived."""
    return operations.begin_upload(kind=FileKind.ORIGINAL, name="a.zip", size=10, actor=scene.cast.laura)


def again(upload: PackageUpload, scene: Packages, **columns: Any) -> None:
    """INSERT a copy of an upload, as another person's."""
    insert(upload, **{"token": "otra", "started_by_id": scene.cast.gina.pk, **columns})


def test_a_whole_copy_is_let_through(scene: Packages, upload: PackageUpload):
    again(upload, scene)
    assert PackageUpload.objects.count() == 2


@pytest.mark.clause("M28")
@pytest.mark.parametrize("kind", [kind for kind in FileKind if kind != FileKind.ORIGINAL])
def test_no_upload_before_the_authorization(scene: Packages, upload: PackageUpload, kind: FileKind):
    draft = scene.ask()
    with refused_by("upload_after_authorization"):
        again(upload, scene, kind=str(kind), change_id=draft.pk)
    refused = operations.refuse_change(draft.pk, reason=WHY, actor=scene.cast.jorge)
    with refused_by("upload_after_authorization"):
        again(upload, scene, kind=str(kind), change_id=refused.pk)
    with refused_by("upload_names_its_change"):
        again(upload, scene, kind=str(kind))


@pytest.mark.clause("M28")
def test_no_copy_before_the_impact(scene: Packages, upload: PackageUpload):
    change = scene.bring(Status.AUTHORIZED)
    with refused_by("upload_after_authorization"):
        again(upload, scene, kind="copy", change_id=change.pk)
    with refused_by("upload_names_its_change", "upload_after_authorization"):
        again(upload, scene, kind="original", change_id=change.pk)
    again(upload, scene, kind="licence", change_id=change.pk)


@pytest.mark.parametrize(
    ("columns", "name"),
    [
        ({"received": 5}, "upload_begins_empty"),
        ({"size": 0}, "upload_within_its_size"),
        ({"kind": "raro"}, "upload_names_its_change"),
        ({"finished_at": "2026-01-01 00:00:00+00:00"}, "upload_begins_empty|finished_upload_is_whole"),
        ({"found_sha256": "0" * 64}, "finished_upload_is_whole"),
    ],
    ids=str,
)
def test_an_upload_begins_with_nothing(scene: Packages, upload: PackageUpload, columns: dict[str, Any], name: str):
    with refused_by(name):
        again(upload, scene, **columns)


def test_others_upload_nothing(scene: Packages, upload: PackageUpload):
    for person in (make_hugo(), make_staff(Office.AGENT), make_staff(Office.SUPERVISOR, is_active=False)):
        with refused_by("upload_by_who_may"):
            again(upload, scene, started_by_id=person.pk)
    with refused_by("one_upload_of_an_original_per_person", "upload_insert_replaces_none"):
        again(upload, scene, started_by_id=scene.cast.laura.pk)


def test_one_upload_per_change_and_kind(scene: Packages):
    change = scene.bring(Status.IMPACT_WEIGHED)
    given = {"kind": FileKind.COPY, "name": "a.zip", "size": 10, "change_pk": change.pk}
    upload = operations.begin_upload(actor=scene.cast.gina, **given)
    with refused_by("one_upload_per_change_and_kind", "upload_insert_replaces_none"):
        insert(upload, token="otra", started_by_id=scene.cast.laura.pk)


@pytest.mark.parametrize("column", ["name", "token", "mark"])
def test_an_uploads_facts_stay(upload: PackageUpload, column: str):
    with refused_by("upload_facts_stay"):
        update(upload, **{column: "otro"})


def test_an_upload_stays_within_its_size_and_finished(scene: Packages, upload: PackageUpload):
    with refused_by("upload_within_its_size"):
        update(upload, received=11)
    with refused_by("finished_upload_is_whole"):
        update(upload, finished_at=now(), found_sha256="0" * 64)  # nothing arrived
    change = scene.bring(Status.IMPACT_WEIGHED)
    pk = scene.upload(FileKind.COPY, make_archive("copia"), scene.cast.gina, change)
    with refused_by("upload_finished_stays"):
        update(PackageUpload.objects.get(pk=pk), found_sha256="1" * 64)


# -- Packages -----------------------------------------------------------------------------------------


@pytest.fixture
def other(scene: Packages) -> SupplierPackage:
    """Another package, to be copied by force."""
    return scene.register("v9")


@pytest.mark.parametrize(
    ("columns", "name"),
    [
        ({"name": "X"}, "package_has_its_texts"),
        ({"supplier": "  "}, "package_has_its_texts"),
        ({"licence_text": "Sí"}, "package_has_its_texts"),
        ({"credits": 0}, "package_has_credits"),
        ({"months": 0}, "package_has_credits"),
        ({"price": -1}, "package_price_is_not_negative"),
        ({"valid_until": "2020-01-01"}, "package_validity_is_forward"),
        ({"name": "pac-500", "version": "V3.2"}, "one_package_per_label|package_update_replaces_none"),
    ],
    ids=str,
)
def test_a_package_is_whole(other: SupplierPackage, columns: dict[str, Any], name: str, unguarded: None):
    with refused_by(name):
        update(other, **columns)


@pytest.mark.parametrize(
    "columns",
    [{"credits": 1000}, {"price": 1}, {"licence_text": WHY}, {"version": "v4"}, {"registered_by_id": 1}],
    ids=str,
)
def test_a_packages_facts_stay(scene: Packages, columns: dict[str, Any]):
    with refused_by("package_facts_stay"):
        update(scene.package, **columns)


@pytest.mark.clause("M28")
def test_the_end_of_a_sale_is_written_once_with_its_event(scene: Packages):
    with refused_by("package_sale_ends_once"):
        update(scene.package, valid_until="2030-01-01")
    operations.end_sale(scene.package.pk, valid_until=date(2030, 1, 1), actor=scene.cast.gina)
    for other in ("2031-01-01", None):
        with refused_by("package_sale_ends_once"):
            update(scene.package, valid_until=other)


def test_an_original_is_not_exchanged(scene: Packages, other: SupplierPackage):
    with refused_by("package_facts_stay", "package_update_replaces_none"):
        update(scene.package, original_id=other.original_id)


def test_a_package_is_born_with_an_original_by_who_may(scene: Packages):
    change = scene.bring(Status.RELEASED)
    copy, born = scene.last_copy(change), {"name": "PAC-900", "in_use_id": None, "registered_at": now()}
    with refused_by("package_has_its_original"):
        insert(scene.package, **born, original_id=copy.file_id)
    with refused_by("package_registered_by_who_may", "UNIQUE", "no_replace"):
        insert(scene.package, **born, registered_by_id=scene.cast.elsa.pk)
    with refused_by("package_born_with_its_original", "UNIQUE", "no_replace", "package_insert_replaces_none"):
        insert(scene.package, **{**born, "in_use_id": copy.pk})


def test_a_package_replaces_another(scene: Packages):
    with refused_by("package_replaces_another", "UNIQUE", "no_replace", "original_id"):
        insert(scene.package, id=900, name="PAC-900", replaces_id=900)


def test_only_a_released_copy_is_in_use(scene: Packages, other: SupplierPackage):
    change = scene.bring(Status.TESTED)
    copy = scene.last_copy(change)
    with refused_by("package_uses_a_released_copy"):
        update(scene.package, in_use_id=copy.pk)
    scene.release(change)
    with refused_by("package_uses_a_released_copy", "UNIQUE.*in_use", "package_update_replaces_none"):
        update(other, in_use_id=copy.pk)
    with refused_by("package_returns_by_a_revert"):
        update(scene.package, in_use_id=None)


def test_the_last_released_copy_alone_is_in_use(scene: Packages):
    failed = scene.test(scene.bring(Status.COPIED), passed=False)
    first = scene.last_copy(failed)
    scene.release(scene.test(scene.copy(failed)))
    with refused_by("package_uses_a_released_copy"):  # it failed its test
        update(scene.package, in_use_id=first.pk)
    second, third = scene.last_copy(failed), scene.bring(Status.RELEASED)
    for _each in range(2):
        with refused_by("package_uses_a_released_copy"):
            update(scene.package, in_use_id=second.pk)
        if third.status == Status.RELEASED:
            third = scene.revert(third)


@sqlite_only
def test_a_package_and_an_upload_replace_none(scene: Packages, upload: PackageUpload):
    for columns in ({"id": scene.package.pk}, {"original_id": scene.package.original_id}):
        sql, params = copy_statement(SupplierPackage, scene.package.pk, "INSERT OR REPLACE", **columns)
        with refused_by("supplierpackage_no_replace", "package_insert_replaces_none"):
            execute(sql, *params)
    sql, params = copy_statement(PackageUpload, upload.pk, "INSERT OR REPLACE", token="otra")
    with refused_by("upload_insert_replaces_none"):
        execute(sql, *params)
