"""A row of a package that its owner changed behind the guards is found by its events (M26, M28–M32)."""

from typing import Any

import pytest
from django.db import connection, models

from change_requests.packages import operations
from change_requests.packages.models import (
    IdentifiedCopy,
    ImpactEstimate,
    LicenceVerdict,
    MaintenanceOption,
    PackageChange,
    PackageFile,
    PackagePort,
    SupplierPackage,
)
from change_requests.packages.record import KINDS
from factureya.core import guard_install
from factureya.core.clock import now
from factureya.core.models import Event
from factureya.core.record import state
from factureya.testing.packages import WHY, Packages, Status
from factureya.testing.raw_sql import update

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M26", "M28", "M32")]
NAMES = {kind.name for kind in KINDS}


@pytest.fixture
def change(scene: Packages) -> PackageChange:
    """A released change, and a conflict of its copy with a newer version."""
    change = scene.bring(Status.RELEASED)
    newer = scene.register("v3.3", replaces_pk=scene.package.pk)
    operations.record_port(
        copy_pk=scene.last_copy(change).pk, package_pk=newer.pk, outcome="conflict", notes=WHY, actor=scene.cast.laura
    )
    return change


def found() -> list[str]:
    """Return the chain's kind and the problem of each flaw in the state of packages."""
    return [f"{flaw.chain.partition(':')[0]}: {flaw.problem}" for flaw in state.find_flaws() if "package" in flaw.chain]


ATTACKS: list[tuple[type[models.Model], dict[str, Any], str]] = [
    (SupplierPackage, {"price": 1}, "price"),
    (SupplierPackage, {"credits": 9999}, "credits"),
    (SupplierPackage, {"in_use_id": None}, "in_use_id"),
    (SupplierPackage, {"licence_text": "Permite todo, sin más."}, "licence_text"),
    (PackageFile, {"sha256": "0" * 64}, "sha256"),
    (PackageFile, {"file": "aa/bb"}, "file"),
    (PackageChange, {"authorization_reason": WHY + " Ya."}, "authorization_reason"),
    (PackageChange, {"need": WHY * 2}, "need"),
    (PackageChange, {"released_at": "now"}, "released_at"),
    (LicenceVerdict, {"clause": "9"}, "clause"),
    (MaintenanceOption, {"against": WHY * 2}, "against"),
    (ImpactEstimate, {"cost": 1}, "cost"),
    (ImpactEstimate, {"hours": 99}, "hours"),
    (IdentifiedCopy, {"change_log": WHY * 2}, "change_log"),
    (IdentifiedCopy, {"test_notes": WHY * 2}, "test_notes"),
    (PackagePort, {"notes": WHY * 2}, "notes"),
]


@pytest.mark.parametrize(("model", "columns", "name"), ATTACKS, ids=str)
def test_a_changed_row_is_found(change: PackageChange, model: type[models.Model], columns: dict[str, Any], name: str):
    row = model._default_manager.order_by("pk").first()
    assert row is not None
    with guard_install.lifted(connection):
        update(row, **{key: now() if value == "now" else value for key, value in columns.items()})
    (flaw,) = found()
    assert flaw.endswith(f": {name}")


def test_what_the_operations_wrote_is_whole(scene: Packages, change: PackageChange):
    assert found() == []
    scene.revert(change)
    consented = scene.judge(scene.authorize(scene.ask(package_pk=scene.register("v9").pk)), "needs_consent")
    operations.cancel_change(consented.pk, reason=WHY, actor=scene.cast.laura)
    operations.refuse_change(scene.ask().pk, reason=WHY, actor=scene.cast.jorge)
    scene.judge(scene.authorize(scene.ask()), "forbidden")
    scene.test(scene.bring(Status.COPIED), passed=False)
    assert found() == []


def test_a_row_that_is_gone_or_has_no_event_is_found(scene: Packages, change: PackageChange):
    with guard_install.lifted(connection):
        PackagePort.objects.all()._raw_delete("default")
    assert found() == ["package: el paso a otra versión que el evento dice ya no está"]
    with guard_install.lifted(connection):
        PackageFile.objects.create(
            token="x", file="xx/x", kind="patch", name="x", size=1, sha256="1" * 64, stored_by=scene.cast.gina
        )
    assert any("no está en ningún evento" in flaw for flaw in found())


def test_every_kind_is_written_by_some_event(scene: Packages, change: PackageChange):
    told = {name for data in Event.objects.values_list("data", flat=True) for name in data.get("rows", {})}
    assert told >= NAMES


def test_no_row_waits_for_an_upgrade_to_record_it(scene: Packages, change: PackageChange):
    state.record_missing()
    assert not Event.objects.filter(verb__in=[kind.recorded for kind in KINDS]).exists()
    assert found() == []
