"""Who carries a request out, when, and under which waiver (M24, M25); the steps of a request. By ORM and raw SQL."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from accounts.models import Office, Representative, RoleAssignment, User
from change_requests.models import Execution, FormalRequest
from factureya.core.clock import now
from factureya.testing.people import (
    give_office,
    make_contact,
    make_customer,
    make_representative,
    make_staff,
    make_superuser,
    own_assets,
    represent,
)
from factureya.testing.raw_sql import (
    copy_statement,
    execute,
    execute_bare,
    insert,
    named,
    postgres_only,
    refused_by,
    sqlite_only,
    update,
)
from factureya.testing.requests import REASON, Status, attempt, carry_out, decide, designate, make_request, waive

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M24")]


@pytest.fixture
def formal() -> FormalRequest:
    """A request in approval."""
    return make_request(Status.IN_APPROVAL)


@pytest.fixture
def approved() -> FormalRequest:
    """An approved one, with its implementer."""
    return make_request(Status.APPROVED)


# -- Who is designated -------------------------------------------------------------------------------


def test_who_asks_does_not_implement(formal: FormalRequest):
    give_office(formal.requester, Office.IMPLEMENTER)
    with refused_by("implementer_is_not_requester"):
        designate(formal, formal.requester)


def test_who_decided_does_not_implement(formal: FormalRequest):
    elsa = make_staff(Office.SECURITY_OFFICER)
    give_office(elsa, Office.IMPLEMENTER)
    decide(formal, elsa, "security")
    with refused_by("request_implementer_is_no_decider"):
        designate(formal, elsa)


@pytest.mark.parametrize("office", [Office.DEVELOPER, Office.SUPERVISOR, Office.IT_HEAD])
def test_the_implementer_holds_the_office(formal: FormalRequest, office: str):
    names = ("request_implementer_holds_office", "request_implementer_is_no_developer")
    with refused_by(*names):
        designate(formal, make_staff(office))


def test_the_implementer_is_not_of_development(formal: FormalRequest):
    gina = make_staff(Office.IMPLEMENTER)
    give_office(gina, Office.DEVELOPER)
    with refused_by("request_implementer_is_no_developer"):
        designate(formal, gina)


@pytest.mark.parametrize("why", ["ended", "to come", "disabled"])
def test_the_implementer_is_in_force(formal: FormalRequest, why: str):
    gina = make_staff(Office.IMPLEMENTER)
    held = RoleAssignment.objects.filter(user=gina)
    {
        "ended": lambda: held.update(ends_at=now()),
        "to come": lambda: held.update(starts_at=now() + timedelta(hours=1)),
        "disabled": lambda: User.objects.filter(pk=gina.pk).update(is_active=False),
    }[why]()
    with refused_by("request_implementer_holds_office"):
        designate(formal, gina)


def test_security_designates(formal: FormalRequest):
    with refused_by("request_implementer_by_security"):
        designate(formal, designated_by=own_assets())
    gina = make_staff(Office.IMPLEMENTER)
    give_office(gina, Office.SECURITY_OFFICER)
    with refused_by("implementer_was_designated_by_another"):
        designate(formal, gina, designated_by=gina)


@pytest.mark.parametrize("status", ["draft", "submitted", "verifying"])
def test_nobody_is_designated_before_approval(status: str):
    with refused_by("request_implementer_in_time"):
        designate(make_request(status))


def test_nobody_is_designated_afterwards(approved: FormalRequest):
    carry_out(approved)
    with refused_by("request_implementer_in_time"):
        designate(approved)


def test_the_designation_may_change_until_the_execution(approved: FormalRequest):
    other = designate(approved)
    approved.refresh_from_db()
    assert approved.implementer == other
    attempt(approved)


# -- The waiver --------------------------------------------------------------------------------------


@pytest.mark.clause("M25")
def test_with_a_waiver_development_implements(formal: FormalRequest):
    hugo = make_staff(Office.DEVELOPER)
    waiver = waive(formal, hugo)
    with refused_by("request_implementer_"):
        designate(formal, hugo)
    designate(formal, hugo, waiver=waiver)
    with refused_by("request_implementer_"):
        update(formal, waiver_id=None)


@pytest.mark.clause("M25")
def test_a_waiver_is_for_one_person_and_request(formal: FormalRequest):
    hugo, igor = make_staff(Office.DEVELOPER), make_staff(Office.DEVELOPER)
    with refused_by("request_implementer_"):
        designate(formal, igor, waiver=waive(formal, hugo))
    other = waive(make_request(Status.IN_APPROVAL), hugo)
    with refused_by("request_implementer_"):
        designate(formal, hugo, waiver=other)


@pytest.mark.clause("M25")
@pytest.mark.parametrize(
    ("columns", "name"),
    [
        ({"reason": "Porque sí, y no hay más." + " " * 50}, "waiver_has_reason"),
        ({"controls": "ninguno"}, "waiver_has_controls"),
        ({"checked_at": now()}, "waiver_by_security|waiver_checked_whole"),
    ],
    ids=named,
)
def test_a_waiver_is_whole(formal: FormalRequest, columns: dict[str, Any], name: str):
    with refused_by(name):
        waive(formal, make_staff(Office.DEVELOPER), **columns)


@pytest.mark.clause("M25")
def test_a_waiver_is_approved_and_checked_by_others(formal: FormalRequest):
    hugo = make_staff(Office.DEVELOPER)
    with refused_by("waiver_not_checked_by_implementer"):
        waive(formal, hugo, checker=hugo)
    with refused_by("waiver_by_security"):
        waive(formal, hugo, approved_by=make_staff(Office.IT_HEAD))
    give_office(hugo, Office.SECURITY_OFFICER)
    with refused_by("waiver_not_approved_by_implementer"):
        waive(formal, hugo, approved_by=hugo)
    elsa = make_staff(Office.SECURITY_OFFICER)
    RoleAssignment.objects.filter(user=elsa).update(ends_at=now())
    with refused_by("waiver_by_security"):
        waive(formal, hugo, approved_by=elsa)


@pytest.mark.clause("M25")
def test_a_waiver_is_checked_once(approved: FormalRequest):
    waiver = waive(approved, make_staff(Office.DEVELOPER))
    execution = attempt(approved)
    update(waiver, check_due=now() + timedelta(1))
    for change in ({"check_due": now() + timedelta(2)}, {"reason": REASON * 3}, {"checker_id": make_staff().pk}):
        with refused_by("waiver_never_changes"):
            update(waiver, **change)
    with refused_by("waiver_checked_whole"):
        update(waiver, checked_at=execution.at + timedelta(seconds=1), conform=True)
    update(waiver, checked_at=execution.at + timedelta(seconds=1), conform=True, findings="Sin novedad.")
    with refused_by("waiver_never_changes"):
        update(waiver, conform=False)
    with refused_by("waiver_no_delete"):
        execute("DELETE FROM change_requests_waiver")


# -- The execution -----------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["submitted", "verifying", "in_approval"])
@pytest.mark.parametrize("result", ["ok", "drift"])
def test_only_what_is_approved_is_executed(status: str, result: str):
    formal = make_request(status)
    if status == "in_approval":
        designate(formal)
    formal.implementer = formal.implementer or make_staff(Office.IMPLEMENTER)
    with refused_by("execution_"):
        attempt(formal, result)


def test_what_went_back_to_approval_is_not_executed(approved: FormalRequest):
    update(approved, status="in_approval")
    with refused_by("execution_of_the_approved_content"):
        attempt(approved)


def test_the_content_is_the_approved_one(approved: FormalRequest):
    for change in ({"sha256": "0" * 64}, {"revision_no": 2}):
        with refused_by("execution_of_the_approved_content"):
            attempt(approved, **change)


def test_a_suspended_request_is_not_executed(approved: FormalRequest):
    update(approved, suspended_at=now())
    with refused_by("execution_of_the_approved_content"):
        attempt(approved)


def test_only_the_designated_executes(approved: FormalRequest):
    with refused_by("execution_by_its_implementer"):
        attempt(approved, executor=make_staff(Office.IMPLEMENTER))


@pytest.mark.parametrize("why", ["developer", "ended", "disabled"])
def test_the_office_is_asked_again(approved: FormalRequest, why: str):
    gina = approved.implementer
    assert gina is not None
    {
        "developer": lambda: give_office(gina, Office.DEVELOPER),
        "ended": lambda: RoleAssignment.objects.filter(user=gina).update(ends_at=now()),
        "disabled": lambda: User.objects.filter(pk=gina.pk).update(is_active=False),
    }[why]()
    with refused_by("execution_not_by_developer", "execution_by_office_in_force"):
        attempt(approved)


def test_an_execution_with_a_waiver():
    formal = make_request(Status.APPROVED)
    hugo = make_staff(Office.DEVELOPER)
    designate(formal, hugo, waiver=waive(formal, hugo))
    carry_out(formal)


@pytest.mark.parametrize("office", ["owner", "security"])
@pytest.mark.parametrize("why", ["ended", "disabled"])
@pytest.mark.clause("M21")
def test_who_approved_still_holds_the_office(approved: FormalRequest, office: str, why: str):
    decider = approved.decisions.get(office=office).decider
    if why == "ended":
        RoleAssignment.objects.filter(user=decider).update(ends_at=now())
    else:
        User.objects.filter(pk=decider.pk).update(is_active=False)
    with refused_by("execution_with_deciders_in_office"):
        attempt(approved)
    attempt(approved, "drift")


@pytest.mark.clause("M8")
def test_powers_are_asked_again(approved: FormalRequest):
    with refused_by("execution_with_powers_in_force"):
        User.objects.filter(pk=approved.requester_id).update(is_active=False)
        attempt(approved)


@pytest.mark.clause("M8")
@pytest.mark.time_machine("2026-11-24 18:00:00+00:00", tick=False)
@pytest.mark.parametrize(
    ("valid_until", "at", "refused"),
    [
        ("2026-11-24", "2026-11-25 05:59:59+00:00", False),  # the last second of that day in Mexico
        ("2026-11-24", "2026-11-25 06:00:00+00:00", True),
        (None, "2026-11-25 06:00:00+00:00", False),
    ],
)
def test_powers_end_with_their_day(valid_until: str | None, at: str, refused: bool):
    approved = request_of_powers_until(valid_until)
    if refused:
        with refused_by("execution_with_powers_in_force"):
            attempt(approved, at=at)
    else:
        attempt(approved, at=at)


def request_of_powers_until(valid_until: str | None) -> FormalRequest:
    """An approved request of a representative whose powers end."""
    customer = make_customer(verified=False)
    ana = make_contact(customer, representative=True)
    represent(customer, ana, valid_until=valid_until)
    update(customer, verified_at=now(), verified_by_id=make_superuser().pk)
    return make_request(Status.APPROVED, requester=User.objects.get(pk=ana.pk))


@pytest.mark.time_machine("2026-11-24 18:00:00+00:00", tick=False)
def test_the_freeze_holds_to_the_second():
    approved = make_request(Status.APPROVED, freeze=timedelta(hours=72))
    with refused_by("request_window_is_fixed"):
        update(approved, execute_after=now())
    for early in (timedelta(0), timedelta(hours=71, minutes=59, seconds=59)):
        with refused_by("execution_inside_its_window"):
            attempt(approved, at=now() + early)
    with refused_by("request_executed_inside_its_window", "request_executed_by_execution"):
        update(approved, status="executed", executed_at=now() + timedelta(hours=71))
    attempt(approved, at=now() + timedelta(hours=72))


@pytest.mark.time_machine("2026-11-24 18:00:00+00:00", tick=False)
def test_an_approval_goes_stale(approved: FormalRequest):
    last = approved.execute_before
    assert last is not None
    with refused_by("execution_inside_its_window"):
        attempt(approved, at=last)
    attempt(approved, at=last - timedelta(seconds=1))


@pytest.mark.parametrize("column", ["approved_at", "execute_after", "execute_before"])
def test_the_window_is_fixed_when_it_is_approved(approved: FormalRequest, column: str):
    with refused_by("request_window_is_fixed"):
        update(approved, **{column: now() + timedelta(days=30)})


def test_who_resumes_gives_back_the_time(approved: FormalRequest):
    stop = now()
    update(approved, suspended_at=stop)
    with refused_by("request_window_is_fixed"):
        update(approved, execute_before=now() + timedelta(days=30))
    elsa = make_staff(Office.SECURITY_OFFICER)
    resumed = {"suspended_at": None, "resumed_at": now(), "resumed_by_id": elsa.pk}
    assert approved.execute_before is not None
    with refused_by("request_window_grows_by_the_stop"):
        update(approved, **resumed, execute_before=now() + timedelta(days=400))
    update(approved, **resumed, execute_before=approved.execute_before + timedelta(days=2))


def test_once(approved: FormalRequest):
    attempt(approved)
    with refused_by("executed_once", "execution_replaces_none"):
        attempt(approved)


def test_an_execution_is_for_ever(approved: FormalRequest):
    execution = attempt(approved)
    for change in ({"result": "drift"}, {"before": "{}"}, {"at": now()}):
        with refused_by("change_requests_execution_no_update"):
            update(execution, **change)
    with refused_by("change_requests_execution_no_delete"):
        Execution.objects.filter(pk=execution.pk)._raw_delete("default")


@sqlite_only
@pytest.mark.parametrize("run", [execute, execute_bare], ids=["django", "bare"])
def test_an_execution_is_not_replaced(approved: FormalRequest, run: Callable[..., None]):
    execution = attempt(approved)
    for keys in ({"id": execution.pk}, {}):
        sql, params = copy_statement(Execution, execution.pk, "REPLACE", **keys)
        with refused_by("change_requests_execution_no_replace", "execution_replaces_none"):
            run(sql, *params)


@postgres_only
def test_executions_are_not_truncated(approved: FormalRequest):
    with refused_by("_no_truncate"):
        execute("TRUNCATE change_requests_execution")


# -- The steps of a request --------------------------------------------------------------------------


def in_status(status: str) -> FormalRequest:
    """A request brought to any status."""
    before = {
        "returned": "verifying",
        "rejected": "in_approval",
        "cancelled": "submitted",
        "expired": "approved",
        "executed": "approved",
        "closed": "approved",
        "reverted": "approved",
        "failed": "approved",
    }.get(status, status)
    formal = make_request(before)
    if status in ("executed", "closed", "reverted"):
        carry_out(formal)
    if status == "failed":
        attempt(formal, "drift")
    if status not in ("executed", before):
        update(formal, status=status, closed_at=now())
    formal.refresh_from_db()
    assert formal.status == status
    return formal


@pytest.mark.clause("M19", "M21")
@pytest.mark.parametrize("before", list(Status))
def test_there_is_no_other_way(before: str):
    formal = in_status(before)
    others = set(Status) - set(FormalRequest.EDGES.get(Status(before), ())) - {before}
    for after in sorted(others):
        with refused_by("request_status_edges", "request_.*", "executed_request_has_instant"):
            update(formal, status=after)
        with refused_by("request_status_edges", "request_.*", "executed_request_has_instant"):
            FormalRequest.objects.filter(pk=formal.pk).update(status=after)


@pytest.mark.parametrize(
    ("status", "columns", "name"),
    [
        ("draft", {"status": "submitted", "submitted_at": now()}, "submitted_request_has_revision"),
        ("submitted", {"status": "verifying"}, "verifying_request_was_confirmed"),
        ("verifying", {"status": "in_approval"}, "request_in_approval_was_verified|request_verified_by_supervisor"),
        ("approved", {"status": "executed", "executed_at": now()}, "request_executed_by_execution"),
        ("approved", {"status": "executed"}, "request_executed_by_execution|executed_request_has_instant"),
        ("approved", {"status": "failed"}, "request_executed_by_execution"),
        ("approved", {"execute_before": None}, "approved_request_has_instants|request_window_is_fixed"),
        ("approved", {"executed_at": now()}, "executed_request_has_instant"),
        ("draft", {"status": "lost"}, "request_status_is_known|request_status_edges"),
        ("draft", {"kind": "clave"}, "request_identity_never_changes|request_form_has_its_kinds"),
        ("verifying", {"confirmed_at": now()}, "request_confirmed_anew"),
        ("draft", {"confirmed_at": now()}, "request_confirmed_anew|request_confirmed_from_its_mailbox"),
        ("draft", {"revision_no": 1}, "request_revision_steps"),
        ("verifying", {"revision_no": 2}, "request_revision_steps"),
        ("verifying", {"revision_no": 0}, "request_revision_steps"),
    ],
    ids=named,
)
@pytest.mark.clause("M8", "M19")
def test_each_step_has_what_it_needs(status: str, columns: dict[str, Any], name: str):
    formal = make_request(status)
    with refused_by(name):
        update(formal, **columns)


@pytest.mark.clause("M7", "M8")
def test_mesa_de_control_verifies():
    formal = make_request(Status.VERIFYING)
    for office in (Office.AGENT, Office.SECURITY_OFFICER):
        other = make_staff(office)
        with refused_by("request_verified_by_supervisor"):
            update(formal, status="in_approval", verified_at=now(), verified_by_id=other.pk)


@pytest.mark.clause("M8")
def test_who_asked_does_not_verify():
    formal = make_request(Status.VERIFYING)
    with refused_by("verifier_is_not_requester"):
        update(formal, verified_by_id=formal.requester_id)


@pytest.mark.clause("M8")
def test_each_submission_is_confirmed_anew():
    formal = in_status("returned")
    with refused_by("request_confirmed_anew"):
        update(formal, status="submitted")
    update(formal, status="submitted", confirmed_at=None)


@pytest.mark.parametrize(
    "columns",
    [
        {"folio": "SC-0000-0000"},
        {"form": "access"},
        {"customer_id": 987654},
        {"requester_id": 987654},
        {"representative_id": 987654},
        {"revert_of_id": 987654},
        {"id": 999},
        {"created_at": now()},
        {"form_key": "x"},
    ],
    ids=named,
)
@pytest.mark.clause("M19")
def test_a_request_stays_the_same(columns: dict[str, Any]):
    formal = make_request()
    with refused_by("request_identity_never_changes"):
        update(formal, **columns)
    with refused_by("request_no_delete"):
        execute("DELETE FROM change_requests_formalrequest WHERE id = %s", formal.pk)


@pytest.mark.clause("M19")
@pytest.mark.parametrize("columns", [{"status": "approved"}, {"revision_no": 1}], ids=named)
def test_a_request_is_born_a_draft(columns: dict[str, Any]):
    formal = make_request()
    with refused_by("request_born_draft"):
        insert(formal, folio="SC-0000-0000", **columns)


@pytest.mark.clause("M8")
def test_only_a_representative_asks():
    formal = make_request()
    beto = make_contact(formal.customer)
    stranger = Representative.objects.get(user=make_representative())
    for columns in ({"requester_id": beto.pk}, {"representative_id": stranger.pk}):
        with refused_by("request_names_its_representative"):
            insert(formal, folio="SC-0000-0000", **columns)


@sqlite_only
@pytest.mark.clause("M19")
@pytest.mark.parametrize("run", [execute, execute_bare], ids=["django", "bare"])
@pytest.mark.parametrize("key", ["id", "folio", "form_key"])
def test_a_request_is_not_replaced(key: str, run: Callable[..., None]):
    formal = make_request(form_key="clave")
    columns = {"folio": "SC-0000-0000", "form_key": None, key: getattr(formal, key)}
    sql, params = copy_statement(FormalRequest, formal.pk, "REPLACE", **columns)
    with refused_by("change_requests_formalrequest_no_replace"):
        run(sql, *params)
