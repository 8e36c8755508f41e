"""What no raw SQL does to a change of a package: no step is left out, nobody acts twice (M28–M32), on both engines."""

from typing import Any

import pytest
from django.db import connection

from accounts.models import Office, RoleAssignment
from change_requests.packages import operations
from change_requests.packages.models import FileKind, ImpactEstimate, LicenceVerdict, MaintenanceOption, PackageChange
from factureya.core.clock import now
from factureya.testing.packages import ARGUMENTS, NEED, PDF, WHY, Packages, Status, store_file
from factureya.testing.people import give_office, make_hugo, make_staff
from factureya.testing.raw_sql import copy_statement, execute, insert, postgres_only, refused_by, sqlite_only, update

pytestmark = pytest.mark.django_db


@pytest.fixture
def cancelled(scene: Packages) -> PackageChange:
    """A change that ended as a draft, to be copied."""
    return operations.cancel_change(scene.ask().pk, reason=WHY, actor=scene.cast.laura)


def again(change: PackageChange, **columns: Any) -> None:
    """INSERT a copy as a new draft, with other columns."""
    born = {"folio": "PQ-0000-0001", "status": "draft", "ended_at": None, "ended_by_id": None, "end_reason": ""}
    insert(change, **{**born, "end_note": "", "requested_at": now(), **columns})


def fill(scene: Packages, columns: dict[str, Any]) -> dict[str, Any]:
    """Return the columns with people, instants and assignments in place of their names."""
    people = {"laura", "elsa", "ana", "gina", "jorge", "fabian"}
    filled = {name: getattr(scene.cast, v).pk if v in people else v for name, v in columns.items()}
    filled = {name: now() if value == "now" else value for name, value in filled.items()}
    if "authorization_id" in filled:
        holder = {"it_head": scene.cast.jorge, "implementer": scene.cast.gina}[filled["authorization_id"]]
        filled["authorization_id"] = RoleAssignment.objects.get(user=holder).pk
    return filled


# -- Born --------------------------------------------------------------------------------------------


@pytest.mark.clause("M28")
def test_a_whole_copy_is_let_through(cancelled: PackageChange):
    again(cancelled)
    assert PackageChange.objects.filter(status="draft").count() == 1


@pytest.mark.clause("M28")
@pytest.mark.parametrize(
    ("columns", "name"),
    [
        ({"status": "authorized"}, "package_change_born_draft|package_change_authorized_first"),
        ({"status": "rara"}, "package_change_status_is_known|package_change_born_draft"),
        (
            {"authorized_by_id": "jorge", "authorized_at": "now", "authorization_id": "it_head"},
            "package_change_born_draft|package_change_authorized_first",
        ),
        ({"released_by_id": "jorge", "released_at": "now"}, "package_change_born_draft|package_change_released_whole"),
        ({"requester_id": "ana"}, "package_change_asked_by_who_may"),
        ({"requester_id": "elsa"}, "package_change_asked_by_who_may"),
        ({"need": "   corta    "}, "package_change_has_need"),
        ({"title": "   "}, "package_change_has_need"),
        ({"end_reason": "cancelled"}, "package_change_refused_whole"),
        ({"revert_reason": WHY}, "package_change_reverted_whole"),
    ],
    ids=str,
)
def test_a_change_is_lawful_from_its_first_second(
    scene: Packages, cancelled: PackageChange, columns: dict[str, Any], name: str
):
    with refused_by(name):
        again(cancelled, **fill(scene, columns))


@pytest.mark.clause("M28")
def test_a_developer_asks_for_nothing(cancelled: PackageChange):
    for person in (make_hugo(), make_staff(Office.SUPERVISOR, is_active=False)):
        with refused_by("package_change_asked_by_who_may"):
            again(cancelled, requester_id=person.pk)


@pytest.mark.clause("M28")
def test_one_change_at_a_time(scene: Packages, cancelled: PackageChange):
    again(cancelled)
    with refused_by("one_live_change_per_package", "package_change_insert_replaces_none"):
        again(cancelled, folio="PQ-0000-0002")
    with refused_by("UNIQUE|unique|no_replace"):
        again(cancelled, package_id=scene.register("v3.3").pk)


@pytest.mark.clause("M32")
def test_a_port_carries_a_released_copy_of_an_older_version(scene: Packages):
    change = scene.bring(Status.RELEASED)
    copy = scene.last_copy(change)
    ended = operations.cancel_change(scene.ask().pk, reason=WHY, actor=scene.cast.laura)
    with refused_by("package_change_ports_an_older_copy"):
        again(ended, port_of_id=copy.pk)  # of the same version
    with refused_by("package_change_ports_an_older_copy"):
        again(ended, port_of_id=copy.pk, package_id=scene.register("v9").pk)  # it replaces none
    other = Packages(scene.cast, name="PAC-900")
    with refused_by("package_change_ports_an_older_copy"):  # registered later, and of another package
        again(ended, port_of_id=copy.pk, package_id=other.register("v2", replaces_pk=other.package.pk).pk)
    newer = scene.register("v3.3", replaces_pk=scene.package.pk)
    newest = scene.register("v3.4", replaces_pk=newer.pk)
    again(ended, port_of_id=copy.pk, package_id=newer.pk)
    update(PackageChange.objects.latest("pk"), **fill(scene, ENDED))
    again(ended, port_of_id=copy.pk, package_id=newest.pk, folio="PQ-0000-0002")


# -- The steps ---------------------------------------------------------------------------------------

EDGE = "package_change_edge_is_lawful"
AUTHORIZED = {
    "status": "authorized",
    "authorized_by_id": "jorge",
    "authorized_at": "now",
    "authorization_id": "it_head",
    "authorization_reason": WHY,
}
ENDED = {"status": "refused", "ended_by_id": "laura", "ended_at": "now", "end_reason": "cancelled", "end_note": WHY}
RELEASED = {"status": "released", "released_by_id": "jorge", "released_at": "now", "release_note": WHY}
REVERTED = {"status": "reverted", "reverted_by_id": "laura", "reverted_at": "now", "revert_reason": WHY}
ATTACKS: list[tuple[Status, dict[str, Any], str]] = [
    (Status.DRAFT, {"status": "authorized"}, "package_change_authorized_first"),
    (Status.DRAFT, {**AUTHORIZED, "authorized_by_id": "gina"}, "package_change_authorized_by_it_head"),
    (Status.DRAFT, {**AUTHORIZED, "authorization_id": "implementer"}, "package_change_authorized_by_it_head"),
    (Status.DRAFT, {**AUTHORIZED, "authorization_reason": "  Sí  "}, "package_change_authorized_first"),
    (
        Status.DRAFT,
        {**AUTHORIZED, "authorized_by_id": "laura"},
        "package_change_authorized_by_another|package_change_authorized_by_it_head",
    ),
    (Status.DRAFT, {**AUTHORIZED, "status": "licence_checked"}, f"{EDGE}|has_its_licence|authorized_by_it_head"),
    (Status.DRAFT, {**AUTHORIZED, **RELEASED}, f"{EDGE}|copy_passed|authorized_by_it_head"),
    (Status.DRAFT, {**ENDED, "end_note": ""}, "package_change_refused_whole"),
    (Status.DRAFT, {**ENDED, "end_reason": "porque"}, "package_change_refused_whole"),
    (Status.DRAFT, {**ENDED, "end_reason": "not_authorized"}, "package_change_refused_by_it_head"),
    (Status.DRAFT, {**ENDED, "end_reason": "licence"}, "package_change_ends_by_its_licence"),
    *(
        (Status.TESTED, {**ENDED, "ended_by_id": person}, "package_change_cancelled_by_who_may")
        for person in ("ana", "elsa", "gina")
    ),
    (Status.DRAFT, {"title": "Otra cosa distinta"}, "package_change_facts_stay"),
    (Status.DRAFT, {"need": NEED + " Ya."}, "package_change_facts_stay"),
    (Status.DRAFT, {"requester_id": "gina"}, "package_change_facts_stay"),
    (Status.DRAFT, {"folio": "PQ-0000-0009"}, "package_change_facts_stay"),
    (Status.AUTHORIZED, {"status": "draft"}, "package_change_edge_is_lawful|package_change_authorized_first"),
    (Status.AUTHORIZED, {"status": "licence_checked"}, "package_change_has_its_licence"),
    (Status.AUTHORIZED, {"authorized_by_id": "elsa"}, "package_change_decided_stays"),
    (Status.AUTHORIZED, {"authorized_at": "now"}, "package_change_decided_stays"),
    (Status.AUTHORIZED, {"authorization_reason": WHY + " Ya."}, "package_change_decided_stays"),
    (Status.AUTHORIZED, {"status": "option_chosen"}, f"{EDGE}|has_three_options"),
    (Status.LICENCE_CHECKED, {"status": "option_chosen"}, "package_change_has_three_options"),
    (Status.LICENCE_CHECKED, {"status": "copied"}, f"{EDGE}|has_its_copy"),
    (Status.IMPACT_WEIGHED, {"status": "option_chosen"}, EDGE),
    (Status.TESTED, {"status": "licence_checked"}, EDGE),
    (Status.LICENCE_CHECKED, {"status": "impact_weighed"}, EDGE),
    (Status.OPTION_CHOSEN, {"status": "impact_weighed"}, "package_change_has_its_impact"),
    (Status.IMPACT_WEIGHED, {"status": "copied"}, "package_change_has_its_copy"),
    (Status.COPIED, {"status": "tested"}, "package_change_copy_passed"),
    (Status.COPIED, {"status": "impact_weighed"}, "package_change_copy_failed"),
    (Status.COPIED, RELEASED, "package_change_edge_is_lawful|package_change_copy_passed"),
    (Status.TESTED, {"status": "released"}, "package_change_released_whole|package_change_released_by_another"),
    (Status.TESTED, {**RELEASED, "released_by_id": "gina"}, "package_change_released_by_another"),
    (Status.TESTED, {**RELEASED, "released_by_id": "laura"}, "package_change_released_by_another"),
    (Status.RELEASED, {"release_note": WHY + " Ya."}, "package_change_decided_stays"),
    (Status.RELEASED, {"released_by_id": "elsa"}, "package_change_decided_stays"),
    (Status.RELEASED, {"status": "tested"}, "package_change_edge_is_lawful|package_change_released_whole"),
    (Status.RELEASED, ENDED, "package_change_edge_is_lawful|package_change_released_whole"),
    (Status.RELEASED, {**REVERTED, "revert_reason": "No"}, "package_change_reverted_(whole|after_its_copy)"),
    (Status.RELEASED, {**REVERTED, "reverted_by_id": "elsa"}, "package_change_reverted_(by_who_may|after_its_copy)"),
    (Status.RELEASED, REVERTED, "package_change_reverted_after_its_copy"),
    (Status.REVERTED, {"status": "released"}, "package_change_edge_is_lawful|package_change_reverted_whole"),
    (Status.REVERTED, {"revert_reason": WHY + " Ya."}, "package_change_decided_stays"),
]


@pytest.mark.clause("M28", "M29", "M30", "M31", "M32")
@pytest.mark.parametrize(("status", "columns", "name"), ATTACKS, ids=str)
def test_no_step_is_left_out(scene: Packages, status: Status, columns: dict[str, Any], name: str):
    change = scene.bring(status)
    with refused_by(name):
        update(change, **fill(scene, columns))


@pytest.mark.clause("M28")
def test_an_authorization_of_another_is_let_through(scene: Packages):
    update(scene.ask(), **fill(scene, AUTHORIZED))


@pytest.mark.clause("M28")
def test_who_asks_authorizes_in_no_way(scene: Packages):
    give_office(scene.cast.laura, Office.IT_HEAD)
    change = scene.ask()
    office = RoleAssignment.objects.get(user=scene.cast.laura, office=Office.IT_HEAD).pk
    values = fill(scene, {**AUTHORIZED, "authorized_by_id": "laura"})
    with refused_by("package_change_authorized_by_another"):
        update(change, **{**values, "authorization_id": office})


@pytest.mark.clause("M29")
def test_forbidden_goes_no_further(scene: Packages):
    change = scene.judge(scene.bring(Status.AUTHORIZED), "forbidden")
    with refused_by(EDGE, "package_change_refused_whole", "package_change_has_its_licence", "decided_stays"):
        update(change, status="licence_checked", ended_by_id=None, ended_at=None, end_reason="", end_note="")
    with refused_by("package_change_refused_whole", "package_change_edge_is_lawful"):
        update(change, status="authorized")


@pytest.mark.clause("M29")
def test_who_judged_the_licence_ends_the_change(scene: Packages):
    change = scene.bring(Status.AUTHORIZED)
    document = store_file(scene, change, FileKind.LICENCE, PDF)
    LicenceVerdict.objects.create(
        change=change, verdict="forbidden", clause="7", analysis=NEED, document=document, judged_by=scene.cast.laura
    )
    for person in ("gina", "jorge", "elsa"):
        with refused_by("package_change_ends_by_its_licence"):
            update(change, **fill(scene, {**ENDED, "end_reason": "licence", "ended_by_id": person}))
    update(change, **fill(scene, {**ENDED, "end_reason": "licence"}))


@pytest.mark.clause("M28")
@pytest.mark.parametrize("name", ["laura", "jorge"])
def test_who_asked_and_the_head_of_it_cancel(scene: Packages, name: str):
    update(scene.ask(), **fill(scene, {**ENDED, "ended_by_id": name}))


@pytest.mark.clause("M29")
def test_without_the_consent_it_goes_no_further(scene: Packages):
    change = scene.judge(scene.bring(Status.AUTHORIZED), "needs_consent")
    with refused_by("package_change_has_its_licence"):
        update(change, status="licence_checked")
    with refused_by("package_change_ends_by_its_licence"):
        update(change, **fill(scene, {**ENDED, "end_reason": "licence"}))


@pytest.mark.clause("M30")
@pytest.mark.parametrize("count", [1, 2])
def test_one_or_two_argued_options_are_too_few(scene: Packages, count: int):
    change = scene.bring(Status.LICENCE_CHECKED)
    for who in ("own", "supplier")[:count]:
        MaintenanceOption.objects.create(
            change=change,
            who=who,
            in_favour=ARGUMENTS[who][0],
            against=ARGUMENTS[who][1],
            chosen=who == "own",
            reason=WHY if who == "own" else "",
            argued_by=scene.cast.jorge,
        )
    with refused_by("package_change_has_three_options"):
        update(change, status="option_chosen")


@pytest.mark.clause("M31")
def test_an_unsigned_impact_is_none(scene: Packages):
    change = scene.bring(Status.OPTION_CHOSEN)
    ImpactEstimate.objects.create(
        change=change,
        is_own=True,
        hours=1,
        cost=1,
        risk=WHY,
        loses_support=True,
        support=WHY,
        estimated_by=scene.cast.gina,
    )
    with refused_by("package_change_has_its_impact"):
        update(change, status="impact_weighed")


# -- Never gone ---------------------------------------------------------------------------------------

TABLES = (
    *("packagechange", "supplierpackage", "packagefile", "packagefilecheck", "licenceverdict", "maintenanceoption"),
    *("impactestimate", "identifiedcopy", "packageport"),
)


@pytest.fixture
def everything_there(scene: Packages) -> PackageChange:
    """A row in every table."""
    change = scene.bring(Status.RELEASED)
    newer = scene.register("v3.3", replaces_pk=scene.package.pk)
    operations.record_port(
        copy_pk=scene.last_copy(change).pk, package_pk=newer.pk, outcome="not_needed", notes=WHY, actor=scene.cast.laura
    )
    operations.compare_files()
    return change


@pytest.mark.clause("M32")
@pytest.mark.parametrize("table", TABLES)
def test_no_row_is_deleted(everything_there: PackageChange, table: str):
    with refused_by(f"change_requests_{table}_no_delete"):
        execute(f"DELETE FROM change_requests_{table}")


@postgres_only
@pytest.mark.clause("M32")
@pytest.mark.parametrize("table", TABLES)
def test_no_table_is_emptied(everything_there: PackageChange, table: str):
    connection.check_constraints()  # PostgreSQL truncates no table while a deferred check is pending
    with refused_by("change_requests_[a-z]*_no_truncate"):
        execute(f"TRUNCATE change_requests_{table} CASCADE")


@sqlite_only
@pytest.mark.clause("M32")
@pytest.mark.parametrize("model", [PackageChange, LicenceVerdict, MaintenanceOption, ImpactEstimate])
def test_no_row_is_replaced(everything_there: PackageChange, model: Any):
    row = model.objects.first()
    sql, params = copy_statement(model, row.pk, "INSERT OR REPLACE", id=row.pk)
    with refused_by(f"{model._meta.db_table}_no_replace", "option_insert_replaces_none"):
        execute(sql, *params)


@sqlite_only
@pytest.mark.clause("M28")
def test_a_live_change_replaces_none(scene: Packages):
    first = scene.ask()
    sql, params = copy_statement(PackageChange, first.pk, "INSERT OR REPLACE", folio="PQ-0000-0001", form_key=None)
    with refused_by("package_change_insert_replaces_none"):
        execute(sql, *params)
    other = scene.ask(package_pk=scene.register("v9").pk)
    with refused_by("package_change_update_replaces_none", "package_change_facts_stay"):
        execute(
            "UPDATE OR REPLACE change_requests_packagechange SET package_id = %s WHERE id = %s",
            scene.package.pk,
            other.pk,
        )
