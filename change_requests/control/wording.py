"""A request told to mesa de control: its state in a word and a colour, what is late, and whose turn it is."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from change_requests.approvals import NeededApproval
from change_requests.models import FormalRequest
from change_requests.progress import STATUS_LOOKS, Task, find_waiting
from factureya.core import clock
from factureya.core.templatetags.fy import when

if TYPE_CHECKING:
    from change_requests.control.request_page import RequestPage

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
    """Return what is wrong, in red: suspended, overdue, done under a waiver and not yet checked (M25)."""
    marks = []
    if formal_request.suspended_at is not None:
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
    """Return « · vence mañana, 16:20», or that the deadline is stopped; empty when nobody owes anything."""
    due = formal_request.due_at
    if formal_request.due_minutes_left is not None:
        return " · el plazo está detenido hasta que el cliente responda"
    if due is None or formal_request.status not in (*WITH_US, Status.SUBMITTED, Status.RETURNED):
        return ""
    return f" · {'venció' if due < clock.now() else 'vence'} {when(due)}"


def describe_turn(page: "RequestPage") -> Turn:
    """Return who acts now, for a reader who may do nothing."""
    task = find_waiting(page.formal_request).task
    title, text = _TURNS.get(task, ("Ya terminó", "Nadie debe hacer nada más con ella."))
    if task in (Task.DECIDE, Task.GIVE_BACK):
        text = _name_deciders(page)
    elif task in (Task.DESIGNATE, Task.EXECUTE):
        text = describe_execution(page.formal_request)
    return Turn(title, text)


def describe_approval(approval: NeededApproval, page: "RequestPage") -> str:
    """Return «Usted · pendiente», or who could give the approval; an owner's names its data."""
    assets = ", ".join(asset.name for asset in approval.assets)
    who = "Usted · pendiente" if page.user.pk in approval.deciders else _name_owners(approval)
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
    """Return True if somebody of ours owes an act since before now."""
    due = formal_request.due_at
    is_running = formal_request.status in WITH_US and formal_request.due_minutes_left is None
    return is_running and due is not None and due < clock.now()


def _name_deciders(page: "RequestPage") -> str:
    """Return which approvals are missing and who could give them; a reader who decided learns only that some are."""
    if page.user.pk in page.decider_ids:
        return "Usted ya decidió sobre esta versión; faltan otras aprobaciones."
    return " ".join(f"{approval.label}: {describe_approval(approval, page)}." for approval in page.open_approvals)


def _name_owners(approval: NeededApproval) -> str:
    """Return the names of the owners who could give the approval; security's officers are not named."""
    if not approval.deciders:
        return "Nadie puede darla hoy: falta quien tenga el cargo"
    people = {
        person.pk: person
        for asset in approval.assets
        for person in (asset.owner, asset.alternate)
        if person is not None and person.pk in approval.deciders
    }
    return " o ".join(str(person) for person in people.values()) or "Pendiente"
