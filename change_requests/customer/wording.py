"""A request told to its customer: where it stands, whose turn it is, and what happened (M7, M16, M19).

Pure functions on what the page has in hand.
"""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from change_requests import words
from change_requests.customer.steps import Step
from change_requests.models import Clarification, Decision, FormalRequest
from factureya.core.models import Event
from factureya.core.templatetags.fy import when_long

Status = FormalRequest.Status
# The colour and shape of a status's chip (core.templatetags.fy.state_class).
CHIPS = {
    Status.DRAFT: "waiting", Status.SUBMITTED: "waiting", Status.VERIFYING: "open", Status.IN_APPROVAL: "open",
    Status.APPROVED: "open", Status.EXECUTED: "ok", Status.CLOSED: "closed", Status.RETURNED: "waiting",
    Status.REJECTED: "bad", Status.CANCELLED: "closed", Status.EXPIRED: "bad", Status.FAILED: "bad",
    Status.REVERTED: "closed",
}  # fmt: skip
LIFE = (
    Status.SUBMITTED,
    Status.VERIFYING,
    Status.IN_APPROVAL,
    Status.APPROVED,
    Status.EXECUTED,
    Status.CLOSED,
)
STOPPED = "Detenida por «No fui yo»"
WITHDRAWABLE = (Status.DRAFT, Status.RETURNED, *FormalRequest.WITH_PEOPLE)
REOPENABLE = (Status.RETURNED, Status.VERIFYING, Status.IN_APPROVAL, Status.FAILED)


class Turn(NamedTuple):
    """«Qué sigue»: what is to be done, by whom; `look` is the box's colour, `act` names the customer's main action."""

    title: str
    text: str
    look: str = ""  # of fy-next: "", wait, closed, bad
    act: str = ""  # continue, code, answer, correct or nothing
    until: datetime | None = None


class Row(NamedTuple):
    """An item as the page shows it."""

    label: str
    old: str
    new: str


class Entry(NamedTuple):
    """An event of the history, in words."""

    text: str
    at: datetime
    icon: str


def chip(formal: FormalRequest) -> tuple[str, str]:
    """The chip's look and words; a stopped request says so."""
    if formal.suspended_at is not None and formal.is_open:
        return "bad", STOPPED
    return CHIPS[Status(formal.status)], formal.status_label


def rows(items: Iterable[words.Item]) -> list[Row]:
    """Old and new of each item, in words."""
    return [_row(item) for item in items]


def _row(item: words.Item) -> Row:
    field, old, new = item["field"], item["old"], item["new"]
    label = words.label(field)
    if field == "contact":
        return Row(label, old, "Sin acceso")
    if field == "password":
        return Row(label, f"La de hoy de {old}", "Otra, que la persona elige con un enlace")
    return Row(label, words.value(field, old), words.value(field, new))


def title(formal: FormalRequest, payload: str) -> str:
    """«Cambio de teléfono»: of the version that was sent, or of what the draft has so far. No query."""
    if payload and formal.status != Status.DRAFT:
        return words.title(formal.form, formal.kind, json.loads(payload)["items"])
    named = [
        field for field in formal.draft.get("items") or {} if not field.startswith("representative")
    ]
    named += ["representative"] if len(named) < len(formal.draft.get("items") or {}) else []
    items = [{"asset": "", "field": field, "old": "", "new": ""} for field in named]
    if name := (formal.draft.get("person") or {}).get("full_name"):
        items.append({"asset": "access", "field": "full_name", "old": "", "new": name})
    return words.title(formal.form, formal.kind, items)


def life(formal: FormalRequest) -> list[Step]:
    """The line of stages: those that were passed, the one where it is; an end that is no stage stands in its place."""
    labels = {
        status: FormalRequest.ACCESS_LABELS.get(status, status.label) if formal.is_access else status.label
        for status in LIFE
    }  # fmt: skip
    reached = _reached(formal)
    steps = [
        Step(label, "done" if n < reached else "", "listo" if n < reached else "")
        for n, label in enumerate(labels.values())
    ]
    if formal.status == Status.CLOSED:
        return steps
    here = Step(chip(formal)[1], "now", "aquí está")
    is_stage = formal.status in LIFE and formal.suspended_at is None
    if is_stage or formal.status in (Status.DRAFT, Status.RETURNED):
        steps[reached] = here
        return steps
    return [*steps[:reached], here]


def _reached(formal: FormalRequest) -> int:
    """How many stages are behind it."""
    if formal.status in LIFE:
        return LIFE.index(Status(formal.status)) + (formal.status == Status.CLOSED)
    if formal.status in (Status.DRAFT, Status.RETURNED):
        return 0
    instants = (
        formal.submitted_at, formal.confirmed_at, formal.verified_at, formal.approved_at, formal.executed_at,
        formal.closed_at,
    )  # fmt: skip
    return sum(instant is not None for instant in instants)


def turn(
    formal: FormalRequest,
    *,
    question: Clarification | None = None,
    new_mail: str = "",
    reasons: Sequence[Decision] = (),
) -> Turn:
    """What follows. `question`: the one that waits for its answer; `new_mail`: the address whose code is awaited."""
    if formal.suspended_at is not None and formal.is_open:
        return Turn(
            "La detuvimos porque alguien avisó «No fui yo»",
            "Nada se aplica mientras tanto. El Responsable de Seguridad Informática la revisa y le escribe.",
            "bad",
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
    return _by_status(formal, reasons)


def _by_status(formal: FormalRequest, reasons: Sequence[Decision]) -> Turn:
    status, mail = Status(formal.status), formal.customer.registered_email
    told = formal.outcome_reason
    why = f"Motivo: {told}" if told else ""
    refusals = " ".join(
        f"{d.get_office_display()}: {d.reason}" for d in reasons if not d.is_approval
    )
    fixed = {
        Status.DRAFT: Turn(
            "Termine y envíe su solicitud", "Cada paso está guardado; puede seguir cuando quiera.",
            "wait", "continue",
        ),
        Status.SUBMITTED: Turn(
            "Falta confirmarla desde el correo registrado",
            f"Enviamos un enlace a {mail}. Ábralo y confirme; hasta entonces nadie la revisa.", "wait",
        ),
        Status.VERIFYING: Turn(
            "La revisa la mesa de control",
            "Comprueba sus facultades, el formato y la evidencia. Si falta algo, le escribimos.",
        ),
        Status.IN_APPROVAL: Turn(
            "Espera la aprobación del Responsable de Seguridad Informática" if formal.is_access
            else "Espera la aprobación de dos personas",
            "Evalúa sus razones y decide por escrito." if formal.is_access
            else "El Propietario de la Información y el Responsable de Seguridad Informática evalúan sus razones y "
            "deciden por escrito.",
        ),
        Status.APPROVED: Turn("Está aprobada; falta aplicarla", _window(formal)),
        Status.EXECUTED: Turn(
            "Ya se aplicó", f"Se aplicó el {when_long(formal.executed_at)}. Revise que esté como lo pidió."
        ),
        Status.CLOSED: Turn("Terminó", f"Se aplicó el {when_long(formal.executed_at)}.", "closed"),
        Status.RETURNED: Turn(
            "Corríjala y envíela de nuevo", f"Se la devolvimos y conserva su folio. {why}", "wait", "correct"
        ),
        Status.REJECTED: Turn("No se aprobó", refusals or why, "bad"),
        Status.CANCELLED: Turn("Se retiró", why, "closed"),
        Status.EXPIRED: Turn("Venció el plazo", f"{why} Si todavía lo necesita, haga otra solicitud.", "bad"),
        Status.FAILED: Turn(
            "No se pudo aplicar",
            f"Un dato cambió después de aprobarla, así que no escribimos nada. {why} Corríjala y envíela de nuevo.",
            "bad", "correct",
        ),
        Status.REVERTED: Turn("Se revirtió", f"Sus datos volvieron a como estaban. {why}", "closed"),
    }  # fmt: skip
    found = fixed[status]
    return found._replace(text=found.text.strip(), until=formal.due_at)


def _window(formal: FormalRequest) -> str:
    """When an approved request is carried out."""
    if formal.execute_after and formal.approved_at and formal.execute_after > formal.approved_at:
        return (
            f"Por seguridad se aplica a partir del {when_long(formal.execute_after)}, y a más tardar el "
            f"{when_long(formal.execute_before)}. Le avisamos en cuanto quede."
        )
    return f"Se aplica a más tardar el {when_long(formal.execute_before)}. Le avisamos en cuanto quede."


# What the customer reads of each event; one that is not here is the officers' own.
VERBS: dict[str, tuple[str, str]] = {}


def history(events: Iterable[Event]) -> list[Entry]:
    """The events that are the customer's, in words."""
    told = []
    for event in events:
        if event.verb in VERBS:
            text, icon = VERBS[event.verb]
            told.append(Entry(_filled(text, event), event.at, icon))
    return told


def _filled(text: str, event: Event) -> str:
    data: dict[str, Any] = {"who": event.actor_name, **event.data}
    return text.format_map(data)
