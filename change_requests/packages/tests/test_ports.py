"""A new version of a supplier's package asks what becomes of each copy of the version before (M32)."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from change_requests.packages import operations
from change_requests.packages.models import IdentifiedCopy, PackagePort, SupplierPackage
from factureya.core.models import Event, OutboxMessage
from factureya.core.refusals import FormUsed, Invalid, NotAllowed, WrongStatus
from factureya.testing.packages import WHY, Packages, Status
from factureya.testing.pages import statements

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M32")]


@pytest.fixture
def copy(scene: Packages) -> IdentifiedCopy:
    """A released copy of v3.2."""
    return scene.last_copy(scene.bring(Status.RELEASED))


@pytest.fixture
def newer(scene: Packages, copy: IdentifiedCopy) -> SupplierPackage:
    """Version v3.3, which replaces v3.2."""
    return scene.register("v3.3", replaces_pk=scene.package.pk)


def record(copy: IdentifiedCopy, package: SupplierPackage, actor: Any, outcome: str = "not_needed") -> PackagePort:
    return operations.record_port(copy_pk=copy.pk, package_pk=package.pk, outcome=outcome, notes=WHY, actor=actor)


def test_a_new_version_waits_for_its_ports(scene: Packages, copy: IdentifiedCopy, newer: SupplierPackage):
    assert operations.list_missing_ports() == [(copy, newer)]
    mails = OutboxMessage.objects.filter(kind="packages/port_needed")
    assert set(mails.values_list("to", flat=True)) == {
        person.email for person in (scene.cast.laura, scene.cast.gina, scene.cast.jorge)
    }
    assert all(copy.label in mail.body and copy.reapply_notes in mail.body for mail in mails)


def test_a_version_without_copies_waits_for_none(scene: Packages):
    scene.register("v3.3", replaces_pk=scene.package.pk)
    assert operations.list_missing_ports() == []
    assert not OutboxMessage.objects.filter(kind="packages/port_needed").exists()


def test_a_change_carries_it_and_its_release_says_so(scene: Packages, copy: IdentifiedCopy, newer: SupplierPackage):
    change = scene.bring(Status.RELEASED, package_pk=newer.pk, port_of_pk=copy.pk, title="Llevar fy.1 a la v3.3")
    port = PackagePort.objects.get()
    assert (port.copy, port.package, port.outcome, port.change) == (copy, newer, "applied", change)
    assert operations.list_missing_ports() == []
    assert Event.objects.filter(chain=newer.chain, verb="package.port_recorded").count() == 1
    assert scene.last_copy(change).label == "PAC-500-v3.3+fy.1"


def test_a_conflict_may_be_applied_later(scene: Packages, copy: IdentifiedCopy, newer: SupplierPackage):
    record(copy, newer, scene.cast.gina, "conflict")
    assert operations.list_missing_ports() == [(copy, newer)]
    with pytest.raises(WrongStatus, match="Ya se anotó"):
        record(copy, newer, scene.cast.gina, "conflict")
    scene.bring(Status.RELEASED, package_pk=newer.pk, port_of_pk=copy.pk)
    assert list(PackagePort.objects.values_list("outcome", flat=True)) == ["conflict", "applied"]
    assert operations.list_missing_ports() == []


def test_not_needed_is_final(scene: Packages, copy: IdentifiedCopy, newer: SupplierPackage):
    record(copy, newer, scene.cast.laura)
    for outcome in ("conflict", "not_needed"):
        with pytest.raises(WrongStatus):
            record(copy, newer, scene.cast.laura, outcome)
    with pytest.raises(Invalid):
        scene.ask(package_pk=newer.pk, port_of_pk=copy.pk)


def test_what_a_change_carries_is_not_said_to_be_needless(
    scene: Packages, copy: IdentifiedCopy, newer: SupplierPackage
):
    change = scene.bring(Status.TESTED, package_pk=newer.pk, port_of_pk=copy.pk)
    with pytest.raises(WrongStatus, match=change.folio):
        record(copy, newer, scene.cast.laura)
    assert record(copy, newer, scene.cast.laura, "conflict").outcome == "conflict"
    assert scene.release(change).status == "released"


def test_what_no_change_carries_any_more_may_be_needless(scene: Packages, copy: IdentifiedCopy, newer: SupplierPackage):
    change = scene.ask(package_pk=newer.pk, port_of_pk=copy.pk)
    operations.cancel_change(change.pk, reason=WHY, actor=scene.cast.laura)
    assert record(copy, newer, scene.cast.laura).outcome == "not_needed"


def test_the_queries_do_not_grow_with_the_versions(scene: Packages, copy: IdentifiedCopy, newer: SupplierPackage):
    with statements() as few:
        operations.list_missing_ports()
    for number in range(4, 9):
        newer = scene.register(f"v3.{number}", replaces_pk=newer.pk)
        other = Packages(scene.cast, name=f"PAC-{number}")
        first = other.last_copy(other.bring(Status.RELEASED))
        second = other.register("v3.3", replaces_pk=other.package.pk)
        assert operations.list_copies_to_port(second) == [first]
    with statements() as many:
        operations.list_missing_ports()
    assert len(many) == len(few)
    assert len(operations.list_missing_ports()) == 6
    assert len(operations.list_missing_ports(2)) == 2
    for waiting, package in operations.list_missing_ports():
        assert operations.list_copies_to_port(package) == [waiting]
    record(copy, newer, scene.cast.laura)
    assert (copy, newer) not in operations.list_missing_ports()


def test_a_version_that_applied_nothing_hands_it_on(scene: Packages, copy: IdentifiedCopy, newer: SupplierPackage):
    record(copy, newer, scene.cast.laura, "conflict")
    newest = scene.register("v3.4", replaces_pk=newer.pk)
    assert operations.list_missing_ports() == [(copy, newest)]
    scene.bring(Status.RELEASED, package_pk=newest.pk, port_of_pk=copy.pk)
    assert operations.list_missing_ports() == []


def test_a_reverted_copy_needs_no_port(scene: Packages, copy: IdentifiedCopy):
    scene.revert(copy.change)
    scene.register("v3.3", replaces_pk=scene.package.pk)
    assert operations.list_missing_ports() == []


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"outcome": "applied"}, Invalid),
        ({"outcome": "quizá"}, Invalid),
        ({"notes": "  "}, Invalid),
        ({"actor": "elsa"}, NotAllowed),
        ({"actor": "ana"}, NotAllowed),
        ({"package_pk": "before"}, WrongStatus),
    ],
    ids=str,
)
def test_bad_ports(
    scene: Packages, copy: IdentifiedCopy, newer: SupplierPackage, changes: dict[str, Any], error: type[Exception]
):
    given = {"copy_pk": copy.pk, "package_pk": newer.pk, "outcome": "not_needed", "notes": WHY, "actor": "laura"}
    given |= changes
    given["actor"] = getattr(scene.cast, str(given["actor"]))
    given["package_pk"] = scene.package.pk if given["package_pk"] == "before" else given["package_pk"]
    with pytest.raises(error):
        operations.record_port(**given)
    assert not PackagePort.objects.exists()


# -- Registering --------------------------------------------------------------------------------------


@pytest.mark.clause("M28")
@pytest.mark.parametrize(
    ("columns", "field"),
    [
        ({"supplier": "  "}, "supplier"),
        ({"name": ""}, "name"),
        ({"licence_text": "Sí"}, "licence_text"),
        ({"credits": 0}, "credits"),
        ({"months": 0}, "months"),
        ({"price": -1}, "price"),
        ({"valid_until": "2020-01-01"}, "valid_until"),
        ({"version": "V3.2"}, "version"),
        ({"name": "pac", "version": "500-v3.2"}, "version"),
    ],
    ids=str,
)
def test_a_package_is_whole(scene: Packages, columns: dict[str, Any], field: str):
    values = {key: date.fromisoformat(value) if key == "valid_until" else value for key, value in columns.items()}
    values = {key: Decimal(value) if key == "price" else value for key, value in values.items()}
    with pytest.raises(Invalid) as refusal:
        scene.register(**{"version": "v9", "content": "otro", **values})
    assert field in refusal.value.errors
    assert SupplierPackage.objects.count() == 1


@pytest.mark.clause("M28")
def test_the_same_original_is_registered_once(scene: Packages):
    with pytest.raises(Invalid, match="ya está guardado"):
        scene.register("v9", content="PAC-500 v3.2")


@pytest.mark.clause("M28")
def test_a_version_is_replaced_once(scene: Packages, newer: SupplierPackage):
    with pytest.raises(Invalid, match="reemplazada"):
        scene.register("v9", replaces_pk=scene.package.pk)


@pytest.mark.clause("M28")
def test_a_double_click_registers_once(scene: Packages):
    first = scene.register("v9", form_key="b" * 20)
    assert scene.register("v9", content="otro", form_key="b" * 20) == first
    with pytest.raises(FormUsed):
        scene.register("v9", content="más", form_key="b" * 20, actor=scene.cast.gina)


@pytest.mark.clause("M28")
def test_others_register_nothing(scene: Packages):
    for person in (scene.cast.elsa, scene.cast.fabian, scene.cast.ana):
        with pytest.raises(NotAllowed):
            scene.register("v9", actor=person)
