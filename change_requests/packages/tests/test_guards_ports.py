"""What no raw SQL does to what became of a copy in a newer version (M32), on both engines."""

from typing import Any

import pytest
from django.db import models

from change_requests.packages import operations
from change_requests.packages.models import IdentifiedCopy, PackagePort
from factureya.testing.packages import WHY, Packages, Status
from factureya.testing.raw_sql import copy_statement, execute, insert, refused_by, sqlite_only, update

pytestmark = pytest.mark.django_db


@pytest.fixture
def ported(scene: Packages) -> PackagePort:
    """A conflict of a released copy with a newer version, to be copied."""
    copy = scene.last_copy(scene.bring(Status.RELEASED))
    newer = scene.register("v3.3", replaces_pk=scene.package.pk)
    return operations.record_port(
        copy_pk=copy.pk, package_pk=newer.pk, outcome="conflict", notes=WHY, actor=scene.cast.laura
    )


@pytest.mark.clause("M32")
@pytest.mark.parametrize(
    ("columns", "name"),
    [
        ({"outcome": "conflict"}, "one_conflict_per_version|packageport_no_replace"),
        ({"outcome": "quizá"}, "port_names_its_change"),
        ({"outcome": "not_needed", "notes": "No"}, "port_has_notes"),
        ({"outcome": "applied"}, "port_applied_by_its_change|port_names_its_change"),
        ({"outcome": "not_needed", "decided_by_id": "elsa"}, "port_recorded_by_who_may"),
        ({"outcome": "not_needed", "package_id": "package"}, "port_of_a_released_copy"),
    ],
    ids=str,
)
def test_a_port_is_lawful(scene: Packages, ported: PackagePort, columns: dict[str, Any], name: str):
    values = {
        key: scene.package.pk if value == "package" else scene.cast.elsa.pk if value == "elsa" else value
        for key, value in columns.items()
    }
    with refused_by(name):
        insert(ported, **values)


@pytest.mark.clause("M32")
def test_a_port_is_of_an_older_version_of_the_same_package(scene: Packages, ported: PackagePort):
    other = Packages(scene.cast, name="PAC-900")
    stranger = other.register("v2", replaces_pk=other.package.pk)
    with refused_by("port_of_a_released_copy"):
        insert(ported, package_id=stranger.pk)
    insert(ported, package_id=scene.register("v3.4", replaces_pk=ported.package_id).pk)


@pytest.mark.clause("M32")
def test_what_a_change_carries_is_not_needless(scene: Packages, ported: PackagePort):
    scene.ask(package_pk=ported.package_id, port_of_pk=ported.copy_id)
    with refused_by("port_not_needed_while_carried"):
        insert(ported, outcome="not_needed")


@pytest.mark.clause("M32")
def test_a_port_is_applied_by_its_change_alone(scene: Packages, ported: PackagePort):
    other = scene.bring(Status.RELEASED, package_pk=ported.package_id)  # it carries nothing
    with refused_by("port_applied_by_its_change"):
        insert(ported, outcome="applied", change_id=other.pk)
    with refused_by("port_names_its_change"):
        insert(ported, outcome="not_needed", change_id=other.pk)


@pytest.mark.clause("M32")
def test_a_final_port_stays(scene: Packages, ported: PackagePort):
    insert(ported, outcome="not_needed")
    with refused_by("one_final_port_per_version", "port_recorded_by_who_may", "packageport_no_replace"):
        insert(ported, outcome="not_needed")
    with refused_by("change_requests_packageport_no_update"):
        update(ported, notes=WHY * 2)


@sqlite_only
@pytest.mark.clause("M32")
@pytest.mark.parametrize("model", [IdentifiedCopy, PackagePort])
def test_no_row_is_replaced(scene: Packages, ported: PackagePort, model: type[models.Model]):
    row = model._default_manager.first()
    assert row is not None
    sql, params = copy_statement(model, row.pk, "INSERT OR REPLACE", id=row.pk)
    with refused_by(f"{model._meta.db_table}_no_replace", "copy_has_its_label", "copy_made_in_its_step"):
        execute(sql, *params)
