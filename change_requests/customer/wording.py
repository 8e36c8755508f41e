"""Say to the customer where a request stands, whose turn it is and what happened (M7, M16, M19).

Nothing here reads the database.
"""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from change_requests import policy, progress
from change_requests.customer.steps import Step
from change_requests.kinds.fields import find_row
from change_requests.kinds.registry import find_kind
from change_requests.kinds.values import Item
from change_requests.models import Clarification, Decision, FormalRequest
from change_requests.progress import STATUS_LOOKS
from factureya.core.models import Event
from factureya.core.templatetags.fy import when, when_long

Status = FormalRequest.Status
STAGES = (Status.SUBMITTED, Status.VERIFYING, Status.IN_APPROVAL, Status.APPROVED, Status.EXECUTED, Status.CLOSED)
# Their deadline is shown to the customer as a date; the time of an execution is written in a text.
SHOW_DEADLINE = frozenset({Status.SUBMITTED, Status.VERIFYING, Status.IN_APPROVAL})
STOPPED = "Detenida por «No fui yo»"


class Turn(NamedTuple):
    """Hold what follows: `look` is the box's colour, `act` names the customer's main action."""

    title: str
    text: str
    look: str = ""  # of fy-next: "", wait, closed, bad
    act: str = ""  # continue, code, answer, correct or nothing
    until: datetime | None = None


ACCESS_IN_APPROVAL = Turn(
    "Espera la aprobación del Responsable de Seguridad Informática", "Evalúa sus razones y decide por escrito."
)
TURNS = {
    Status.DRAFT: Turn(
        "Termine y envíe su solicitud", "Cada paso está guardado; puede seguir cuando quiera.", "wait", "continue"
    ),
    Status.SUBMITTED: Turn(
        "Falta confirmarla desde el correo registrado",
        "Enviamos un enlace a {mail}. Ábralo y confirme; hasta entonces nadie la revisa.",
        "wait",
    ),
    Status.VERIFYING: Turn(
        "La revisa la mesa de control",
        "Comprueba sus facultades, el formato y la evidencia. Si falta algo, le escribimos.",
    ),
    Status.IN_APPROVAL: Turn(
        "Espera la aprobación de dos personas",
        "El Propietario de la Información y el Responsable de Seguridad Informática evalúan sus razones y deciden por "
        "escrito.",
    ),
    Status.APPROVED: Turn("Está aprobada; falta aplicarla", "{dates}"),
    Status.EXECUTED: Turn("Ya se aplicó", "Se aplicó el {executed}. Revise que esté como lo pidió."),
    Status.CLOSED: Turn("Terminó", "Se aplicó el {executed}.", "closed"),
    Status.RETURNED: Turn(
        "Corríjala y envíela de nuevo", "Se la devolvimos y conserva su folio. {why}", "wait", "correct"
    ),
    Status.REJECTED: Turn("No se aprobó", "{refusals}", "bad"),
    Status.CANCELLED: Turn("Se retiró", "{why}", "closed"),
    Status.EXPIRED: Turn("Venció el plazo", "{why} Si todavía lo necesita, haga otra solicitud.", "bad"),
    Status.FAILED: Turn(
        "No se pudo aplicar",
        "Un dato cambió después de aprobarla, así que no escribimos nada. {why} Corríjala y envíela de nuevo.",
        "bad",
        "correct",
    ),
    Status.REVERTED: Turn("Se revirtió", "Sus datos volvieron a como estaban. {why}", "closed"),
}


class Row(NamedTuple):
    """Hold one changed field as the page shows it."""

    label: str
    old: str
    new: str


class Entry(NamedTuple):
    """Hold one event of the history in words."""

    text: str
    at: datetime
    icon: str


def describe_objection(formal: FormalRequest) -> str:
    """Return, for the person who said «no fui yo», what it did to the request: reported it, stopped it, or nothing."""
    if formal.alarmed_at is not None:  # said after the execution
        until = when_long(policy.find_alarm_deadline(formal))
        return f"Recibimos su aviso. El Responsable de Seguridad Informática lo revisa a más tardar el {until}."
    if formal.suspended_at is not None:  # said before the execution
        return "La detuvimos y avisamos a Seguridad Informática. Nada se aplica mientras se revisa."
    return "Ya no hay qué detener: la solicitud terminó sin aplicarse, o ya se revirtió."


def make_chip(formal: FormalRequest) -> tuple[str, str]:
    """Return the look, such as «bad», and the words of the request's status; if «no fui yo» stopped it, they say so."""
    if progress.is_stopped(formal):
        return "bad", STOPPED
    return STATUS_LOOKS[Status(formal.status)], formal.status_label


def waits_for_company(formal: FormalRequest) -> bool:
    """Return True if the company must do something now."""
    return progress.find_waiting(formal).is_company


def make_note(formal: FormalRequest) -> str:
    """Return the note in a row of the list: whose turn it is and until when; if it has ended, when it was executed."""
    if not formal.is_open:
        return when(formal.executed_at) if formal.executed_at else ""
    waiting = progress.find_waiting(formal)
    who = "le toca a usted" if waiting.is_company else waiting.who
    return f"{who}, antes del {when_long(waiting.due)}" if waiting.due else who


def list_changes(items: Iterable[Item]) -> list[Row]:
    """Return a request's changes as the customer reads them; words like «Sin acceso» stand for an empty new value."""
    rows = []
    for item in items:
        field = find_row(item["field"])
        old = field.customer_old.format(field.show(item["old"]))  # such as «La de hoy de {}»
        rows.append(Row(field.label, old, field.show(item["new"]) or field.customer_new))
    return rows


def make_title(formal: FormalRequest, payload: str) -> str:
    """Return the request's title, such as «Cambio de teléfono»: from the sent `payload` (JSON), or from its draft."""
    if payload and formal.status != Status.DRAFT:
        return find_kind(formal).title(json.loads(payload)["items"])
    return find_kind(formal).draft_title(formal.draft)


def list_stages(formal: FormalRequest) -> list[Step]:
    """Return the stages of a request for the line on its page: those passed, the current one, and those ahead.

    A closed request has passed all of them. A draft or a returned request shows its own status as the first stage. If
    a request ended early or was stopped, its status comes last, and no stage ahead is shown.
    """
    special_labels = FormalRequest.ACCESS_LABELS if formal.is_access else {}
    labels = [special_labels.get(status, status.label) for status in STAGES]
    passed = _count_passed_stages(formal)
    done = [Step(label, "done", "listo") for label in labels[:passed]]
    if formal.status == Status.CLOSED:
        return done
    _, status_label = make_chip(formal)
    current_step = Step(status_label, "now", "aquí está")
    is_stage = formal.status in STAGES and formal.suspended_at is None
    if not is_stage and formal.status not in (Status.DRAFT, Status.RETURNED):  # it ended early or was stopped
        return [*done, current_step]
    return [*done, current_step, *(Step(label, "", "") for label in labels[passed + 1 :])]


def _count_passed_stages(formal: FormalRequest) -> int:
    """Return how many of the STAGES (sent to closed) the request has passed: those before its status.

    A closed request has passed all of them, a draft or a returned request none. If it was rejected, cancelled, expired,
    failed or reverted, count the dates on record: each stage writes one when it is passed.
    """
    if formal.status == Status.CLOSED:
        return len(STAGES)
    if formal.status in STAGES:
        return STAGES.index(Status(formal.status))
    if formal.status in (Status.DRAFT, Status.RETURNED):
        return 0
    instants = (
        formal.submitted_at,
        formal.confirmed_at,
        formal.verified_at,
        formal.approved_at,
        formal.executed_at,
        formal.closed_at,
    )
    return sum(instant is not None for instant in instants)


def find_turn(
    formal: FormalRequest,
    *,
    is_requester: bool = True,
    question: Clarification | None = None,
    new_mail: str = "",
    reasons: Sequence[Decision] = (),
) -> Turn:
    """Return what follows with the request, for the box on its page: a title, a text, and the reader's main action.

    «No fui yo» comes first, then a `question` without answer, then `new_mail` (a new address, if nobody has typed the
    code mailed there), then the status. `reasons` are the decisions on this version. If somebody else began the
    request, the reader is not `is_requester`: the text says who began it, and there is no action.
    """
    if urgent := _find_urgent_turn(formal, question, new_mail):
        return urgent
    turn = _find_turn_by_status(formal, reasons)
    if turn.act and not is_requester:
        who = formal.requester.get_full_name()
        return turn._replace(act="", text=f"{turn.text} La sigue {who}, que la comenzó.")
    return turn


def _find_urgent_turn(formal: FormalRequest, question: Clarification | None, new_mail: str) -> Turn | None:
    """Return what comes before the status: «no fui yo», an open question, or a code to type; None for none of these."""
    if progress.is_stopped(formal):
        return Turn(
            "La detuvimos porque alguien avisó «No fui yo»",
            "Nada se aplica mientras tanto. El Responsable de Seguridad Informática la revisa y le escribe.",
            "bad",
        )
    if formal.alarmed_at is not None:
        return Turn(
            "Recibimos un aviso «No fui yo»",
            "El Responsable de Seguridad Informática lo revisa con su empresa; lo que se aplicó se puede revertir.",
            "bad",
            until=policy.find_alarm_deadline(formal),
        )
    if question is not None:
        return Turn(
            "Responda la pregunta que le hicimos",
            "El plazo está detenido hasta que responda. Si necesita corregir datos, corrija la solicitud.",
            "wait",
            "answer",
        )
    if new_mail:
        return Turn(
            "Escriba el código que enviamos al correo nuevo",
            f"Está en {new_mail}. Sin él no se puede aprobar el cambio de correo.",
            "wait",
            "code",
        )
    return None


def _find_turn_by_status(formal: FormalRequest, decisions: Sequence[Decision]) -> Turn:
    """Return what follows with a request by its status alone; the text of a refused one quotes its `decisions`."""
    status = Status(formal.status)
    refused = [decision for decision in decisions if not decision.is_approval]
    refusals = " ".join(f"{decision.get_office_display()}: {decision.reason}" for decision in refused)
    why = f"Motivo: {formal.outcome_reason}" if formal.outcome_reason else ""
    values = {  # for the names in braces in the texts of TURNS
        "mail": formal.customer.registered_email,
        "why": why,
        "refusals": refusals or why,
        "dates": _describe_execution_dates(formal),
        "executed": when_long(formal.executed_at),
    }
    turn = ACCESS_IN_APPROVAL if status == Status.IN_APPROVAL and formal.is_access else TURNS[status]
    until = formal.due_at if status in SHOW_DEADLINE else None
    return turn._replace(text=turn.text.format(**values).strip(), until=until)


def _describe_execution_dates(formal: FormalRequest) -> str:
    """Return the sentence that says until when an approved request is executed, and from when if it must wait."""
    if formal.execute_after and formal.approved_at and formal.execute_after > formal.approved_at:
        return (
            f"Por seguridad se aplica a partir del {when_long(formal.execute_after)}, y a más tardar el "
            f"{when_long(formal.execute_before)}. Le avisamos en cuanto quede."
        )
    return f"Se aplica a más tardar el {when_long(formal.execute_before)}. Le avisamos en cuanto quede."


# What the customer reads of each event; the others are the officers' own, and the steps of a draft.
OFFICES = dict(Decision.Office.choices)
VERBS: dict[str, tuple[str, str]] = {
    "request.created": ("{who} comenzó la solicitud", "document"),
    "request.form_received": ("Recibimos el formato por correo", "mail"),
    "request.submitted": ("{who} la firmó y la envió", "mail"),
    "request.deadline_moved": ("El plazo se movió porque cambió nuestro calendario", "clock"),
    "request.confirmed": ("Se confirmó desde el correo registrado", "check"),
    "request.code_sent": ("Enviamos otro código al correo nuevo", "mail"),
    "request.new_mail_proven": ("Se comprobó el correo nuevo", "check"),
    "request.verified": ("La mesa de control la verificó", "check"),
    "request.returned": ("La mesa de control la devolvió: {reason}", "swap"),
    "request.clarification_asked": ("Le pedimos una aclaración", "mail"),
    "request.clarification_answered": ("{who} respondió la aclaración", "check"),
    "request.reopened": ("{who} comenzó a corregirla", "swap"),
    "request.approved_by": ("Aprobó el {office}", "shield"),
    "request.approved": ("Aprobó el {office}: quedó aprobada", "shield"),
    "request.rejected": ("No se aprobó", "cross"),
    "request.designated": ("Se designó a quien la aplica", "person"),
    "request.sent_back": ("Volvió a aprobación: {reason}", "swap"),
    "request.executed": ("Se aplicó", "check"),
    "request.failed": ("No se pudo aplicar: {reason}", "cross"),
    "request.link_undelivered": ("El correo con el enlace para elegir contraseña se devolvió; se anuló", "mail"),
    "request.closed": ("Se cerró", "lock"),
    "request.withdrawn": ("Se retiró: {reason}", "cross"),
    "request.expired": ("Venció: {reason}", "clock"),
    "request.disowned": ("Alguien avisó «No fui yo»", "shield"),
    "request.alarm_seen": ("El Responsable de Seguridad Informática revisó el aviso «No fui yo»", "check"),
    "request.resumed": ("El Responsable de Seguridad Informática la reanudó", "check"),
    "request.reverted": ("Se revirtió", "swap"),
}


def list_history(events: Iterable[Event]) -> list[Entry]:
    """Return the entries of a request's history for its customer, in words; what concerns only staff is left out."""
    shown = [(event, *VERBS[event.verb]) for event in events if event.verb in VERBS]  # VERBS: text and icon
    return [Entry(_fill_text(text, event), event.at, icon) for event, text, icon in shown]


def _fill_text(text: str, event: Event) -> str:
    """Return a history entry's text with the event's actor, reason and office. An unknown office is «responsable»."""
    data = {"reason": "", **event.data, "who": event.actor_name}
    data["office"] = OFFICES.get(str(data.get("office")), "responsable")
    return text.format_map(data).removesuffix(": ")  # without a reason, no colon stands at the end
