"""The owner of the information and the security officer decide, each once, on the exact content they saw (M21)."""

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings

from accounts import registered_senders
from accounts.models import RoleAssignment, User
from change_requests import notifications, policy
from change_requests.approvals import OFFICE_OF, Slot, slots_of
from change_requests.kinds import content
from change_requests.models import Decision, DecisionSlot, FormalRequest, RequestRevision
from change_requests.operations._locking import (
    Form,
    Kind,
    Status,
    current,
    in_business_days,
    locked,
    move,
    refuse,
    text_of,
)
from change_requests.operations.errors import Refused, StaleContent, WrongStatus
from change_requests.operations.integrity import altered_evidence
from change_requests.operations.submitting import new_mail_of
from change_requests.operations.verifying import WORDS
from change_requests.payload import text_digest
from factureya.core import audit
from factureya.core.clock import now

Verdict = Decision.Verdict
FROZEN = {"registered_email", "representative"}


def approve(pk: int, *, actor: User, reason: str, seen_hash: str) -> FormalRequest:
    """Approve the current revision in one's office; with the last approval the request is *aprobada* (M21).

    `seen_hash` is the SHA-256 of the content on the page. Raises StaleContent when that is not the current one,
    NotAllowed, WrongStatus, Invalid (no reason), Refused (the new registered mail is not proven yet), AlteredEvidence.
    """
    with locked(pk, Status.IN_APPROVAL) as request:
        if request.due_minutes_left is not None:
            raise WrongStatus("Falta que la empresa responda la aclaración.")
        actor, slots = current(actor), slots_of(request)
        revision = _require_decider(actor, request, slots, seen_hash)
        _require_new_mail(request, revision)
        altered = altered_evidence(request, actor)
        if altered is None:
            _approve(request, _decide(request, revision, slots, actor, Verdict.APPROVE, reason), actor)
    if altered is not None:
        raise altered  # outside: that it was found is committed
    return request


def reject(pk: int, *, actor: User, reason: str, seen_hash: str) -> FormalRequest:
    """Refuse the current revision; that ends the request, and the company reads the reason (M21)."""
    with locked(pk, Status.IN_APPROVAL) as request:
        actor, slots = current(actor), slots_of(request)
        revision = _require_decider(actor, request, slots, seen_hash)
        decision = _decide(request, revision, slots, actor, Verdict.REJECT, reason)
        request.outcome_reason = decision.reason[:1000]
        event = move(
            request,
            Status.REJECTED,
            "request.rejected",
            actor=actor,
            due_at=None,
            saved=("outcome_reason",),
            office=decision.office,
            sha256=revision.sha256,
            reason=request.outcome_reason,
            text_sha256=text_digest(decision.reason),
        )
        notifications.told("rejected", request, event, reason=decision.reason)
    return request


def starts_on(day: str) -> datetime | None:
    """The first instant of an effective date, local; None for none."""
    if not day:
        return None
    return datetime.combine(date.fromisoformat(day), time(), ZoneInfo(settings.TIME_ZONE))


# -- Private -----------------------------------------------------------------------------------------


def _require_decider(actor: User, request: FormalRequest, slots: list[Slot], seen_hash: str) -> RequestRevision:
    refuse(policy.may_decide(actor, request, slots))
    revision = content.revision_of(request)
    if seen_hash != revision.sha256:
        raise StaleContent
    return revision


def _require_new_mail(request: FormalRequest, revision: RequestRevision) -> None:
    """Proven by its code, and no address of staff: who has it would confirm what he decides. Said here, to staff."""
    address = new_mail_of(request)
    if address and request.new_mail_revision != revision.no:
        raise Refused("Falta que la empresa confirme el correo nuevo con el código que le enviamos.")
    if address and registered_senders.is_staff(address):
        raise Refused("El correo nuevo es de alguien del personal de Factureya: recházela.")


def _decide(
    request: FormalRequest,
    revision: RequestRevision,
    slots: list[Slot],
    actor: User,
    verdict: str,
    reason: str,
) -> Decision:
    """Write the decision and every slot of the actor's office that it fills; one office per person."""
    office = policy.office_for(actor, slots)
    assert office is not None  # may_decide
    held = RoleAssignment.objects.in_force().filter(user=actor, office=OFFICE_OF[Decision.Office(office)])
    decision = Decision.objects.create(
        request=request,
        revision_no=revision.no,
        requester=request.requester,
        sha256=revision.sha256,
        office=office,
        decider=actor,
        decider_name=actor.get_full_name(),
        assignment=held[0],
        verdict=verdict,
        reason=text_of(reason, at_least=WORDS, what="la razón de su decisión", field="reason"),
        decided_at=now(),
    )
    for slot in slots:
        if slot.office == office and slot.decision is None and actor.pk in slot.deciders:
            for asset in slot.assets or (None,):
                DecisionSlot.objects.create(
                    decision=decision,
                    request=request,
                    revision_no=revision.no,
                    office=office,
                    asset=asset,
                )
    return decision


def _approve(request: FormalRequest, decision: Decision, actor: User) -> None:
    """Record the approval; with the last one the request is approved."""
    if policy.pending(slots_of(request)):
        audit.record(
            "request.approved_by",
            request,
            actor=actor,
            office=str(decision.office),
            revision=decision.revision_no,
            sha256=decision.sha256,
            text_sha256=text_digest(decision.reason),
        )
    else:
        _approved(request, decision, actor)


def _approved(request: FormalRequest, decision: Decision, actor: User) -> None:
    """Every slot is filled: from when and until when it may be applied, and who is told."""
    request.approved_at, request.outcome_reason = now(), ""
    request.execute_after = _execute_after(request)
    request.execute_before = in_business_days(settings.EXECUTE_BUSINESS_DAYS, request.execute_after)
    event = move(
        request,
        Status.APPROVED,
        "request.approved",
        actor=actor,
        due_at=request.execute_before,
        saved=("approved_at", "execute_after", "execute_before", "outcome_reason"),
        office=decision.office,
        sha256=decision.sha256,
        text_sha256=text_digest(decision.reason),
    )
    is_later = request.execute_after > request.approved_at
    after = request.execute_after if is_later else None
    notifications.approved(request, event, after=after, until=request.execute_before)
    notifications.your_turn(request, event)


def _execute_after(request: FormalRequest) -> datetime:
    """At once; after the freeze when mail or representative change; not before the effective date.

    A BAJA of the service may be applied before its day: it takes effect then.
    """
    assert request.approved_at is not None
    asked = content.payload_of(request)
    earliest = request.approved_at
    if FROZEN & {item["asset"] for item in asked["items"]}:
        earliest += timedelta(hours=settings.SENSITIVE_FREEZE_HOURS)
    day = starts_on(asked["effective_date"])
    if day is not None and not (request.form == Form.CHANGE and request.kind == Kind.BAJA):
        earliest = max(earliest, day)
    return earliest
