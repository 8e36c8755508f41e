"""Real threads on PostgreSQL, let loose at one instant by a barrier: what is decided and applied is so exactly once.

RACE_ROUNDS rounds each (`race_rounds`).
"""

from collections import Counter
from functools import partial
from typing import Any

import pytest

from accounts.models import Customer
from change_requests import operations
from change_requests.models import Decision, Execution, FormalRequest
from factureya.core.models import OutboxMessage
from factureya.testing import request_histories
from factureya.testing.people import Cast, make_representative, own_provider
from factureya.testing.races import Call, kinds, race
from factureya.testing.request_histories import NEW, WHY, seen

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

Form, Kind, Status = FormalRequest.Form, FormalRequest.Kind, FormalRequest.Status


def verbs(request: FormalRequest) -> Counter[str]:
    return Counter(event.verb for event in request.events())


def mailed(request: FormalRequest, verb: str) -> int:
    return OutboxMessage.objects.filter(kind=f"change_requests/{verb}", about=request.chain).count()


@pytest.fixture
def cast() -> Cast:
    own_provider()
    return Cast()


def fresh(cast: Cast, status: str, form: str = Form.CHANGE, kind: str = Kind.CHANGE) -> FormalRequest:
    """A request of another company in this status, with the same officers."""
    cast.ana = make_representative(full_name="Ana Ocaso")
    return request_histories.make(cast, status, form, kind)


def approval(request: FormalRequest, actor: Any) -> Call:
    return partial(operations.approve, request.pk, actor=actor, reason=WHY, seen_hash=seen(request))


@pytest.mark.clause("M21")
def test_two_approvers_at_once_always_approve_exactly_once(cast: Cast, rounds: range):
    for _ in rounds:
        request = fresh(cast, Status.IN_APPROVAL)
        results = race(approval(request, cast.fabian), approval(request, cast.elsa))
        assert kinds(results) == {"ok": 2}, results
        request.refresh_from_db()
        assert request.status == Status.APPROVED
        assert verbs(request)["request.approved"] == verbs(request)["request.approved_by"] == 1
        assert request.slots.count() == 2
        assert mailed(request, "approved") == 2


@pytest.mark.clause("M21")
def test_the_same_approver_twice_approves_once(cast: Cast, rounds: range):
    for _ in rounds:
        request = fresh(cast, Status.IN_APPROVAL)
        results = race(approval(request, cast.fabian), approval(request, cast.fabian))
        assert kinds(results) == {"ok": 1, "NotAllowed": 1}, results
        assert Decision.objects.filter(request=request).count() == 1


@pytest.mark.clause("M21")
def test_an_approval_against_a_refusal(cast: Cast, rounds: range, record_property: Any):
    won: Counter[str] = Counter()
    for _ in rounds:
        request = fresh(cast, Status.IN_APPROVAL)
        approval(request, cast.fabian)()
        reject = partial(operations.reject, request.pk, actor=cast.elsa, reason=WHY, seen_hash=seen(request))
        results = race(approval(request, cast.elsa), reject)
        assert kinds(results)["ok"] == 1, results
        request.refresh_from_db()
        won[request.status] += 1
        assert request.status == (Status.REJECTED if isinstance(results[0], Exception) else Status.APPROVED)
        assert Decision.objects.filter(request=request, decider=cast.elsa).count() == 1
    record_property("won", dict(won))


@pytest.mark.clause("M21")
def test_the_owner_approves_while_security_refuses(cast: Cast, rounds: range):
    for _ in rounds:
        request = fresh(cast, Status.IN_APPROVAL)
        reject = partial(operations.reject, request.pk, actor=cast.elsa, reason=WHY, seen_hash=seen(request))
        results = race(approval(request, cast.fabian), reject)
        assert not isinstance(results[1], Exception), results
        request.refresh_from_db()
        assert request.status == Status.REJECTED
        assert verbs(request)["request.rejected"] == 1


@pytest.mark.clause("M21")
def test_an_approval_against_a_withdrawal(cast: Cast, rounds: range):
    for _ in rounds:
        request = fresh(cast, Status.IN_APPROVAL)
        approval(request, cast.fabian)()
        withdraw = partial(operations.withdraw, request.pk, actor=cast.ana, reason="Ya no hace falta.")
        results = race(approval(request, cast.elsa), withdraw)
        assert not isinstance(results[1], Exception), results  # before or after the approval
        request.refresh_from_db()
        assert request.status == Status.CANCELLED
        assert verbs(request)["request.withdrawn"] == 1


@pytest.mark.clause("M1", "M24")
def test_it_is_executed_once(cast: Cast, rounds: range):
    for _ in rounds:
        request = fresh(cast, Status.APPROVED)
        execute = partial(operations.execute, request.pk, actor=cast.gina)
        results = race(execute, execute)
        assert kinds(results) == {"ok": 1, "WrongStatus": 1}, results
        assert Execution.objects.filter(request=request).count() == 1
        assert verbs(request)["request.executed"] == 1
        assert Customer.objects.get(pk=request.customer_id).phone == NEW["phone"]


@pytest.mark.clause("M7")
def test_a_password_is_voided_and_set_once(cast: Cast, rounds: range):
    for _ in rounds:
        request = fresh(cast, Status.APPROVED, Form.ACCESS, Kind.CLAVE)
        execute = partial(operations.execute, request.pk, actor=cast.gina)
        assert kinds(race(execute, execute)) == {"ok": 1, "WrongStatus": 1}
        body = OutboxMessage.objects.get(kind="change_requests/set_password", about=request.chain).body
        token = body.partition("/solicitudes/clave/")[2].partition("/")[0]
        use = [partial(operations.set_password, token, password=f"Clave-larga-{n}-2026") for n in (1, 2)]
        assert kinds(race(*use)) == {"ok": 1, "BadLink": 1}


@pytest.mark.clause("M21")
def test_an_execution_against_a_withdrawal(cast: Cast, rounds: range):
    for _ in rounds:
        request = fresh(cast, Status.APPROVED)
        execute = partial(operations.execute, request.pk, actor=cast.gina)
        withdraw = partial(operations.withdraw, request.pk, actor=cast.ana, reason="Ya no hace falta.")
        results = race(execute, withdraw)
        assert kinds(results) == {"ok": 1, "WrongStatus": 1}, results
        request.refresh_from_db()
        phone = Customer.objects.get(pk=request.customer_id).phone
        applied = (Status.EXECUTED, NEW["phone"])
        assert (request.status, phone) in (applied, (Status.CANCELLED, ""))


@pytest.mark.clause("M21")
def test_an_edit_against_the_last_approval(cast: Cast, rounds: range, record_property: Any):
    won: Counter[str] = Counter()
    for _ in rounds:
        request = fresh(cast, Status.IN_APPROVAL)
        approval(request, cast.fabian)()
        edit = partial(operations.reopen_draft, request.pk, actor=cast.ana)
        results = race(approval(request, cast.elsa), edit)
        assert kinds(results) == {"ok": 1, "WrongStatus": 1}, results
        request.refresh_from_db()
        won[request.status] += 1
        assert request.status in (Status.APPROVED, Status.DRAFT)
        if request.status == Status.DRAFT:
            request = operations.submit(request.pk, actor=cast.ana)
            assert request.revision_no == 2
            assert not request.slots.filter(revision_no=2).exists()
    record_property("won", dict(won))


@pytest.mark.clause("M21")
def test_an_edit_against_the_first_approval_voids_it(cast: Cast, rounds: range):
    for _ in rounds:
        request = fresh(cast, Status.IN_APPROVAL)
        edit = partial(operations.reopen_draft, request.pk, actor=cast.ana)
        results = race(approval(request, cast.elsa), edit)
        assert not isinstance(results[1], Exception), results
        request.refresh_from_db()
        assert request.status == Status.DRAFT


@pytest.mark.clause("M20", "M21")
def test_the_same_draft_sent_twice_and_two_drafts_for_the_same_data(cast: Cast, rounds: range):
    for _ in rounds:
        cast.ana = make_representative(full_name="Ana Ocaso")
        first, second = request_histories.draft(cast), request_histories.draft(cast)
        send = partial(operations.submit, first.pk, actor=cast.ana)
        assert kinds(race(send, send)) == {"ok": 1, "WrongStatus": 1}
        assert first.revisions.count() == 1
        operations.withdraw(first.pk, actor=cast.ana, reason="La hago de nuevo.")
        third = request_histories.draft(cast)
        results = race(*(partial(operations.submit, one.pk, actor=cast.ana) for one in (second, third)))
        assert kinds(results) == {"ok": 1, "Refused": 1}, results


@pytest.mark.clause("M20")
def test_the_same_form_begun_twice_is_one_draft(cast: Cast, rounds: range):
    for turn in rounds:
        begin = partial(
            operations.create_draft,
            actor=cast.ana,
            customer=cast.customer,
            form=Form.CHANGE,
            kind=Kind.CHANGE,
            key=f"form-{turn}",
        )
        first, second = race(begin, begin)
        assert first == second
