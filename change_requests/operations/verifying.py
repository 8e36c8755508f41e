"""What mesa de control does before the decision: verify, send back, and ask the company (M7, M20)."""

from django.conf import settings

from accounts.models import User
from change_requests import notifications, policy
from change_requests.models import Clarification, FormalRequest
from change_requests.operations._common import (
    TURN_COLUMNS,
    Status,
    add_business_days,
    clean_outcome,
    clean_text,
    find_altered_evidence,
    hash_text,
    lock_request,
    move_request,
    move_with_reason,
    release_assets,
    require_none,
    reread_person,
    restart_clock,
    stop_clock,
)
from factureya.core import audit
from factureya.core.clock import now
from factureya.core.refusals import WrongStatus


def verify(pk: int, *, actor: User, note: str = "") -> FormalRequest:
    """Record that a supervisor checked mail, powers and form, and ask those who decide (M7, M8).

    Raises WrongStatus, NotAllowed, AlteredEvidence.
    """
    with lock_request(pk, Status.VERIFYING) as request:
        actor = reread_person(actor)
        require_none(policy.why_not_verify(actor, request))
        if request.due_minutes_left is not None:
            raise WrongStatus("Falta que la empresa responda la aclaración.")
        if policy.powers_of(reread_person(request.requester), request.customer) is None:
            raise WrongStatus("Quien solicita ya no tiene poderes vigentes: devuélvala o retírela.")
        altered = find_altered_evidence(request, actor)
        if altered is None:
            _record_verification(request, actor, note)
    if altered is not None:
        raise altered  # outside: that it was found is committed
    return request


def return_to_requester(pk: int, *, actor: User, reason: str) -> FormalRequest:
    """Send the request back to whoever asked, with the reason; it keeps its folio and can be sent again.

    Raises NotAllowed, WrongStatus, Invalid.
    """
    with lock_request(pk, Status.SUBMITTED, Status.VERIFYING, Status.IN_APPROVAL) as request:
        actor = reread_person(actor)
        require_none(policy.why_not_return(actor, request))
        event = move_with_reason(
            request, Status.RETURNED, "request.returned", actor=actor, reason=clean_outcome(reason)
        )
        release_assets(request)
        notifications.mail_progress("returned", request, event, reason=request.outcome_reason)
    return request


def ask_clarification(pk: int, *, actor: User, question: str) -> FormalRequest:
    """Ask the company a question; the deadline stops until it answers, and the status stays (M21).

    Raises NotAllowed, WrongStatus, Invalid.
    """
    with lock_request(pk, Status.VERIFYING, Status.IN_APPROVAL) as request:
        actor = reread_person(actor)
        require_none(policy.why_not_ask(actor, request))
        body = clean_text(question, field="question", what="la pregunta")
        question_row = _insert_message(request, actor, body)
        stop_clock(request, question_row.at)
        request.save(update_fields=TURN_COLUMNS)
        event = audit.record(
            "request.clarification_asked",
            request,
            actor=actor,
            clarification=question_row.pk,
            minutes_left=request.due_minutes_left,
            text_sha256=hash_text(body),
        )
        notifications.mail_progress("clarification", request, event)
    return request


def answer_clarification(pk: int, *, actor: User, answer: str) -> FormalRequest:
    """Record the company's answer; the content stays as it is, and the deadline goes on with what was left of it.

    Raises NotAllowed, WrongStatus, Invalid.
    """
    with lock_request(pk, Status.VERIFYING, Status.IN_APPROVAL) as request:
        actor = reread_person(actor)
        require_none(policy.why_not_answer(actor, request))
        body = clean_text(answer, field="answer", what="su respuesta", at_least=1)
        unanswered = request.clarifications.filter(answers__isnull=True, answer__isnull=True)
        answer_row = _insert_message(request, actor, body, answers=unanswered.latest("pk"))
        restart_clock(request, answer_row.at)
        request.save(update_fields=TURN_COLUMNS)
        event = audit.record(
            "request.clarification_answered",
            request,
            actor=actor,
            clarification=answer_row.pk,
            due_at=request.due_at.isoformat() if request.due_at else None,
            text_sha256=hash_text(body),
        )
        notifications.mail_your_turn(request, event)
    return request


# -- Private -----------------------------------------------------------------------------------------


def _record_verification(request: FormalRequest, actor: User, note: str) -> None:
    """Move the request to approval, and tell the company and those who decide."""
    request.verified_at, request.verified_by = now(), actor
    request.outcome_reason, request.powers_lapsed_at = "", None
    event = move_request(
        request,
        Status.IN_APPROVAL,
        "request.verified",
        actor=actor,
        note=" ".join(note.split()),
        due_at=add_business_days(settings.APPROVE_BUSINESS_DAYS),
        saved=("verified_at", "verified_by", "outcome_reason", "powers_lapsed_at"),
    )
    notifications.mail_progress("verified", request, event, until=request.due_at)
    notifications.mail_your_turn(request, event)


def _insert_message(
    request: FormalRequest, author: User, body: str, *, answers: Clarification | None = None
) -> Clarification:
    """Insert a question, or the answer to one, and return its row."""
    return Clarification.objects.create(
        request=request, author=author, author_name=author.get_full_name(), body=body, at=now(), answers=answers
    )
