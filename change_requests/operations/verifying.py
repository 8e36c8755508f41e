"""Mesa de control: verified, sent back, and the questions on the way (M7, M20)."""

from django.conf import settings

from accounts.models import User
from change_requests import notifications, policy
from change_requests.approvals import slots_of
from change_requests.models import Clarification, FormalRequest, RequestedAsset
from change_requests.operations._locking import (
    TURN,
    Status,
    current,
    in_business_days,
    locked,
    move,
    outcome_of,
    refuse,
    restart_clock,
    stop_clock,
    text_of,
)
from change_requests.operations.errors import WrongStatus
from change_requests.operations.integrity import altered_evidence
from change_requests.payload import text_digest
from factureya.core import audit
from factureya.core.clock import now

WORDS = 10  # characters that a reason, a question or an answer has at least


def verify(pk: int, *, actor: User, note: str = "") -> FormalRequest:
    """A supervisor checked mail, powers and form; whoever approves is told (M7, M8). Raises WrongStatus, NotAllowed."""
    with locked(pk, Status.VERIFYING) as request:
        actor = current(actor)
        refuse(policy.may_verify(actor, request))
        if request.due_minutes_left is not None:
            raise WrongStatus("Falta que la empresa responda la aclaración.")
        if policy.powers_of(current(request.requester), request.customer) is None:
            raise WrongStatus("Quien solicita ya no tiene poderes vigentes: devuélvala o retírela.")
        altered = altered_evidence(request, actor)
        if altered is None:
            _verified(request, actor, note)
    if altered is not None:
        raise altered  # outside: that it was found is committed
    return request


def _verified(request: FormalRequest, actor: User, note: str) -> None:
    request.verified_at, request.verified_by, request.outcome_reason = now(), actor, ""
    event = move(
        request,
        Status.IN_APPROVAL,
        "request.verified",
        actor=actor,
        note=" ".join(note.split()),
        due_at=in_business_days(settings.APPROVE_BUSINESS_DAYS),
        saved=("verified_at", "verified_by", "outcome_reason"),
    )
    notifications.told("verified", request, event, until=request.due_at)
    notifications.your_turn(request, event, slots_of(request))


def return_to_requester(pk: int, *, actor: User, reason: str) -> FormalRequest:
    """Sent back to whoever asked, with the reason; it keeps its folio, and what is sent next is a new revision."""
    with locked(pk, Status.SUBMITTED, Status.VERIFYING, Status.IN_APPROVAL) as request:
        actor = current(actor)
        refuse(policy.may_return(actor, request))
        request.outcome_reason = outcome_of(reason)
        event = move(
            request,
            Status.RETURNED,
            "request.returned",
            actor=actor,
            due_at=None,
            saved=("outcome_reason",),
            reason=request.outcome_reason,
        )
        RequestedAsset.objects.filter(request=request, open=True).update(open=False)
        notifications.told("returned", request, event, reason=request.outcome_reason)
    return request


def ask_clarification(pk: int, *, actor: User, question: str) -> FormalRequest:
    """Ask the company; the deadline stops until it answers. No decision: the request stays where it is (M21)."""
    with locked(pk, Status.VERIFYING, Status.IN_APPROVAL) as request:
        actor = current(actor)
        refuse(policy.may_ask(actor, request))
        body = text_of(question, at_least=WORDS, what="la pregunta", field="question")
        asked = Clarification.objects.create(
            request=request, author=actor, author_name=actor.get_full_name(), body=body, at=now()
        )
        stop_clock(request, asked.at)
        request.save(update_fields=TURN)
        event = audit.record(
            "request.clarification_asked",
            request,
            actor=actor,
            clarification=asked.pk,
            minutes_left=request.due_minutes_left,
            text_sha256=text_digest(body),
        )
        notifications.told("clarification", request, event)
    return request


def answer_clarification(pk: int, *, actor: User, answer: str) -> FormalRequest:
    """The company answers; the content stays as it is and the deadline goes on with what was left of it."""
    with locked(pk, Status.VERIFYING, Status.IN_APPROVAL) as request:
        actor = current(actor)
        refuse(policy.may_answer(actor, request))
        body = text_of(answer, at_least=1, what="su respuesta", field="answer")
        asked = request.clarifications.filter(answers__isnull=True, answer__isnull=True).latest("pk")
        answered = Clarification.objects.create(
            request=request,
            answers=asked,
            author=actor,
            author_name=actor.get_full_name(),
            body=body,
            at=now(),
        )
        restart_clock(request, answered.at)
        request.save(update_fields=TURN)
        event = audit.record(
            "request.clarification_answered",
            request,
            actor=actor,
            clarification=answered.pk,
            due_at=request.due_at.isoformat() if request.due_at else None,
            text_sha256=text_digest(body),
        )
        notifications.your_turn(request, event)
    return request
