"""Whoever checks a waiver took no part in its request: in the list, in the operations and in the database (M25)."""

from typing import Any

import pytest

from accounts.models import Office, User
from change_requests import operations, policy
from change_requests.approvals import find_needed_approvals
from change_requests.control import people
from change_requests.models import FormalRequest, Waiver
from factureya.testing import request_histories
from factureya.testing.people import Cast, make_hugo, make_staff
from factureya.testing.raw_sql import insert, refused_by, update
from factureya.testing.request_histories import seen
from factureya.testing.requests import REASON, decide, make_request, waive
from factureya.testing.requests import designate as write_designation

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M25")]
Status = FormalRequest.Status


def grant(cast: Cast, request: FormalRequest, checker: User, **more: Any) -> FormalRequest:
    return operations.grant_waiver(
        request.pk,
        **{
            "actor": cast.elsa,
            "implementer": make_hugo(),
            "checker": checker,
            "reason": "Nadie más está disponible hoy y la empresa no puede esperar a mañana.",
            "controls": "Lo acompaña Jorge y revisa el registro.",
            **more,
        },
    )


def test_h13_no_one_who_took_part_is_offered_or_taken_as_checker():
    cast = Cast()
    request = request_histories.make(cast, Status.APPROVED)
    request.refresh_from_db()
    offered = set(people.list_checkers(policy.find_people_who_took_part(request) | {cast.elsa.pk}))
    assert cast.jorge in offered
    assert not offered & {cast.elsa, cast.fabian, cast.laura}
    for person in (cast.elsa, cast.fabian, cast.laura, cast.ana):
        with pytest.raises(operations.Invalid) as refusal:
            grant(cast, request, person)
        assert set(refusal.value.errors) == {"checker"}
    assert not Waiver.objects.exists()
    assert grant(cast, request, cast.jorge).waiver.checker == cast.jorge


def test_h13_who_designated_before_another_granted_does_not_check():
    cast = Cast()
    request = request_histories.make(cast, Status.APPROVED)  # Elsa designated Gina
    other = make_staff(Office.SECURITY_OFFICER)
    with pytest.raises(operations.Invalid, match="designó"):
        grant(cast, request, cast.elsa, actor=other)


def test_h13_who_prepared_a_revert_does_not_check_it():
    cast = Cast()
    done = request_histories.make(cast, Status.EXECUTED)
    undoing = operations.revert(done.pk, actor=cast.laura, reason="Se pidió por error, nos dijeron.")
    second = make_staff(Office.SUPERVISOR)
    undoing = request_histories.step(cast, undoing, Status.VERIFYING)
    undoing = operations.verify(undoing.pk, actor=second)
    with pytest.raises(operations.Invalid, match="preparó"):
        grant(cast, undoing, cast.laura)


def test_h13_a_checker_neither_decides_nor_designates_afterwards():
    cast = Cast()
    request = request_histories.make(cast, Status.IN_APPROVAL)
    second = make_staff(Office.SECURITY_OFFICER)
    grant(cast, request, second)
    assert second.pk not in {pk for slot in find_needed_approvals(fresh(request)) for pk in slot.deciders}
    with pytest.raises(operations.NotAllowed, match="revisará"):
        operations.approve(request.pk, actor=second, reason=REASON, seen_hash=seen(request))
    with pytest.raises(operations.NotAllowed, match="revisará"):
        operations.reject(request.pk, actor=second, reason=REASON, seen_hash=seen(request))


def test_h13_a_checker_does_not_verify_the_next_version():
    cast = Cast()
    request = request_histories.make(cast, Status.IN_APPROVAL)
    second = make_staff(Office.SUPERVISOR)
    grant(cast, request, second)
    operations.reopen_draft(request.pk, actor=cast.ana)
    operations.save_draft(request.pk, actor=cast.ana, draft={"reason": "Otra vez, con más detalle."})
    for status in (Status.SUBMITTED, Status.VERIFYING):
        request = request_histories.step(cast, request, status)
    with pytest.raises(operations.NotAllowed, match="revisará"):
        operations.verify(request.pk, actor=second)
    operations.verify(request.pk, actor=cast.laura)


def test_h13_a_waiver_of_before_with_a_partial_checker_is_not_carried_out():
    cast = Cast()
    request = request_histories.make(cast, Status.APPROVED)
    grant(cast, request, cast.jorge)
    request.refresh_from_db()
    request.waiver.checker = cast.fabian  # as a row of before the rule would say
    with pytest.raises(operations.Refused, match="tomó parte"):
        operations.executing._require_independent_checker(request)


def test_h13_who_granted_an_earlier_waiver_does_not_check_the_next():
    cast = Cast()
    request = request_histories.make(cast, Status.IN_APPROVAL)
    second = make_staff(Office.SECURITY_OFFICER)
    grant(cast, request, cast.jorge)  # by Elsa
    operations.designate(request.pk, actor=second, implementer=cast.gina)
    with pytest.raises(operations.Invalid, match="designó"):
        grant(cast, request, cast.elsa, actor=second)


def test_h13_who_verified_or_designated_before_does_not_check():
    cast = Cast()
    request = request_histories.make(cast, Status.IN_APPROVAL)  # Laura verified the first version
    second, officers = (make_staff(Office.SUPERVISOR), [make_staff(Office.SECURITY_OFFICER) for _ in "ab"])
    operations.reopen_draft(request.pk, actor=cast.ana)
    operations.save_draft(request.pk, actor=cast.ana, draft={"reason": "Otra vez, con más detalle."})
    for status in (Status.SUBMITTED, Status.VERIFYING):
        request = request_histories.step(cast, request, status)
    operations.verify(request.pk, actor=second)
    for officer_ in officers:
        operations.designate(request.pk, actor=officer_, implementer=cast.gina)
    for person in (cast.laura, officers[0]):
        with pytest.raises(operations.Invalid, match="verificó"):
            grant(cast, request, person)


def fresh(request: FormalRequest) -> FormalRequest:
    return FormalRequest.objects.get(pk=request.pk)


# -- In the database ---------------------------------------------------------------------------------


def test_h13_raw_sql_names_no_granter_verifier_decider_or_author_as_checker():
    request = make_request(Status.APPROVED)
    good = waive(request, make_staff(Office.DEVELOPER))
    barred = {
        good.approved_by_id,
        request.verified_by_id,
        request.designated_by_id,
        request.requester_id,
        *request.decisions.values_list("decider_id", flat=True),
    }
    assert len(barred) == 6
    for pk in barred:
        with refused_by("waiver_checked_by_an_outsider"):
            insert(good, checker_id=pk)
    insert(good, checker_id=make_staff(Office.IT_HEAD).pk)


def test_h13_raw_sql_lets_no_checker_take_part_later():
    request = make_request(Status.IN_APPROVAL)
    hugo, second = make_staff(Office.DEVELOPER), make_staff(Office.SECURITY_OFFICER)
    waiver = waive(request, hugo, checker=second)
    with refused_by("request_without_its_checker"):
        write_designation(request, hugo, waiver=waiver, designated_by=second)
    request.refresh_from_db()
    write_designation(request, hugo, waiver=waiver)
    with refused_by("decision_not_by_checker"):
        decide(request, second, "security")
    for column in ("designated_by_id", "verified_by_id"):
        with refused_by("request_without_its_checker"):
            update(request, **{column: second.pk})


def test_h13_raw_sql_brings_back_no_waiver_whose_checker_decided_meanwhile():
    request = make_request(Status.IN_APPROVAL)
    hugo, second = make_staff(Office.DEVELOPER), make_staff(Office.SECURITY_OFFICER)
    waiver = waive(request, hugo, checker=second)  # not in force, so he decides
    decide(request, second, "security")
    with refused_by("request_without_its_checker"):
        write_designation(request, hugo, waiver=waiver)


def test_h13_raw_sql_names_no_granter_of_before_as_checker():
    request = make_request(Status.IN_APPROVAL)
    second = make_staff(Office.SECURITY_OFFICER)
    first = waive(request, make_staff(Office.DEVELOPER))
    with refused_by("waiver_checked_by_an_outsider"):
        insert(first, approved_by_id=second.pk, checker_id=first.approved_by_id)
