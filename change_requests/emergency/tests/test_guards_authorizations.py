"""What no raw SQL does to an authorization: two officers in office, who are nobody else (M23), on both engines."""

from datetime import timedelta
from typing import Any

import pytest

from accounts.models import Office, RoleAssignment
from change_requests.emergency import operations
from change_requests.emergency.models import EmergencyGrant, GrantAuthorization
from factureya.core.clock import now
from factureya.testing.emergencies import WHY, Emergency, end_offices
from factureya.testing.people import give_office, make_staff
from factureya.testing.raw_sql import copy_statement, execute, execute_bare, insert, refused_by, sqlite_only, update

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M23")]


@pytest.fixture
def decision(scene: Emergency) -> GrantAuthorization:
    """Elsa's authorization, of two."""
    grant = scene.request()
    operations.authorize_grant(grant.pk, actor=scene.cast.elsa, reason=WHY)
    return grant.authorizations.get()


def decide(decision: GrantAuthorization, person: Any, office: str = "information_owner", **columns: Any) -> None:
    """INSERT another authorization of the same emergency, by the person's own office if he has it."""
    assignment = RoleAssignment.objects.filter(user=person, office=office).first()
    values = {
        "slot": "owner_or_it_head",
        "office": office,
        "authorizer_id": person.pk,
        "assignment_id": assignment.pk if assignment else decision.assignment_id,
        "decided_at": now(),
    }
    insert(decision, **{**values, **columns})


def test_a_lawful_second_authorization_is_let_through(scene: Emergency, decision: GrantAuthorization):
    decide(decision, scene.cast.fabian)
    assert GrantAuthorization.objects.count() == 2


@pytest.mark.parametrize(
    ("columns", "name"),
    [
        ({"minutes": 61}, "authorization_within_what_was_asked"),
        ({"minutes": 59}, "authorization_within_what_was_asked"),
        ({"verdict": "less"}, "authorization_within_what_was_asked"),
        ({"minutes": 0}, "authorization_verdict_is_known|authorization_within_what_was_asked"),
        ({"verdict": "refuse"}, "authorization_verdict_is_known"),
        ({"verdict": "quizás"}, "authorization_verdict_is_known"),
        ({"reason": "   sí   "}, "authorization_has_reason"),
        ({"slot": "security"}, "authorization_office_fits_its_slot|one_authorization_per_slot|no_replace"),
        ({"decided_at": -1}, "authorization_of_an_open_question|authorization_by_office"),
        ({"decided_at": 1}, "authorization_of_an_open_question"),
    ],
    ids=str,
)
def test_an_authorization_is_whole(scene: Emergency, decision: GrantAuthorization, columns: dict[str, Any], name: str):
    if "decided_at" in columns:
        columns = {"decided_at": now() + timedelta(days=columns["decided_at"])}
    with refused_by(name):
        decide(decision, scene.cast.fabian, **columns)


def test_who_may_not_authorize(scene: Emergency, decision: GrantAuthorization):
    cast = scene.cast
    with refused_by("authorization_by_office_in_force", "authorization_by_two_people", "not_by_custodian"):
        decide(decision, cast.laura)
    with refused_by("authorization_by_office_in_force"):
        decide(decision, make_staff(Office.INFORMATION_OWNER, is_active=False))
    with refused_by("authorization_by_office_in_force"):  # by the office of another, without delegation
        decide(decision, make_staff(), assignment_id=RoleAssignment.objects.get(user=cast.fabian).pk)
    give_office(cast.gina, Office.INFORMATION_OWNER)
    with refused_by("authorization_not_by_operator"):
        decide(decision, cast.gina)
    with refused_by("authorization_not_by_custodian"):
        decide(decision, cast.jorge, Office.IT_HEAD)
    give_office(cast.elsa, Office.INFORMATION_OWNER)
    with refused_by("authorization_by_two_people", "one_authorization_per_person", "no_replace"):
        decide(decision, cast.elsa)
    end_offices(cast.fabian)
    with refused_by("authorization_by_office_in_force"):
        decide(decision, cast.fabian)


def test_a_delegation_authorizes_between_its_dates_and_for_its_office(scene: Emergency, decision: GrantAuthorization):
    cast, dora = scene.cast, make_staff(Office.SUPERVISOR)
    delegation = operations.delegate_office(
        office=Office.INFORMATION_OWNER,
        absent=cast.fabian,
        alternate=dora,
        starts_at=now() + timedelta(days=1),
        ends_at=now() + timedelta(days=2),
        reason="Está de vacaciones.",
        actor=cast.fabian,
    )
    by_fabian = {"assignment_id": RoleAssignment.objects.get(user=cast.fabian).pk, "delegation_id": delegation.pk}
    with refused_by("authorization_by_office_in_force"):  # not begun
        decide(decision, dora, **by_fabian)
    with refused_by("authorization_by_office_in_force"):  # another's
        decide(decision, make_staff(Office.SUPERVISOR), **by_fabian)
    lawful = operations.delegate_office(
        office=Office.INFORMATION_OWNER,
        absent=cast.fabian,
        alternate=dora,
        starts_at=now(),
        ends_at=now() + timedelta(days=2),
        reason="Está de vacaciones.",
        actor=cast.fabian,
    )
    decide(decision, dora, **{**by_fabian, "delegation_id": lawful.pk})


@pytest.mark.parametrize("named_by", ["elsa", "gina"])
def test_no_alternate_is_chosen_by_the_other_authorizer_or_the_operator(
    scene: Emergency, decision: GrantAuthorization, named_by: str
):
    cast, crony = scene.cast, make_staff(Office.SUPERVISOR)
    give_office(cast.gina, Office.SECURITY_OFFICER)
    by_fabian: dict[str, Any] = {"assignment_id": RoleAssignment.objects.get(user=cast.fabian).pk}
    terms: dict[str, Any] = {
        "office": Office.INFORMATION_OWNER,
        "absent": cast.fabian,
        "alternate": crony,
        "starts_at": now(),
        "ends_at": now() + timedelta(days=2),
        "reason": "Está de vacaciones.",
    }
    chosen = operations.delegate_office(**terms, actor=getattr(cast, named_by))
    with refused_by("authorization_by_two_people" if named_by == "elsa" else "authorization_not_by_operator"):
        decide(decision, crony, **by_fabian, delegation_id=chosen.pk)
    lawful = operations.delegate_office(**terms, actor=cast.fabian)
    decide(decision, crony, **by_fabian, delegation_id=lawful.pk)


def test_who_named_the_first_alternate_does_not_decide_second(scene: Emergency):
    cast, crony, grant = scene.cast, make_staff(Office.SUPERVISOR), scene.request()
    operations.delegate_office(
        office=Office.INFORMATION_OWNER,
        absent=cast.fabian,
        alternate=crony,
        starts_at=now(),
        ends_at=now() + timedelta(days=2),
        reason="Está de vacaciones.",
        actor=cast.elsa,
    )
    first = operations.authorize_grant(grant.pk, actor=crony, reason=WHY).authorizations.get()
    with refused_by("authorization_by_two_people"):
        decide(first, cast.elsa, Office.SECURITY_OFFICER, slot="security", delegation_id=None)


def test_nobody_decides_what_is_no_question_any_more(scene: Emergency, decision: GrantAuthorization):
    operations.revoke_grant(decision.grant_id, actor=scene.cast.gina, reason="Ya no hace falta.")
    with refused_by("authorization_of_an_open_question"):
        decide(decision, make_staff(Office.IT_HEAD), Office.IT_HEAD)


def test_authorizations_and_emergencies_stay(scene: Emergency, decision: GrantAuthorization):
    with refused_by("change_requests_grantauthorization_no_update"):
        update(decision, minutes=1)
    for model in (GrantAuthorization, EmergencyGrant):
        table = model._meta.db_table
        with refused_by(f"{table}_no_delete"):
            execute(f"DELETE FROM {table}")


@sqlite_only
@pytest.mark.parametrize("run", [execute, execute_bare], ids=["django", "bare"])
def test_nothing_is_replaced(scene: Emergency, decision: GrantAuthorization, run: Any):
    for row in (decision, decision.grant):
        sql, params = copy_statement(type(row), row.pk, "INSERT OR REPLACE", id=row.pk)
        with refused_by("_no_replace", "authorization_by_two_people"):
            run(sql, *params)
    sql, params = copy_statement(EmergencyGrant, decision.grant_id, "INSERT OR REPLACE", folio="EM-0000-0009")
    with refused_by("grant_insert_replaces_none", "one_live_grant_per_account"):
        run(sql, *params)
