"""Who carries it out: never somebody of Development, or with a waiver and additional controls (M24, M25)."""

from django.db.models import QuerySet

from accounts.models import Office, User
from change_requests import notifications, policy
from change_requests.models import Decision, FormalRequest, Waiver
from change_requests.operations._locking import Status, current, locked, refuse, text_of
from change_requests.operations.errors import Invalid, Refused
from change_requests.operations.verifying import WORDS
from change_requests.payload import text_digest
from factureya.core import audit
from factureya.core.clock import now

BEFORE_EXECUTION = (Status.IN_APPROVAL, Status.APPROVED)
WAIVER_REASON = 50
DESIGNATED = ("implementer", "designated_at", "designated_by", "waiver")


def designate(pk: int, *, actor: User, implementer: User) -> FormalRequest:
    """The security officer names who carries it out; changeable until then (M24).

    Raises Invalid for somebody without the office, of Development, who asked, or who decides.
    """
    with locked(pk, *BEFORE_EXECUTION) as request:
        actor, chosen = current(actor), current(implementer)
        refuse(policy.may_designate(actor, request))
        if problem := why_not(request, chosen, actor):
            raise Invalid({"implementer": problem})
        _write(request, chosen, actor, None)
        event = audit.record(
            "request.designated",
            request,
            actor=actor,
            implementer=chosen.pk,
            implementer_name=chosen.get_full_name(),
        )
        if request.status == Status.APPROVED:
            notifications.your_turn(request, event)
    return request


def grant_waiver(
    pk: int,
    *,
    actor: User,
    implementer: User,
    reason: str,
    controls: str,
    checker: User,
) -> FormalRequest:
    """The security officer lets somebody of Development carry it out, with additional controls (M25).

    He holds the office of implementer too; the waiver lifts only the segregation. Refused while the check of an
    earlier waiver is overdue.
    """
    with locked(pk, *BEFORE_EXECUTION) as request:
        actor, chosen, checks = current(actor), current(implementer), current(checker)
        refuse(policy.may_waive(actor, request))
        _require_lawful(request, actor, chosen, checks)
        waiver = Waiver.objects.create(
            request=request,
            implementer=chosen,
            approved_by=actor,
            approved_at=now(),
            checker=checks,
            reason=text_of(reason, at_least=WAIVER_REASON, what="el motivo", field="reason"),
            controls=text_of(controls, at_least=WORDS, what="los controles adicionales", field="controls"),
        )
        _write(request, chosen, actor, waiver)
        event = audit.record(
            "request.waived",
            request,
            actor=actor,
            implementer=chosen.pk,
            checker=checks.pk,
            implementer_name=chosen.get_full_name(),
            checker_name=checks.get_full_name(),
            text_sha256=text_digest(f"{waiver.reason}\n{waiver.controls}"),
        )
        if request.status == Status.APPROVED:
            notifications.your_turn(request, event)
    return request


def check_waiver(pk: int, *, actor: User, findings: str, ok: bool) -> FormalRequest:
    """The independent check of what was done under a waiver, written once (M25)."""
    with locked(pk, Status.EXECUTED, Status.CLOSED, Status.REVERTED, suspended=True) as request:
        actor = current(actor)
        refuse(policy.may_check(actor, request))
        assert request.waiver is not None  # may_check
        request.waiver.findings = text_of(findings, at_least=WORDS, what="lo que encontró", field="findings")
        request.waiver.checked_at, request.waiver.conform = now(), ok
        request.waiver.save(update_fields=["findings", "checked_at", "conform"])
        said = text_digest(request.waiver.findings)
        event = audit.record("request.waiver_checked", request, actor=actor, ok=ok, text_sha256=said)
        if not ok:
            notifications.check_failed(request, event)
    return request


def why_not(request: FormalRequest, person: User, actor: User | None, *, waived: bool = False) -> str:
    """Why this person cannot carry the request out, or nothing; asked when designating and when executing (M24)."""
    if not person.holds(Office.IMPLEMENTER):
        return "Esa persona no tiene hoy el cargo de implementador."
    if person.holds(Office.DEVELOPER) and not waived:
        return "Es de Desarrollo: designe a otra persona, o exceptúe la segregación con controles."
    if person.pk == request.requester_id:
        return "Quien solicita no implementa."
    if request.revisions.filter(author=person).exists():  # of a revert: mesa de control
        return "Quien la preparó no implementa."
    if actor is not None and person.pk == actor.pk:
        return "Nadie se designa a sí mismo."
    if Decision.objects.filter(request=request, decider=person).exists():
        return "Quien decide no implementa."
    return ""


def overdue_checks() -> QuerySet[Waiver]:
    """Waivers whose independent check is overdue: red, and no other is granted (M25)."""
    return Waiver.objects.filter(check_due__lt=now(), checked_at__isnull=True)


def _require_lawful(request: FormalRequest, actor: User, chosen: User, checks: User) -> None:
    """No check is overdue, and whoever executes and whoever checks may. Raises Refused, Invalid."""
    if overdue := overdue_checks().values_list("request__folio", flat=True).first():
        raise Refused(f"Falta la revisión independiente de {overdue}; sin ella no se exceptúa otra.")
    if problem := why_not(request, chosen, actor, waived=True):
        raise Invalid({"implementer": problem})
    if problem := _why_no_checker(request, chosen, checks, granter=actor):
        raise Invalid({"checker": problem})


def require_independent_checker(request: FormalRequest) -> None:
    """Refuse to apply it while the waiver's checker took part in the request (M25). Raises Refused."""
    waiver = request.waiver
    if waiver is None:
        return
    if waiver.checker_id in policy.took_part(request) | {
        waiver.approved_by_id,
        waiver.implementer_id,
    }:
        raise Refused("Quien revisaría la excepción tomó parte en la solicitud: autorícela de nuevo con otra persona.")


def _why_no_checker(request: FormalRequest, implementer: User, checker: User, *, granter: User) -> str:
    """Say why this person's check would not be independent, or nothing (M25)."""
    if checker.pk == implementer.pk:
        return "La revisión la hace otra persona que quien implementa."
    if checker.pk == granter.pk:
        return "La revisión la hace otra persona que quien autoriza la excepción."
    if checker.pk in policy.took_part(request):
        return "Esa persona pidió, preparó, verificó, decidió o designó en esta solicitud: elija a otra."
    if not checker.works_in_control or not checker.is_active:
        return "Elija a alguien de mesa de control o con cargo."
    return ""


def _write(request: FormalRequest, chosen: User, actor: User, waiver: Waiver | None) -> None:
    request.implementer, request.designated_by, request.waiver = chosen, actor, waiver
    request.designated_at = now()
    request.save(update_fields=DESIGNATED)
