"""Tell mesa de control about a request: its state in a word and a colour, its steps, what is late, whose turn it is."""

from collections.abc import Iterable
from dataclasses import dataclass

from accounts.models import Office, User
from change_requests.approvals import NeededApproval
from change_requests.models import Decision, FormalRequest
from change_requests.progress import STATUS_LOOKS, Task, find_waiting
from factureya.core import clock
from factureya.core.templatetags.fy import when

Status = FormalRequest.Status
WITH_US = (Status.VERIFYING, Status.IN_APPROVAL, Status.APPROVED)
APPLIED = (Status.EXECUTED, Status.CLOSED, Status.REVERTED)
_LOOKS = {**STATUS_LOOKS, Status.DRAFT: "closed"}  # nobody of ours waits for a draft
_TURNS = {
    Task.REVIEW_OBJECTION: (
        "Está detenida",
        "Alguien avisó «no fui yo». La reanuda, o no, el Responsable de Seguridad Informática.",
    ),
    Task.ANSWER: ("Le toca al cliente", "Se le pidió una aclaración; el plazo está detenido."),
    Task.CONFIRM: ("Le toca al cliente", "Falta que la confirme desde el correo registrado."),
    Task.VERIFY: ("Le toca a mesa de control", "Un supervisor verifica el formato, el correo y el poder."),
    Task.DECIDE: ("Está en aprobación", ""),
    Task.GIVE_BACK: ("Está en aprobación", ""),
    Task.DESIGNATE: ("Está aprobada", ""),
    Task.EXECUTE: ("Está aprobada", ""),
    Task.CORRECT: ("Le toca al cliente", "Se le devolvió con la razón; conserva su folio."),
    Task.SEND_AGAIN: ("No se aplicó", "Le toca al cliente corregirla y enviarla de nuevo, o retirarla."),
    Task.CLOSE: ("Ya se aplicó", "Falta avisar al cliente y cerrarla."),
}
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


@dataclass(frozen=True)
class Chip:
    """Hold the state in a word, and a look (`core.templatetags.fy.state_class`)."""

    status: str
    label: str


@dataclass(frozen=True)
class Turn:
    """Hold whose turn it is, said to somebody whose turn it is not."""

    title: str
    text: str


def make_chip(formal_request: FormalRequest) -> Chip:
    """Return the state of a request, for a row of a list."""
    return Chip(_LOOKS[Status(formal_request.status)], formal_request.status_label)


def list_marks(formal_request: FormalRequest) -> list[str]:
    """Return the red warnings beside a request: «no fui yo», overdue, or applied under a waiver and unchecked (M25)."""
    marks = []
    if formal_request.suspended_at is not None:  # stopped before the execution
        marks.append("Suspendida: «no fui yo»")
    if formal_request.alarmed_at is not None:
        marks.append("«No fui yo» después de aplicarse")
    if _is_overdue(formal_request):
        marks.append("Vencida")
    waiver = formal_request.waiver
    if waiver is not None and formal_request.status in APPLIED and waiver.checked_at is None:
        is_late = waiver.check_due is not None and waiver.check_due < clock.now()
        marks.append("Revisión vencida" if is_late else "Falta revisión independiente")
    return marks


def describe_deadline(formal_request: FormalRequest) -> str:
    """Return the words to add after a date: « · vence mañana, 16:20», or that the deadline is stopped; "" for none."""
    due = formal_request.due_at
    if formal_request.due_minutes_left is not None:  # a question to the company is open
        return " · el plazo está detenido hasta que el cliente responda"
    if due is None or formal_request.status not in (*WITH_US, Status.SUBMITTED, Status.RETURNED):
        return ""
    return f" · {'venció' if due < clock.now() else 'vence'} {when(due)}"


def describe_turn(
    formal_request: FormalRequest, missing: Iterable[NeededApproval], reader: User, *, has_decided: bool
) -> Turn:
    """Return whose turn it is; the page shows it to a reader who has nothing to do on the request now.

    `missing` are the approvals that nobody has given; `has_decided` says that the reader decided on this version.
    """
    task = find_waiting(formal_request).task
    title, text = _TURNS.get(task, ("Ya terminó", "Nadie debe hacer nada más con ella."))
    if task in (Task.DECIDE, Task.GIVE_BACK):
        text = _name_deciders(missing, reader, has_decided=has_decided)
    elif task in (Task.DESIGNATE, Task.EXECUTE):
        text = describe_execution(formal_request)
    return Turn(title, text)


def describe_approval(approval: NeededApproval, reader: User) -> str:
    """Return who could give a missing approval: «Usted · pendiente» or names; an owner's approval names its assets."""
    assets = ", ".join(asset.name for asset in approval.assets)
    who = "Usted · pendiente" if reader.pk in approval.deciders else _name_owners(approval)
    return f"{who} · {assets}" if assets else who


def describe_execution(formal_request: FormalRequest) -> str:
    """Return who applies an approved request, from when and until when; or that nobody is designated."""
    if formal_request.implementer is None:
        return "Falta que el Responsable de Seguridad Informática designe a quien implementa."
    after = formal_request.execute_after
    since = f"; puede hacerse desde {when(after)}" if after and after > clock.now() else ""
    before = formal_request.execute_before
    until = f"; la aprobación vence {when(before)}" if before else ""
    return f"La implementa {formal_request.implementer}{since}{until}."


def _is_overdue(formal_request: FormalRequest) -> bool:
    """Return True if our own staff should have acted before now; an open question to the company stops the deadline."""
    due = formal_request.due_at
    is_running = formal_request.status in WITH_US and formal_request.due_minutes_left is None
    return is_running and due is not None and due < clock.now()


def _name_deciders(missing: Iterable[NeededApproval], reader: User, *, has_decided: bool) -> str:
    """Return which approvals are missing and who could give each; who has decided reads only that some are."""
    if has_decided:
        return "Usted ya decidió sobre esta versión; faltan otras aprobaciones."
    return " ".join(f"{approval.label}: {describe_approval(approval, reader)}." for approval in missing)


def _name_owners(approval: NeededApproval) -> str:
    """Return who can give an approval: owners by name, «Pendiente» for security's; or a text that nobody can today."""
    if not approval.deciders:
        return "Nadie puede darla hoy: falta quien tenga el cargo"
    people = {
        person.pk: person
        for asset in approval.assets
        for person in (asset.owner, asset.alternate)
        if person is not None and person.pk in approval.deciders
    }
    return " o ".join(str(person) for person in people.values()) or "Pendiente"  # security's approval has no asset


def list_steps(formal_request: FormalRequest, approvals: Iterable[NeededApproval], reader: User) -> list[Step]:
    """Return the steps of a request as its page lists them, from the reception to the notice and the close.

    For a request that ended early, failed or was returned, list the steps that are done, then this outcome. For a
    reverted request, a last step says so. Where it is the turn of `reader`, the step says «Usted».
    """
    steps = [_make_reception_step(formal_request), _make_verification_step(formal_request, reader)]
    steps += _make_approval_steps(formal_request, approvals, reader)
    steps.append(_make_execution_step(formal_request))
    if formal_request.waiver is not None:
        steps.append(_make_check_step(formal_request))
    if formal_request.status in ENDS:
        done = [step for step in steps if step.state == DONE]
        return [*done, Step(ENDS[Status(formal_request.status)], NOW, quote=formal_request.outcome_reason)]
    is_closed = formal_request.status in (Status.CLOSED, Status.REVERTED)
    state = DONE if is_closed else NOW if formal_request.status == Status.EXECUTED else AHEAD
    steps.append(Step("Aviso al cliente y cierre", state, when(formal_request.closed_at)))
    if formal_request.status == Status.REVERTED:
        steps.append(Step("Revertida por otra solicitud", NOW))
    return steps


def _make_reception_step(formal_request: FormalRequest) -> Step:
    """Return the first step of a request: when it was received, or that the company must still confirm it."""
    if formal_request.status == Status.SUBMITTED:
        return Step("Recibida", NOW, "Falta la confirmación desde el correo registrado")
    return Step("Recibida", DONE, when(formal_request.submitted_at))


def _make_verification_step(formal_request: FormalRequest, reader: User) -> Step:
    """Return the step of mesa de control: who verified the request and when, or that a supervisor must verify it."""
    title = "Mesa de control"
    if formal_request.status in AFTER_VERIFYING and formal_request.verified_by is not None:
        return Step(title, DONE, f"Verificó {formal_request.verified_by} · {when(formal_request.verified_at)}")
    is_now = formal_request.status == Status.VERIFYING
    is_my_turn = is_now and reader.holds(Office.SUPERVISOR)
    return Step(title, NOW if is_now else AHEAD, "Usted · pendiente" if is_my_turn else "")


def _make_approval_steps(
    formal_request: FormalRequest, approvals: Iterable[NeededApproval], reader: User
) -> list[Step]:
    """Return a step for each needed approval: with its decision, or, during approval, who can give it."""
    is_now = formal_request.status == Status.IN_APPROVAL
    return [
        _make_decision_step(approval.label, approval.decision)
        if approval.decision is not None
        else Step(approval.label, NOW if is_now else AHEAD, describe_approval(approval, reader) if is_now else "")
        for approval in approvals
    ]


def _make_decision_step(title: str, decision: Decision) -> Step:
    """Return the step of an approval that was given or refused: by whom, when and why."""
    verb = "Aprobó" if decision.is_approval else "Rechazó"
    detail = f"{verb} {decision.decider_name} · {when(decision.decided_at)}"
    return Step(title, DONE, detail, decision.reason)


def _make_execution_step(formal_request: FormalRequest) -> Step:
    """Return the step of the execution: who applied the request and when, or who will."""
    title = "Implementación"
    if formal_request.status in APPLIED:
        return Step(title, DONE, f"{formal_request.implementer} · {when(formal_request.executed_at)}")
    if formal_request.status != Status.APPROVED:
        return Step(title, AHEAD)
    return Step(title, NOW, describe_execution(formal_request))


def _make_check_step(formal_request: FormalRequest) -> Step:
    """Return the step of the independent check that a waiver asks for: its result, or who makes it (M25)."""
    waiver, title = formal_request.waiver, "Revisión independiente"
    assert waiver is not None
    if waiver.checked_at is not None:
        verdict = "Conforme" if waiver.conform else "Con observaciones"
        return Step(title, DONE, f"{verdict} · {waiver.checker} · {when(waiver.checked_at)}", waiver.findings)
    until = f" · vence {when(waiver.check_due)}" if waiver.check_due else ""
    state = NOW if formal_request.status in APPLIED else AHEAD
    return Step(title, state, f"{waiver.checker}{until}")
