"""The way of a request as a chain of steps: who did what and when, and what is still to be done."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from accounts.models import Office
from change_requests.control.wording import APPLIED, describe_approval, describe_execution
from change_requests.models import Decision, FormalRequest
from factureya.core.templatetags.fy import when

if TYPE_CHECKING:
    from change_requests.control.request_page import RequestPage

Status = FormalRequest.Status
DONE, NOW, AHEAD = "done", "now", "todo"
AFTER_VERIFYING = (Status.IN_APPROVAL, Status.APPROVED, *APPLIED)
ENDS = {
    Status.REJECTED: "Rechazada",
    Status.CANCELLED: "Cancelada",
    Status.EXPIRED: "Vencida",
    Status.RETURNED: "Devuelta al cliente",
    Status.FAILED: "Fallida: no se aplicó",
}


@dataclass(frozen=True)
class Step:
    """Hold a step of the chain: done, now or todo."""

    title: str
    state: str
    detail: str = ""
    quote: str = ""


def list_steps(page: "RequestPage") -> list[Step]:
    """Return the chain of the mock-up, from the reception to the notice and the close."""
    formal_request = page.formal_request
    steps = [_show_reception(formal_request), _show_verification(page), *_show_approvals(page)]
    steps.append(_show_execution(formal_request))
    if formal_request.waiver is not None:
        steps.append(_show_check(formal_request))
    if formal_request.status in ENDS:
        done = [step for step in steps if step.state == DONE]
        return [*done, Step(ENDS[Status(formal_request.status)], NOW, quote=formal_request.outcome_reason)]
    is_closed = formal_request.status in (Status.CLOSED, Status.REVERTED)
    state = DONE if is_closed else NOW if formal_request.status == Status.EXECUTED else AHEAD
    steps.append(Step("Aviso al cliente y cierre", state, when(formal_request.closed_at)))
    if formal_request.status == Status.REVERTED:
        steps.append(Step("Revertida por otra solicitud", NOW))
    return steps


def _show_reception(formal_request: FormalRequest) -> Step:
    """Return the first step: when the request came, or that its confirmation is missing."""
    if formal_request.status == Status.SUBMITTED:
        return Step("Recibida", NOW, "Falta la confirmación desde el correo registrado")
    return Step("Recibida", DONE, when(formal_request.submitted_at))


def _show_verification(page: "RequestPage") -> Step:
    """Return the step of mesa de control: who verified the request, or that it waits."""
    formal_request, title = page.formal_request, "Mesa de control"
    if formal_request.status in AFTER_VERIFYING and formal_request.verified_by is not None:
        return Step(title, DONE, f"Verificó {formal_request.verified_by} · {when(formal_request.verified_at)}")
    is_now = formal_request.status == Status.VERIFYING
    is_readers = is_now and page.user.holds(Office.SUPERVISOR)
    return Step(title, NOW if is_now else AHEAD, "Usted · pendiente" if is_readers else "")


def _show_approvals(page: "RequestPage") -> list[Step]:
    """Return a step for each approval that this version needs: the owners' first, then security's."""
    is_now = page.formal_request.status == Status.IN_APPROVAL
    return [
        _show_decision(approval.label, approval.decision)
        if approval.decision is not None
        else Step(approval.label, NOW if is_now else AHEAD, describe_approval(approval, page) if is_now else "")
        for approval in page.approvals
    ]


def _show_decision(title: str, decision: Decision) -> Step:
    """Return the step of an approval that was given or refused: by whom, when and why."""
    verb = "Aprobó" if decision.is_approval else "Rechazó"
    detail = f"{verb} {decision.decider_name} · {when(decision.decided_at)}"
    return Step(title, DONE, detail, decision.reason)


def _show_execution(formal_request: FormalRequest) -> Step:
    """Return the step of the execution: who applied it and when, or who will."""
    title = "Implementación"
    if formal_request.status in APPLIED:
        return Step(title, DONE, f"{formal_request.implementer} · {when(formal_request.executed_at)}")
    if formal_request.status != Status.APPROVED:
        return Step(title, AHEAD)
    return Step(title, NOW, describe_execution(formal_request))


def _show_check(formal_request: FormalRequest) -> Step:
    """Return the step of the independent check of a waiver (M25)."""
    waiver, title = formal_request.waiver, "Revisión independiente"
    assert waiver is not None
    if waiver.checked_at is not None:
        verdict = "Conforme" if waiver.conform else "Con observaciones"
        return Step(title, DONE, f"{verdict} · {waiver.checker} · {when(waiver.checked_at)}", waiver.findings)
    until = f" · vence {when(waiver.check_due)}" if waiver.check_due else ""
    state = NOW if formal_request.status in APPLIED else AHEAD
    return Step(title, state, f"{waiver.checker}{until}")
