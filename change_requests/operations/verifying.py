"""What mesa de control does before the decision: verify, send back, and ask the company (M7, M20)."""

from collections.abc import Sequence

from django.conf import settings

from accounts.models import Proof, User
from change_requests import notifications, policy
from change_requests.models import Clarification, FormalRequest
from change_requests.operations._common import (
    TURN_COLUMNS,
    Status,
    add_business_days,
    clean_outcome,
    clean_text,
    lock_request,
    move_request,
    move_with_reason,
    record_altered_evidence,
    release_assets,
    require_unaltered_evidence,
    reread_allowed,
    reread_person,
    restart_clock,
    save_with_act,
    stop_clock,
)
from change_requests.record.facts import hash_text
from factureya.core.clock import now
from factureya.core.refusals import WrongStatus


def verify(pk: int, *, actor: User, note: str = "", proof: Proof | None = None) -> FormalRequest:
    """Record that a supervisor checked mail, powers and form of the request, and ask those who decide (M7, M8)."""
    with lock_request(pk, Status.VERIFYING, proof=proof) as request:
        actor = reread_allowed(actor, policy.why_not_verify, request)
        if request.due_minutes_left is not None:  # a question is open: it stops the clock
            raise WrongStatus("Falta que la empresa responda la aclaración.")
        powers = policy.find_powers(reread_person(request.requester), request.customer)
        if powers is None:
            raise WrongStatus("Quien solicita ya no tiene poderes vigentes: devuélvala o retírela.")
        require_unaltered_evidence(request, actor)
        request.verified_at, request.verified_by = now(), actor
        request.outcome_reason, request.powers_lapsed_at = "", None
        event = move_request(
            request,
            Status.IN_APPROVAL,
            "request.verified",
            actor=actor,
            note=" ".join(note.split()),
            checks={
                "mailbox": request.confirmed_mailbox,
                "powers": powers.pk,
                "evidence": len(request.read_payload()["evidence"]),
            },
            due_at=add_business_days(settings.APPROVE_BUSINESS_DAYS),
            saved=("verified_at", "verified_by", "outcome_reason", "powers_lapsed_at"),
        )
        notifications.mail_progress("verified", request, event, until=request.due_at)
        notifications.mail_your_turn(request, event)
    return request


def report_altered_evidence(pk: int, *, actor: User, names: Sequence[str], proof: Proof | None = None) -> FormalRequest:
    """Record that the files `names` in the store are not those that were sent, and tell the officers (M20, M21)."""
    with lock_request(pk, *Status, is_stopped_too=True, proof=proof) as request:
        record_altered_evidence(request, names, actor)
    return request


def return_to_requester(pk: int, *, actor: User, reason: str, proof: Proof | None = None) -> FormalRequest:
    """Send the request back to the company, as a supervisor, to be edited and sent again; its assets become free."""
    with lock_request(pk, Status.SUBMITTED, Status.VERIFYING, Status.IN_APPROVAL, proof=proof) as request:
        actor = reread_allowed(actor, policy.why_not_return, request)
        event = move_with_reason(
            request, Status.RETURNED, "request.returned", actor=actor, reason=clean_outcome(reason)
        )
        release_assets(request)
        notifications.mail_progress("returned", request, event, reason=request.outcome_reason)
    return request


def ask_clarification(pk: int, *, actor: User, question: str, proof: Proof | None = None) -> FormalRequest:
    """Ask the company a question about the request; its deadline stops until the answer comes (M21)."""
    with lock_request(pk, Status.VERIFYING, Status.IN_APPROVAL, proof=proof) as request:
        actor = reread_allowed(actor, policy.why_not_ask, request)
        body = clean_text(question, field="question", text_name="la pregunta")
        question_row = _insert_message(request, actor, body)
        stop_clock(request, question_row.at)
        event = save_with_act(
            request,
            "request.clarification_asked",
            actor=actor,
            saved=TURN_COLUMNS,
            clarification=question_row.pk,
            minutes_left=request.due_minutes_left,
            text_sha256=hash_text(body),
        )
        notifications.mail_progress("clarification", request, event)
    return request


def answer_clarification(pk: int, *, actor: User, answer: str, proof: Proof | None = None) -> FormalRequest:
    """Record the company's answer to the open question; the deadline goes on with the time that was left."""
    with lock_request(pk, Status.VERIFYING, Status.IN_APPROVAL, proof=proof) as request:
        actor = reread_allowed(actor, policy.why_not_answer, request)
        body = clean_text(answer, field="answer", text_name="su respuesta", at_least=1)
        unanswered = request.clarifications.filter(answers__isnull=True, answer__isnull=True)  # question without answer
        answer_row = _insert_message(request, actor, body, answers=unanswered.latest("pk"))
        restart_clock(request, answer_row.at)
        event = save_with_act(
            request,
            "request.clarification_answered",
            actor=actor,
            saved=TURN_COLUMNS,
            clarification=answer_row.pk,
            due_at=request.due_at.isoformat() if request.due_at else None,
            text_sha256=hash_text(body),
        )
        notifications.mail_your_turn(request, event)
    return request


def _insert_message(
    request: FormalRequest, author: User, body: str, *, answers: Clarification | None = None
) -> Clarification:
    """Insert and return a question about the request; if `answers` is a question, insert the answer to it instead."""
    return Clarification.objects.create(
        request=request, author=author, author_name=author.get_full_name(), body=body, at=now(), answers=answers
    )
