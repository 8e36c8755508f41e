"""The owner of the information and the security officer decide, each once, on the exact content they saw (M21)."""

from datetime import datetime, timedelta

from django.conf import settings

from accounts import mail_sender
from accounts.models import Proof, RoleAssignment, User
from change_requests import notifications, policy
from change_requests.approvals import OFFICE_OF, NeededApproval, find_needed_approvals, select_open
from change_requests.kinds.fields import REGISTERED_EMAIL, touches_risky
from change_requests.kinds.registry import find_kind
from change_requests.kinds.values import find_first_instant
from change_requests.models import Decision, DecisionSlot, FormalRequest, RequestRevision
from change_requests.operations._common import (
    StaleContent,
    Status,
    add_business_days,
    clean_text,
    lock_request,
    move_request,
    move_with_reason,
    record_act,
    require_none,
    require_unaltered_evidence,
    reread_person,
)
from change_requests.record.facts import describe_decision, hash_text, show_instant
from factureya.core.clock import now
from factureya.core.refusals import Refused, WrongStatus

Verdict = Decision.Verdict


def approve(pk: int, *, actor: User, reason: str, seen_hash: str, proof: Proof | None = None) -> FormalRequest:
    """Approve the current revision by the actor's office (*cargo*); the last approval makes it *aprobada* (M21).

    `seen_hash` is the SHA-256 of the content on the page. Raises StaleContent when that is not the current one.
    """
    with lock_request(pk, Status.IN_APPROVAL, proof=proof) as request:
        if request.due_minutes_left is not None:  # a question is open: it stops the clock
            raise WrongStatus("Falta que la empresa responda la aclaración.")
        actor, approvals = reread_person(actor), find_needed_approvals(request)
        revision = _require_decider(actor, request, approvals, seen_hash)
        _require_proven_mail(request, revision)
        require_unaltered_evidence(request, actor)
        decision = _insert_decision(request, revision, approvals, actor, Verdict.APPROVE, reason)
        _record_approval(request, decision, actor)
    return request


def reject(pk: int, *, actor: User, reason: str, seen_hash: str, proof: Proof | None = None) -> FormalRequest:
    """Reject and end the request, and tell the company; `seen_hash` is the SHA-256 of the content on the page."""
    with lock_request(pk, Status.IN_APPROVAL, proof=proof) as request:
        actor, approvals = reread_person(actor), find_needed_approvals(request)
        revision = _require_decider(actor, request, approvals, seen_hash)
        decision = _insert_decision(request, revision, approvals, actor, Verdict.REJECT, reason)
        event = move_with_reason(
            request,
            Status.REJECTED,
            "request.rejected",
            actor=actor,
            reason=decision.reason,
            text_sha256=hash_text(decision.reason),
            **describe_decision(decision),
        )
        notifications.mail_progress("rejected", request, event, reason=decision.reason)
    return request


def _require_decider(
    actor: User, request: FormalRequest, approvals: list[NeededApproval], seen_hash: str
) -> RequestRevision:
    """Return the current revision if the actor may decide it and its content is the one that he saw.

    Raises the policy's refusal, or StaleContent if his page showed other content.
    """
    require_none(policy.why_not_decide(actor, request, approvals))
    revision = request.read_revision()
    if seen_hash != revision.sha256:
        raise StaleContent
    return revision


def _require_proven_mail(request: FormalRequest, revision: RequestRevision) -> None:
    """Raise Refused if the request has a new registered mail that no code has proven, or that is a staff member's."""
    address = request.find_new_value(REGISTERED_EMAIL.code)
    if address and request.new_mail_revision != revision.no:
        raise Refused("Falta que la empresa confirme el correo nuevo con el código que le enviamos.")
    if address and mail_sender.is_staff_address(address):  # else staff could confirm what staff decides
        raise Refused("El correo nuevo es de alguien del personal de Factureya: recházela.")


def _insert_decision(
    request: FormalRequest,
    revision: RequestRevision,
    approvals: list[NeededApproval],
    actor: User,
    verdict: str,
    reason: str,
) -> Decision:
    """Insert the actor's decision with its reason, and return it.

    Also insert a row (slot) for each approval that he decides: for an owner one per asset, for security one.
    """
    office = policy.find_deciding_office(actor, approvals)
    assert office is not None  # `why_not_decide` checked it before
    assignments = RoleAssignment.objects.in_force().filter(user=actor, office=OFFICE_OF[Decision.Office(office)])
    decision = Decision.objects.create(
        request=request,
        revision_no=revision.no,
        requester=request.requester,
        sha256=revision.sha256,
        office=office,
        decider=actor,
        decider_name=actor.get_full_name(),
        assignment=assignments[0],
        verdict=verdict,
        reason=clean_text(reason, field="reason", text_name="la razón de su decisión"),
        decided_at=now(),
    )
    for approval in select_open(approvals):
        if approval.office == office and actor.pk in approval.deciders:
            for asset in approval.assets or (None,):  # security's approval has no asset
                DecisionSlot.objects.create(
                    decision=decision, request=request, revision_no=revision.no, office=office, asset=asset
                )
    return decision


def _record_approval(request: FormalRequest, decision: Decision, actor: User) -> None:
    """Record an approval; if it was the last one that the request needs, approve the request and mail those concerned.

    The request can be applied from `execute_after` to `execute_before`. An earlier reason to return it is cleared.
    """
    data = describe_decision(decision) | {"reason": decision.reason, "text_sha256": hash_text(decision.reason)}
    if select_open(find_needed_approvals(request)):
        record_act("request.approved_by", request, actor=actor, revision=decision.revision_no, **data)
        return
    request.approved_at, request.outcome_reason, request.powers_lapsed_at = now(), "", None
    request.execute_after = _find_earliest_execution(request)
    request.execute_before = add_business_days(settings.EXECUTE_BUSINESS_DAYS, request.execute_after)
    event = move_request(
        request,
        Status.APPROVED,
        "request.approved",
        actor=actor,
        due_at=request.execute_before,
        saved=("approved_at", "execute_after", "execute_before", "outcome_reason", "powers_lapsed_at"),
        approved_at=show_instant(request.approved_at),
        execute_after=show_instant(request.execute_after),
        execute_before=show_instant(request.execute_before),
        **data,
    )
    after = request.execute_after if request.execute_after > request.approved_at else None
    notifications.mail_approved(request, event, after=after, until=request.execute_before)
    notifications.mail_your_turn(request, event)


def _find_earliest_execution(request: FormalRequest) -> datetime:
    """Return when an approved request may be applied. A risky one waits some hours. Some kinds wait for their date."""
    assert request.approved_at is not None
    payload, wait_hours = request.read_payload(), request.read_revision().freeze_hours
    if wait_hours is None:  # a version that was sent before versions said it
        wait_hours = settings.SENSITIVE_FREEZE_HOURS if touches_risky(payload["items"]) else 0
    earliest = request.approved_at + timedelta(hours=wait_hours)
    day = find_first_instant(payload["effective_date"])
    if day is not None and find_kind(request).waits_for_date:
        earliest = max(earliest, day)
    return earliest
