"""Real threads on PostgreSQL, let loose at one instant: each step of a package's change is taken once (M28–M32)."""

from datetime import date
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from accounts.models import User
from change_requests.packages import operations
from change_requests.packages.models import FileKind, PackageChange, PackagePort, PackageUpload, SupplierPackage
from factureya.testing.packages import PATCH, WHY, Packages, Status, make_archive, stream
from factureya.testing.people import Cast, own_provider
from factureya.testing.races import kinds, race

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True), pytest.mark.clause("M28", "M32")]


@pytest.fixture
def cast() -> Cast:
    own_provider()
    return Cast()


def scenes(cast: Cast, rounds: range) -> Any:
    """Yield a package of its own for each round, with the same people."""
    return (Packages(cast=cast, name=f"PAC-{number}") for number in rounds)


def test_two_requests_for_one_package(cast: Cast, rounds: range):
    for scene in scenes(cast, rounds):
        results = race(scene.ask, scene.ask)
        assert kinds(results) == {"ok": 1, "WrongStatus": 1}, results
        assert scene.package.changes.count() == 1


def test_a_double_click_makes_one_change(cast: Cast, rounds: range):
    for scene in scenes(cast, rounds):
        results = race(*[partial(scene.ask, form_key=f"clave-{scene.name}")] * 3)
        assert kinds(results) == {"ok": 3}, results
        assert scene.package.changes.count() == 1


def test_authorized_and_refused_at_once(cast: Cast, rounds: range):
    for scene in scenes(cast, rounds):
        change = scene.ask()
        results = race(
            partial(operations.authorize_change, change.pk, reason=WHY, actor=cast.jorge),
            partial(operations.refuse_change, change.pk, reason=WHY, actor=cast.jorge),
        )
        assert kinds(results) == {"ok": 1, "WrongStatus": 1}, results
        assert change.events().count() == 2


def test_two_releases_are_one(cast: Cast, rounds: range):
    for scene in scenes(cast, rounds):
        change = scene.bring(Status.TESTED)
        results = race(*[partial(operations.release_change, change.pk, note=WHY, actor=cast.jorge)] * 2)
        assert kinds(results) == {"ok": 1, "WrongStatus": 1}, results
        assert [event.verb for event in change.events()].count("package_change.released") == 1


def test_one_upload_makes_one_copy(cast: Cast, rounds: range):
    for scene in scenes(cast, rounds):
        change = scene.bring(Status.IMPACT_WEIGHED)
        copy = scene.upload(FileKind.COPY, make_archive(f"copia {scene.name}"), cast.gina, change)
        patch = scene.upload(FileKind.PATCH, PATCH, cast.gina, change)
        given = {"copy_upload": copy, "patch_upload": patch, "change_log": WHY, "reapply_notes": WHY}
        results = race(*[partial(operations.make_copy, change.pk, actor=cast.gina, **given)] * 2)
        assert kinds(results) == {"ok": 1, "WrongStatus": 1}, results
        assert change.copies.count() == 1


def test_a_release_and_a_cancel(cast: Cast, rounds: range):
    for scene in scenes(cast, rounds):
        change = scene.bring(Status.TESTED)
        results = race(
            partial(operations.release_change, change.pk, note=WHY, actor=cast.jorge),
            partial(operations.cancel_change, change.pk, reason=WHY, actor=cast.laura),
        )
        assert kinds(results) == {"ok": 1, "WrongStatus": 1}, results
        scene.package.refresh_from_db()
        status = PackageChange.objects.get(pk=change.pk).status
        assert (scene.package.in_use is not None) == (status == "released")


def test_two_pieces_at_one_offset(cast: Cast, rounds: range):
    for _number in rounds:
        upload = operations.begin_upload(kind=FileKind.ORIGINAL, name="a.zip", size=10**6, actor=cast.laura)
        piece = b"PK\x03\x04" + bytes(300_000)
        calls = [
            partial(operations.append_piece, upload.pk, offset=0, stream=stream(piece), actor=cast.laura)
            for _each in range(3)
        ]
        results = race(*calls)
        outcome = kinds(results)
        assert outcome["ok"] == 1, results
        assert set(outcome) <= {"ok", "WrongOffset", "UploadBusy"}
        assert PackageUpload.objects.get(pk=upload.pk).received == len(piece)
        operations.drop_upload(upload.pk, actor=cast.laura)


def test_two_people_record_one_port(cast: Cast, rounds: range):
    for scene in scenes(cast, rounds):
        copy = scene.last_copy(scene.bring(Status.RELEASED))
        newer = scene.register("v3.3", replaces_pk=scene.package.pk)
        given = {"copy_pk": copy.pk, "package_pk": newer.pk, "outcome": "not_needed", "notes": WHY}
        results = race(*(partial(operations.record_port, actor=person, **given) for person in (cast.gina, cast.laura)))
        assert kinds(results) == {"ok": 1, "WrongStatus": 1}, results
        assert PackagePort.objects.filter(package=newer).count() == 1


def test_two_clicks_register_one_package(cast: Cast, rounds: range):
    for number in rounds:
        upload = operations.store_bytes(
            make_archive(f"doble {number}"), kind=FileKind.ORIGINAL, name="a.tgz", actor=cast.laura
        )
        given = register_columns(f"PAC-{number}", cast.laura, form_key=f"doble-{number}")
        results = race(*[partial(operations.register_package, original_upload=upload.pk, **given)] * 2)
        assert kinds(results) == {"ok": 2}, results
        assert SupplierPackage.objects.filter(name=f"PAC-{number}").count() == 1


def test_two_people_register_one_original(cast: Cast, rounds: range):
    for number in rounds:
        calls = []
        for person in (cast.laura, cast.gina):
            upload = operations.store_bytes(
                make_archive(f"mismo {number}"), kind=FileKind.ORIGINAL, name="a.tgz", actor=person
            )
            given = register_columns(f"PAC-{number}-{person.pk}", person)
            calls.append(partial(operations.register_package, original_upload=upload.pk, **given))
        results = race(*calls)
        assert kinds(results) == {"ok": 1, "Invalid": 1}, results
        for upload in PackageUpload.objects.all():
            operations.drop_upload(upload.pk, actor=upload.started_by)


def register_columns(name: str, actor: User, **others: Any) -> dict[str, Any]:
    """Return what is registered of a package with this name."""
    return {
        "supplier": "Timbrado del Centro",
        "name": name,
        "version": "v1",
        "software": "Conector",
        "credits": 500,
        "price": Decimal(845),
        "months": 12,
        "valid_from": date(2026, 1, 1),
        "valid_until": None,
        "licence_name": "Contrato 2025",
        "licence_text": "Cláusula 7: permite una copia marcada.",
        "actor": actor,
        **others,
    }
