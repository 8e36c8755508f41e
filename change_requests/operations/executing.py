"""The approved content is applied exactly as it was approved, or not at all (M1, M21, M24)."""

from collections.abc import Iterable
from typing import Any

from django.conf import settings

from accounts.models import Office, Representative, User
from change_requests import notifications, policy
from change_requests.approvals import OFFICE_OF, find_holders
from change_requests.execution import executing
from change_requests.kinds import content
from change_requests.kinds.registry import find_kind
from change_requests.models import DecisionSlot, Execution, FormalRequest
from change_requests.operations._common import (
    Status,
    add_business_days,
    expire_request,
    find_altered_evidence,
    lock_customer,
    lock_request,
    move_request,
    require_none,
    reread_person,
)
from change_requests.operations.errors import SentBack
from factureya.core import audit
from factureya.core.clock import now
from factureya.core.locking import lock
from factureya.core.models import Event
from factureya.core.refusals import NotAllowed, Refused, WrongStatus

TOO_LATE = "El plazo para aplicarla venció con su aprobación; se presenta otra."


def execute(pk: int, *, actor: User) -> Execution:
    """Apply the approved content as the designated implementer, and return the execution's row (M24).

    Its result is `ok`, or `drift` when a value of today is not the old one; then nothing is written and the request
    is *fallida*. Raises NotAllowed, WrongStatus (not approved, frozen, too late), AlteredEvidence, and SentBack when
    an approval no longer holds: the request is in approval again, which is committed.
    """
    _record_intent(pk, actor)
    with lock_request(pk, Status.APPROVED) as request:
        actor = reread_person(actor)
        require_none(policy.why_not_execute(actor, request))
        is_waived = _is_waived(request)
        if problem := policy.why_not_implement(actor, request, is_waived=is_waived):
            raise NotAllowed(problem)
        if is_waived:
            _require_independent_checker(request)
        if request.revert_of_id is not None:  # the original before the company's row, as `revert` does
            lock(FormalRequest.objects.only("pk"), request.revert_of_id)
        lock_customer(request)
        outcome = _expire_when_late(request) or _send_back(request, actor) or find_altered_evidence(request, actor)
        if outcome is None:
            return _apply(request, actor)
    raise outcome  # outside: what it says is committed


def _record_intent(pk: int, actor: User) -> None:
    """Record, under a waiver, that the execution begins, in a transaction of its own before anything is done (M25)."""
    if not FormalRequest.objects.filter(pk=pk, waiver__isnull=False, status=Status.APPROVED).exists():
        return
    with lock_request(pk, Status.APPROVED) as request:
        require_none(policy.why_not_execute(reread_person(actor), request))
        audit.record("request.execution_intended", request, actor=actor, revision=request.revision_no)


def _is_waived(request: FormalRequest) -> bool:
    """Return True if the waiver in force is for the designated implementer."""
    return request.waiver is not None and request.waiver.implementer_id == request.implementer_id


def _require_independent_checker(request: FormalRequest) -> None:
    """Raise Refused when the waiver's checker took part in the request (M25)."""
    waiver = request.waiver
    assert waiver is not None  # _is_waived
    if waiver.checker_id in policy.people_who_took_part(request) | {waiver.approved_by_id, waiver.implementer_id}:
        raise Refused("Quien revisaría la excepción tomó parte en la solicitud: autorícela de nuevo con otra persona.")


def _expire_when_late(request: FormalRequest) -> WrongStatus | None:
    """Expire the request and return why, when its time to be applied has passed; None inside that time.

    Raises WrongStatus when it is too early, and nothing changes.
    """
    assert request.execute_after is not None
    assert request.execute_before is not None  # approved_request_has_instants
    instant = now()
    if instant < request.execute_after:
        raise WrongStatus("Todavía no se puede aplicar: no ha pasado el plazo de espera o su fecha.")
    if instant < request.execute_before:
        return None
    expire_request(request)
    return WrongStatus(TOO_LATE)


# -- Do the approvals still hold? --------------------------------------------------------------------


def _send_back(request: FormalRequest, actor: User) -> SentBack | None:
    """Move the request back to approval and return why, when who asked or approved could not any more (M8, M21).

    The approvals of those who lost their office are voided. None means that every approval holds.
    """
    rows = DecisionSlot.objects.filter(
        request=request, revision_no=request.revision_no, voided_at__isnull=True
    ).select_related("decision__decider")
    lapsed = _select_lapsed(rows)
    reasons = [f"{row.decision.decider_name} ya no puede aprobar" for row in lapsed]
    request.powers_lapsed_at = now() if _has_no_powers(request) else None
    if request.powers_lapsed_at is not None:
        reasons.insert(0, "Quien solicitó ya no tiene poderes vigentes")
    if not reasons:
        return None
    DecisionSlot.objects.filter(pk__in=[row.pk for row in lapsed]).update(voided_at=now())
    reason = "; ".join(dict.fromkeys(reasons)) + "."
    request.outcome_reason = reason
    request.approved_at = request.execute_after = request.execute_before = None
    event = move_request(
        request,
        Status.IN_APPROVAL,
        "request.sent_back",
        actor=actor,
        reason=reason,
        due_at=add_business_days(settings.APPROVE_BUSINESS_DAYS),
        saved=("approved_at", "execute_after", "execute_before", "outcome_reason", "powers_lapsed_at"),
    )
    notifications.mail_progress("sent_back", request, event, reason=reason)
    notifications.mail_your_turn(request, event)
    return SentBack(f"No se aplicó y volvió a aprobación: {reason}")


def _select_lapsed(rows: Iterable[DecisionSlot]) -> list[DecisionSlot]:
    """Return the given approvals whose decider is not active or does not hold the office any more."""
    holders = find_holders(Office.INFORMATION_OWNER, Office.SECURITY_OFFICER)
    return [row for row in rows if row.decision.decider_id not in holders[OFFICE_OF[row.decision.Office(row.office)]]]


def _has_no_powers(request: FormalRequest) -> bool:
    """Return True if whoever asked has no powers now; another request may have revoked them a moment ago."""
    powers = policy.powers_of(reread_person(request.requester), request.customer)
    named = Representative.objects.filter(pk=request.representative_id)
    return powers is None or not named.in_force().exists()


# -- Applying ----------------------------------------------------------------------------------------


def _apply(request: FormalRequest, actor: User) -> Execution:
    """Write the approved values and tell who is concerned; return the execution. Drift writes nothing and fails."""
    payload = request.read_payload()
    drift = [item for item in payload["items"] if content.found_of(request, item) != item["old"]]
    if drift:
        return _fail(request, actor, drift)
    execution = _insert_execution(request, actor, payload["items"], Execution.Result.OK)
    old_mail = request.customer.registered_email
    with executing(request):
        person = find_kind(request).apply(request, payload, actor)
    request.executed_at = execution.at
    event = move_request(
        request,
        Status.EXECUTED,
        "request.executed",
        actor=actor,
        saved=("executed_at",),
        due_at=add_business_days(settings.CLOSE_BUSINESS_DAYS),
        sha256=execution.sha256,
        waiver=request.waiver_id if _is_waived(request) else None,
    )
    notifications.mail_executed(request, event, old_mail=old_mail)
    notifications.mail_your_turn(request, event)
    if person is not None:
        notifications.mail_set_password(request, event, person)
    _start_waiver_check(request, event)
    _mark_reverted(request, actor)
    return execution


def _fail(request: FormalRequest, actor: User, drift: list[dict[str, str]]) -> Execution:
    """Record the values that were found in place of the old ones, and end the request as *fallida*."""
    execution = _insert_execution(request, actor, drift, Execution.Result.DRIFT)
    reason = "Lo que está registrado hoy ya no es lo que la solicitud decía."
    request.outcome_reason = reason
    event = move_request(
        request,
        Status.FAILED,
        "request.failed",
        actor=actor,
        due_at=None,
        saved=("outcome_reason",),
        fields=[item["field"] for item in drift],
    )
    notifications.mail_progress("failed", request, event, reason=reason)
    return execution


def _insert_execution(request: FormalRequest, actor: User, items: list[dict[str, str]], result: str) -> Execution:
    """Insert the execution's row with the values before and after; with it the guards let the new values through."""
    is_ok = result == Execution.Result.OK
    before: dict[str, Any] = {item["field"]: content.found_of(request, item) for item in items}
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


def _start_waiver_check(request: FormalRequest, event: Event) -> None:
    """Give the checker of the waiver, if it was used, a deadline and a mail (M25)."""
    if request.waiver is None or not _is_waived(request):
        return
    request.waiver.check_due = add_business_days(settings.WAIVER_CHECK_BUSINESS_DAYS)
    request.waiver.save(update_fields=["check_due"])
    notifications.mail_check_due(request, event, request.waiver)


def _mark_reverted(request: FormalRequest, actor: User) -> None:
    """Move the request that this one undoes, if any, to *revertida*, and tell its company."""
    if request.revert_of_id is None:
        return
    applied = FormalRequest.objects.filter(status__in=(Status.EXECUTED, Status.CLOSED))
    original = applied.select_related("customer", "requester").filter(pk=request.revert_of_id).first()
    if original is not None:
        event = move_request(original, Status.REVERTED, "request.reverted", actor=actor, due_at=None, by=request.folio)
        notifications.mail_progress("reverted", original, event, by=request.folio)
