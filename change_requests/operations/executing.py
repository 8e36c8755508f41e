"""The approved content is applied exactly as it was approved, or not at all (M1, M21, M24)."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import Q

from accounts.models import Office, Proof, Representative, User
from change_requests import notifications, policy
from change_requests.approvals import OFFICE_OF, find_holders
from change_requests.execution import executing
from change_requests.kinds.registry import find_kind
from change_requests.models import DecisionSlot, Execution, FormalRequest
from change_requests.operations._common import (
    SentBack,
    Status,
    TooLate,
    add_business_days,
    expire_request,
    lock_customer,
    lock_request,
    move_request,
    record_act,
    require_unaltered_evidence,
    reread_allowed,
)
from change_requests.record.facts import describe_execution, describe_person, show_instant
from factureya.core.clock import now
from factureya.core.locking import lock
from factureya.core.refusals import NotAllowed, Refused, WrongStatus


def execute(pk: int, *, actor: User, proof: Proof | None = None) -> Execution:
    """Apply the approved content of the request, as the designated implementer, and return the execution's row (M24).

    The row's result is `ok`, or `drift` if an old value in the request is not today's: then nothing is applied and the
    request is *fallida*. Raises SentBack if an approval is no longer valid, TooLate, or AlteredEvidence.
    """
    _record_intent(pk, actor, proof)
    with lock_request(pk, Status.APPROVED, proof=proof) as request:
        actor = reread_allowed(actor, policy.why_not_execute, request)
        if problem := policy.why_not_implement(actor, request, is_waived=_is_waived(request)):
            raise NotAllowed(problem)
        _require_independent_checker(request)
        if request.revert_of_id is not None:  # no deadlock: locked in the order of `revert`
            lock(FormalRequest.objects.only("pk"), request.revert_of_id)
        lock_customer(request)
        _require_in_time(request)
        _require_approvals_in_force(request, actor)
        require_unaltered_evidence(request, actor)
        return _apply(request, actor)


def _record_intent(pk: int, actor: User, proof: Proof | None) -> None:
    """Record and commit that an execution under a waiver begins. The record stays if the execution fails (M25)."""
    if not FormalRequest.objects.filter(pk=pk, waiver__isnull=False, status=Status.APPROVED).exists():
        return
    with lock_request(pk, Status.APPROVED, proof=proof) as request:
        reread_allowed(actor, policy.why_not_execute, request)  # raises if he may not
        record_act("request.execution_intended", request, actor=actor, revision=request.revision_no)


def _is_waived(request: FormalRequest) -> bool:
    """Return True if the request has a waiver and it is for the implementer designated now."""
    return request.waiver is not None and request.waiver.implementer_id == request.implementer_id


def _require_independent_checker(request: FormalRequest) -> None:
    """Raise Refused if the waiver's checker took part in the request, or granted or uses the waiver (M25)."""
    waiver = request.waiver
    if waiver is None:
        return
    if waiver.checker_id in policy.find_people_who_took_part(request) | {waiver.approved_by_id, waiver.implementer_id}:
        raise Refused("Quien revisaría la excepción tomó parte en la solicitud: autorícela de nuevo con otra persona.")


def _require_in_time(request: FormalRequest) -> None:
    """Raise WrongStatus if the request may not be applied yet; if its time is over, expire it and raise TooLate."""
    assert request.execute_after is not None
    assert request.execute_before is not None  # the constraint approved_request_has_instants
    instant = now()
    if instant < request.execute_after:
        raise WrongStatus("Todavía no se puede aplicar: no ha pasado el plazo de espera o su fecha.")
    if instant >= request.execute_before:
        expire_request(request)
        raise TooLate("El plazo para aplicarla venció con su aprobación; se presenta otra.")


def _require_approvals_in_force(request: FormalRequest, actor: User) -> None:
    """Return the request to approval and raise SentBack if its requester lost powers or a decider lost his office."""
    slots = DecisionSlot.objects.filter(
        request=request, revision_no=request.revision_no, voided_at__isnull=True
    ).select_related("decision__decider")
    lapsed_slots = _select_lapsed(slots)
    reasons = [f"{slot.decision.decider_name} ya no puede aprobar" for slot in lapsed_slots]
    request.powers_lapsed_at = now() if _has_no_powers(request) else None
    if request.powers_lapsed_at is not None:
        reasons.insert(0, "Quien solicitó ya no tiene poderes vigentes")
    if not reasons:
        return
    voided_pks, voided_at = [slot.pk for slot in lapsed_slots], now()
    DecisionSlot.objects.filter(pk__in=voided_pks).update(voided_at=voided_at)  # to be given anew
    reason = "; ".join(dict.fromkeys(reasons)) + "."
    request.outcome_reason = reason
    request.approved_at = request.execute_after = request.execute_before = None
    event = move_request(
        request,
        Status.IN_APPROVAL,
        "request.sent_back",
        actor=actor,
        reason=reason,
        voided=voided_pks,
        lapsed=_list_lapsed(lapsed_slots),
        voided_at=show_instant(voided_at),
        due_at=add_business_days(settings.APPROVE_BUSINESS_DAYS),
        saved=("approved_at", "execute_after", "execute_before", "outcome_reason", "powers_lapsed_at"),
    )
    notifications.mail_progress("sent_back", request, event, reason=reason)
    notifications.mail_your_turn(request, event)
    raise SentBack(f"No se aplicó y volvió a aprobación: {reason}")


def _list_lapsed(slots: Iterable[DecisionSlot]) -> list[list[Any]]:
    """Return decider, office and version of the decisions whose approvals no longer count, for the event."""
    decisions = {slot.decision_id: slot.decision for slot in slots}
    return [[decision.decider_id, str(decision.office), decision.revision_no] for decision in decisions.values()]


def _select_lapsed(slots: Iterable[DecisionSlot]) -> list[DecisionSlot]:
    """Return the slots (approvals) whose decider is no longer active or lost the office (*cargo*) of the decision."""
    holders = find_holders(Office.INFORMATION_OWNER, Office.SECURITY_OFFICER)
    deciders: dict[str, frozenset[int]] = {slot_office: holders[office] for slot_office, office in OFFICE_OF.items()}
    return [slot for slot in slots if slot.decision.decider_id not in deciders[slot.office]]


def _has_no_powers(request: FormalRequest) -> bool:
    """Return True if the requester lost all powers, or those with which he asked, for example by another request."""
    either = Q(user=request.requester_id) | Q(pk=request.representative_id)
    powers = Representative.objects.filter(either, customer=request.customer_id).in_force()
    holders = {row.pk: row.user for row in powers.select_related("user__contact")}  # read anew, under the locks
    requester = next((person for person in holders.values() if person and person.pk == request.requester_id), None)
    has_none = requester is None or not policy.may_hold_powers(requester, request.customer)
    return has_none or request.representative_id not in holders


def _apply(request: FormalRequest, actor: User) -> Execution:
    """Write the approved values, tell the people concerned, and return the execution's row.

    If one value of today is not the old value that people approved, write none and end the request as failed.
    """
    payload = request.read_payload()
    kind = find_kind(request)
    changed = [item for item in payload["items"] if kind.find_executable_value(request.customer, item) != item["old"]]
    if changed:
        return _record_drift(request, actor, changed)
    execution = _insert_execution(request, actor, payload["items"], Execution.Result.OK)
    old_mail = request.customer.registered_email
    with executing(request):  # inside, the database lets the approved values through
        person = kind.apply(request, payload, actor)
    request.executed_at = execution.at
    event = move_request(
        request,
        Status.EXECUTED,
        "request.executed",
        actor=actor,
        saved=("executed_at",),
        due_at=add_business_days(settings.CLOSE_BUSINESS_DAYS),
        waiver=request.waiver_id if _is_waived(request) else None,
        check_due=show_instant(_set_check_due(request)),
        executor=describe_person(actor),
        **describe_execution(execution),
    )
    notifications.mail_executed(request, event, old_mail=old_mail)
    notifications.mail_your_turn(request, event)
    if person is not None:  # this person must set a password, by the link
        notifications.mail_set_password(request, event, person)
    if _is_waived(request):
        assert request.waiver is not None
        notifications.mail_check_due(request, event, request.waiver)
    _mark_reverted(request, actor)
    return execution


def _record_drift(request: FormalRequest, actor: User, changed_items: list[dict[str, str]]) -> Execution:
    """End the request as *fallida*, because the old values of these items are not today's; tell the company.

    Return the execution's row, which holds today's values.
    """
    execution = _insert_execution(request, actor, changed_items, Execution.Result.DRIFT)
    reason = "Lo que está registrado hoy ya no es lo que la solicitud decía."
    request.outcome_reason = reason
    event = move_request(
        request,
        Status.FAILED,
        "request.failed",
        actor=actor,
        due_at=None,
        saved=("outcome_reason",),
        fields=[item["field"] for item in changed_items],
        executor=describe_person(actor),
        **describe_execution(execution),
    )
    notifications.mail_progress("failed", request, event, reason=reason)
    return execution


def _insert_execution(request: FormalRequest, actor: User, items: list[dict[str, str]], result: str) -> Execution:
    """Insert and return the execution's row, with the values of the items before and after.

    Without that row the guards (triggers) of the database refuse the new values. After a drift, with nothing applied,
    `after` is empty.
    """
    is_ok = result == Execution.Result.OK
    kind = find_kind(request)
    before: dict[str, Any] = {item["field"]: kind.find_executable_value(request.customer, item) for item in items}
    return Execution.objects.create(
        request=request,
        revision_no=request.revision_no,
        sha256=request.read_revision().sha256,
        executor=actor,
        executor_name=actor.get_full_name(),
        at=now(),
        result=result,
        before=before,
        after={item["field"]: item["new"] for item in items} if is_ok else {},
    )


def _set_check_due(request: FormalRequest) -> datetime | None:
    """Give the checker a deadline, if the request was applied under its waiver, and return it; else None (M25)."""
    if request.waiver is None or not _is_waived(request):
        return None
    request.waiver.check_due = add_business_days(settings.WAIVER_CHECK_BUSINESS_DAYS)
    request.waiver.save(update_fields=["check_due"])
    return request.waiver.check_due


def _mark_reverted(request: FormalRequest, actor: User) -> None:
    """If this executed request undoes an applied one, move that one to *revertida* and tell its company."""
    if request.revert_of_id is None:
        return
    applied = FormalRequest.objects.filter(status__in=(Status.EXECUTED, Status.CLOSED))
    original = applied.select_related("customer", "requester").filter(pk=request.revert_of_id).first()
    if original is not None:
        event = move_request(original, Status.REVERTED, "request.reverted", actor=actor, due_at=None, by=request.folio)
        notifications.mail_progress("reverted", original, event, by=request.folio)
