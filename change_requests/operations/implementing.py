"""Who carries a request out: nobody of Development, unless a waiver adds controls (M24, M25)."""

from datetime import timedelta
from typing import Any

from django.db.models import QuerySet

from accounts.models import Proof, User
from change_requests import notifications, policy
from change_requests.models import Execution, FormalRequest, Waiver
from change_requests.operations._common import (
    Status,
    clean_text,
    lock_request,
    record_act,
    reread_allowed,
    reread_person,
    save_with_act,
)
from change_requests.record.facts import describe_person, hash_text, show_instant
from factureya.core.clock import now
from factureya.core.refusals import Invalid, Refused

BEFORE_EXECUTION = (Status.IN_APPROVAL, Status.APPROVED)
MIN_WAIVER_REASON = 50


def designate(pk: int, *, actor: User, implementer: User, proof: Proof | None = None) -> FormalRequest:
    """Let the security officer name who will apply the request; he may name another until it is executed (M24)."""
    with lock_request(pk, *BEFORE_EXECUTION, proof=proof) as request:
        actor, person = reread_allowed(actor, policy.why_not_designate, request), reread_person(implementer)
        if problem := policy.why_not_implement(person, request, designated_by=actor):
            raise Invalid({"implementer": problem})
        _save_implementer(request, person, actor, "request.designated", implementer_name=person.get_full_name())
    return request


def grant_waiver(
    pk: int, *, actor: User, implementer: User, reason: str, controls: str, checker: User, proof: Proof | None = None
) -> FormalRequest:
    """Let somebody of Development apply the request under additional controls, as the security officer (M25).

    `implementer` must still hold the office of implementer. `checker` will check independently what was done.
    No waiver is granted while the check of an earlier one is overdue.
    """
    with lock_request(pk, *BEFORE_EXECUTION, proof=proof) as request:
        actor = reread_allowed(actor, policy.why_not_designate, request)
        person, reviewer = reread_person(implementer), reread_person(checker)
        _require_valid_waiver(request, actor, person, reviewer)
        waiver = Waiver.objects.create(
            request=request,
            implementer=person,
            approved_by=actor,
            approved_at=now(),
            checker=reviewer,
            reason=clean_text(reason, field="reason", text_name="el motivo", at_least=MIN_WAIVER_REASON),
            controls=clean_text(controls, field="controls", text_name="los controles adicionales"),
        )
        _save_implementer(
            request,
            person,
            actor,
            "request.waived",
            waiver,
            checker=describe_person(reviewer),
            implementer_name=person.get_full_name(),
            checker_name=reviewer.get_full_name(),
            reason=waiver.reason,
            controls=waiver.controls,
            approved_at=show_instant(waiver.approved_at),
            text_sha256=hash_text(f"{waiver.reason}\n{waiver.controls}"),
        )
    return request


def check_waiver(pk: int, *, actor: User, findings: str, ok: bool, proof: Proof | None = None) -> FormalRequest:
    """Save, once, the independent check of the request's waiver; `ok` says whether all was in order (M25)."""
    with lock_request(pk, Status.EXECUTED, Status.CLOSED, Status.REVERTED, is_stopped_too=True, proof=proof) as request:
        actor = reread_allowed(actor, policy.why_not_check, request)
        waiver = request.waiver
        assert waiver is not None  # why_not_check
        # The database refuses a check less than a second after the execution.
        if not Execution.objects.filter(request=request, result="ok", at__lte=now() - timedelta(seconds=1)).exists():
            raise Refused("Se acaba de aplicar. Revise lo que se hizo y después registre su revisión.")
        waiver.findings = clean_text(findings, field="findings", text_name="lo que encontró")
        waiver.checked_at, waiver.conform = now(), ok
        waiver.save(update_fields=["findings", "checked_at", "conform"])
        event = record_act("request.waiver_checked", request, actor=actor, **_describe_check(waiver))
        if not ok:
            notifications.mail_finding("check_failed", request, event)
    return request


def _describe_check(waiver: Waiver) -> dict[str, Any]:
    """Return what the event of a waiver's check says: the result, when it was due, and whether it came late (M25)."""
    assert waiver.checked_at is not None
    due = waiver.check_due
    return {
        "ok": waiver.conform,
        "waiver": waiver.pk,
        "conform": waiver.conform,
        "findings": waiver.findings,
        "text_sha256": hash_text(waiver.findings),
        "checked_at": show_instant(waiver.checked_at),
        "due_at": show_instant(due),
        "late": due is not None and waiver.checked_at > due,
    }


def find_overdue_checks() -> QuerySet[Waiver]:
    """Return the waivers whose independent check is overdue; while there is one, no other waiver is granted (M25)."""
    return Waiver.objects.filter(check_due__lt=now(), checked_at__isnull=True)


def _require_valid_waiver(request: FormalRequest, actor: User, implementer: User, checker: User) -> None:
    """Raise Refused while the check of another waiver is overdue, and Invalid if implementer or checker is unfit."""
    if folio := find_overdue_checks().values_list("request__folio", flat=True).first():
        raise Refused(f"Falta la revisión independiente de {folio}; sin ella no se exceptúa otra.")
    if problem := policy.why_not_implement(implementer, request, designated_by=actor, is_waived=True):
        raise Invalid({"implementer": problem})
    if problem := policy.why_not_be_checker(checker, request, implementer=implementer, granted_by=actor):
        raise Invalid({"checker": problem})


def _save_implementer(
    request: FormalRequest, person: User, actor: User, verb: str, waiver: Waiver | None = None, **data: Any
) -> None:
    """Save who will execute the request, who named him, and his waiver if any. If it is approved, mail him now."""
    request.implementer, request.designated_by, request.waiver = person, actor, waiver
    request.designated_at = now()
    data |= {"implementer": describe_person(person)} | ({"waiver": waiver.pk} if waiver else {})
    saved = ("implementer", "designated_at", "designated_by", "waiver")
    event = save_with_act(request, verb, actor=actor, saved=saved, **data)
    if request.status == Status.APPROVED:
        notifications.mail_your_turn(request, event)
