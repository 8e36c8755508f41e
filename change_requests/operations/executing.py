"""The approved content, applied exactly as it was approved, or not at all (M1, M21, M24)."""

from collections.abc import Iterable
from typing import Any

from django.conf import settings

from accounts.models import Office, Representative, User
from change_requests import notifications, policy
from change_requests.approvals import OFFICE_OF, holders
from change_requests.execution import executing
from change_requests.kinds import content
from change_requests.models import DecisionSlot, Execution, FormalRequest
from change_requests.operations import _effects
from change_requests.operations._locking import (
    Status,
    current,
    in_business_days,
    locked,
    move,
    refuse,
)
from change_requests.operations.errors import NotAllowed, SentBack, WrongStatus
from change_requests.operations.implementing import require_independent_checker, why_not
from change_requests.operations.integrity import altered_evidence
from change_requests.operations.submitting import hold_customer
from factureya.core import audit
from factureya.core.clock import now

TOO_LATE = "El plazo para aplicarla venció con su aprobación; se presenta otra."


def execute(pk: int, *, actor: User) -> Execution:
    """The designated implementer applies the approved content (M24); `ok`, or `drift` when an old value has changed.

    With drift nothing is written and the request is *fallida*. Raises NotAllowed, WrongStatus (not approved, frozen,
    too late), AlteredEvidence, and SentBack when an approval no longer holds: it is in approval again, which is
    committed.
    """
    _record_intent(pk, actor)
    with locked(pk, Status.APPROVED) as request:
        actor = current(actor)
        refuse(policy.may_execute(actor, request))
        if problem := why_not(request, actor, None, waived=_is_waived(request)):
            raise NotAllowed(problem)
        if _is_waived(request):
            require_independent_checker(request)
        _hold_what_it_undoes(request)
        hold_customer(request)
        outcome = _expired(request) or _sent_back(request, actor) or altered_evidence(request, actor)
        if outcome is None:
            return _apply(request, actor)
    raise outcome  # outside: what it says is committed


def _record_intent(pk: int, actor: User) -> None:
    """Under a waiver the intent is on record before anything is done, whatever comes of it (M25)."""
    if not FormalRequest.objects.filter(pk=pk, waiver__isnull=False, status=Status.APPROVED).exists():
        return
    with locked(pk, Status.APPROVED) as request:
        refuse(policy.may_execute(current(actor), request))
        audit.record("request.execution_intended", request, actor=actor, revision=request.revision_no)


def _hold_what_it_undoes(request: FormalRequest) -> None:
    """Lock the original before the company's row, as `revert` does."""
    if request.revert_of_id is not None:
        FormalRequest.objects.select_for_update().only("pk").get(pk=request.revert_of_id)


def _is_waived(request: FormalRequest) -> bool:
    return request.waiver is not None and request.waiver.implementer_id == request.implementer_id


def _expired(request: FormalRequest) -> WrongStatus | None:
    """Outside the window: too early is refused and nothing changes; too late, the approval is void from now on."""
    assert request.execute_after is not None
    assert request.execute_before is not None  # approved_request_has_instants
    instant = now()
    if instant < request.execute_after:
        raise WrongStatus("Todavía no se puede aplicar: no ha pasado el plazo de espera o su fecha.")
    if instant < request.execute_before:
        return None
    expire(request)
    return WrongStatus(TOO_LATE)


def expire(request: FormalRequest) -> None:
    """*Vencida*, whoever notices first: the sweep, or somebody who wanted to use it."""
    reason = (
        "La aprobación venció sin aplicarse."
        if request.status == Status.APPROVED
        else "No se confirmó a tiempo desde el correo registrado."
    )
    request.outcome_reason = reason
    event = move(
        request,
        Status.EXPIRED,
        "request.expired",
        actor=None,
        due_at=None,
        saved=("outcome_reason",),
        reason=reason,
    )
    notifications.told("expired", request, event, reason=reason)


# -- Do the approvals still hold? --------------------------------------------------------------------


def _sent_back(request: FormalRequest, actor: User) -> SentBack | None:
    """Back to approval, told why, when somebody who asked or approved could not any more (M8, M21)."""
    slots = DecisionSlot.objects.filter(
        request=request, revision_no=request.revision_no, voided_at__isnull=True
    ).select_related("decision__decider")
    lapsed = _lapsed(slots)
    reasons = [f"{slot.decision.decider_name} ya no puede aprobar" for slot in lapsed]
    if _has_no_powers(request):
        reasons.insert(0, policy.NO_POWERS)
    if not reasons:
        return None
    instant = now()
    DecisionSlot.objects.filter(pk__in=[slot.pk for slot in lapsed]).update(voided_at=instant)
    reason = "; ".join(dict.fromkeys(reasons)) + "."
    request.outcome_reason = reason
    request.approved_at = request.execute_after = request.execute_before = None
    event = move(
        request,
        Status.IN_APPROVAL,
        "request.sent_back",
        actor=actor,
        reason=reason,
        due_at=in_business_days(settings.APPROVE_BUSINESS_DAYS),
        saved=("approved_at", "execute_after", "execute_before", "outcome_reason"),
    )
    notifications.told("sent_back", request, event, reason=reason)
    notifications.your_turn(request, event)
    return SentBack(f"No se aplicó y volvió a aprobación: {reason}")


def _lapsed(slots: Iterable[DecisionSlot]) -> list[DecisionSlot]:
    """The slots whose decider is not active or does not hold the office any more."""
    held = holders(Office.INFORMATION_OWNER, Office.SECURITY_OFFICER)
    return [
        slot for slot in slots if slot.decision.decider_id not in held[OFFICE_OF[slot.decision.Office(slot.office)]]
    ]


def _has_no_powers(request: FormalRequest) -> bool:
    """Re-read: another request may have revoked them while this one waited for the company's row."""
    held = policy.powers_of(current(request.requester), request.customer)
    named = Representative.objects.filter(pk=request.representative_id)
    return held is None or not named.in_force().exists()


# -- Applying ----------------------------------------------------------------------------------------


def _apply(request: FormalRequest, actor: User) -> Execution:
    asked = content.payload_of(request)
    drift = [item for item in asked["items"] if content.found_of(request.customer, request, item) != item["old"]]
    if drift:
        return _failed(request, actor, drift)
    done = _written(request, actor, asked["items"], Execution.Result.OK)
    old_mail = request.customer.registered_email
    with executing(request):
        told = _effects.apply(request, asked, actor)
    request.executed_at = done.at
    event = move(
        request,
        Status.EXECUTED,
        "request.executed",
        actor=actor,
        saved=("executed_at",),
        due_at=in_business_days(settings.CLOSE_BUSINESS_DAYS),
        sha256=done.sha256,
        waiver=request.waiver_id if _is_waived(request) else None,
    )
    notifications.executed(request, event, old_mail=old_mail)
    notifications.your_turn(request, event)
    if told is not None:
        notifications.set_password(request, event, told)
    _after(request, actor, event)
    return done


def _failed(request: FormalRequest, actor: User, drift: list[dict[str, str]]) -> Execution:
    done = _written(request, actor, drift, Execution.Result.DRIFT)
    reason = "Lo que está registrado hoy ya no es lo que la solicitud decía."
    request.outcome_reason = reason
    event = move(
        request,
        Status.FAILED,
        "request.failed",
        actor=actor,
        due_at=None,
        saved=("outcome_reason",),
        fields=[item["field"] for item in drift],
    )
    notifications.told("failed", request, event, reason=reason)
    return done


def _written(request: FormalRequest, actor: User, items: list[dict[str, str]], result: str) -> Execution:
    """The execution's row, first: with it the guards let the approved values through. Of drift: what was found."""
    is_ok = result == Execution.Result.OK
    today = {i["field"]: content.found_of(request.customer, request, i) for i in items}
    return Execution.objects.create(
        request=request,
        revision_no=request.revision_no,
        sha256=content.revision_of(request).sha256,
        executor=actor,
        executor_name=actor.get_full_name(),
        at=now(),
        result=result,
        before=today,
        after={i["field"]: i["new"] for i in items} if is_ok else {},
    )


def _after(request: FormalRequest, actor: User, event: Any) -> None:
    """What else an execution starts: the check of a waiver, and the end of what it undid."""
    if request.waiver is not None and _is_waived(request):
        request.waiver.check_due = in_business_days(settings.WAIVER_CHECK_BUSINESS_DAYS)
        request.waiver.save(update_fields=["check_due"])
        notifications.check_due(request, event, request.waiver)
    if request.revert_of_id is not None:
        applied = FormalRequest.objects.filter(status__in=(Status.EXECUTED, Status.CLOSED))
        original = applied.select_related("customer", "requester").filter(pk=request.revert_of_id).first()
        if original is not None:
            told = move(
                original,
                Status.REVERTED,
                "request.reverted",
                actor=actor,
                due_at=None,
                by=request.folio,
            )
            notifications.told("reverted", original, told, by=request.folio)
