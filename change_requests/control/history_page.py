"""The *expediente* as a page: every version, decision, message, execution and event of one request (M21)."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from accounts.models import Representative
from change_requests.control.request_page import Change, File, describe_changes
from change_requests.documents.signing import PublishedKey, find_present_key
from change_requests.kinds.fields import find_row
from change_requests.kinds.values import show_day
from change_requests.models import DecisionSlot, Evidence, Execution, FormalRequest, RequestRevision, Waiver
from change_requests.operations import find_readings_chain
from change_requests.recipients import Role
from factureya.core import clock
from factureya.core.models import Event
from factureya.core.templatetags.fy import when_full

VERBS = {
    "request.created": "Se abrió el borrador",
    "request.saved": "Se guardó el borrador",
    "request.evidence_added": "Se agregó evidencia",
    "request.evidence_dropped": "Se quitó evidencia",
    "request.evidence_altered": "La evidencia guardada no es la que se envió",
    "request.submitted": "Se envió",
    "request.code_sent": "Se envió un código al correo nuevo",
    "request.new_mail_proven": "Se confirmó el correo nuevo",
    "request.confirmed": "Se confirmó desde el correo registrado",
    "request.form_received": "Se guardó el formato que llegó por correo",
    "request.mail_kept": "Se guardó lo que decía el correo",
    "request.verified": "Mesa de control la verificó",
    "request.returned": "Se devolvió al cliente",
    "request.reopened": "El cliente la abrió para corregirla",
    "request.clarification_asked": "Se pidió una aclaración",
    "request.clarification_answered": "Se respondió la aclaración",
    "request.approved_by": "Se registró una aprobación",
    "request.approved": "Quedó aprobada",
    "request.rejected": "Se rechazó",
    "request.designated": "Se designó a quien implementa",
    "request.waived": "Se autorizó no segregar la función",
    "request.waiver_checked": "Se revisó lo hecho sin segregar",
    "request.execution_intended": "Comenzó la implementación",
    "request.executed": "Se aplicó lo aprobado",
    "request.failed": "No se aplicó: un dato había cambiado",
    "request.sent_back": "Volvió a aprobación",
    "request.link_undelivered": "Se devolvió el correo con el enlace de la clave; se anuló",
    "request.closed": "Se cerró",
    "request.withdrawn": "Se canceló",
    "request.disowned": "Se avisó «no fui yo»",
    "request.alarm_seen": "Se revisó el aviso «no fui yo»",
    "request.resumed": "Se reanudó",
    "request.expired": "Venció",
    "request.reverted": "La revirtió otra solicitud",
    "request.reminded": "Se recordó el plazo",
    "request.deadline_moved": "Se movió el plazo por un cambio del calendario",
    "request.expediente_downloaded": "Se descargó el expediente",
    "request.evidence_read": "Se descargó un archivo",
}
# The acts that the *expediente* tells in full, each with the facts that its event holds.
ACTS = (
    "request.confirmed",
    "request.new_mail_proven",
    "request.verified",
    "request.designated",
    "request.disowned",
    "request.alarm_seen",
    "request.resumed",
    "request.sent_back",
)
SAVED = "request.saved"  # a draft is saved many times; one line tells all of a row
METHODS = {
    "password": "con su contraseña, escrita otra vez",
    "session": "con la sesión que abrió",
    "link": "con el enlace del correo",
    "code": "con el código del correo",
    "mail": "por el correo, comprobado",
}
OFFICES = {("owner", "alternate"): "Suplente del Propietario de la Información"}


@dataclass(frozen=True)
class Fact:
    """Hold a label and a value in words."""

    label: str
    value: str


@dataclass(frozen=True)
class Version:
    """Hold a version of the content, with who sent it and how, and with the decisions about it."""

    no: int
    at: datetime
    author: str
    sha256: str
    reason: str
    effective: str
    changes: Sequence[Change]
    files: Sequence[File]
    decisions: Sequence["Verdict"]
    is_current: bool
    facts: Sequence[Fact]


@dataclass(frozen=True)
class Verdict:
    """Hold a decision; `note` says why it does not count any more, `proof` how its person was authenticated."""

    who: str
    office: str
    verdict: str
    reason: str
    at: datetime
    sha256: str
    note: str
    proof: str


@dataclass(frozen=True)
class Act:
    """Hold what somebody did about the request, with the facts that its event holds."""

    what: str
    who: str
    at: datetime
    facts: Sequence[Fact]


@dataclass(frozen=True)
class Applied:
    """Hold an attempt to apply the request, with each value before and after."""

    execution: Execution
    rows: Sequence[Change]


@dataclass(frozen=True)
class EventLine:
    """Hold an event of the chain, or several in a row that say the same: then `last_seq` is that of the last one."""

    seq: int
    at: datetime
    what: str
    who: str
    hash: str
    last_seq: int


@dataclass(frozen=True)
class History:
    """Hold everything that is on record about one request."""

    versions: Sequence[Version]
    acts: Sequence[Act]
    executions: Sequence[Applied]
    waivers: Sequence[Waiver]
    events: Sequence[EventLine]
    downloads: Sequence[EventLine]
    head: str  # the hash of the last event: whoever keeps it can tell whether anything was changed since
    key: PublishedKey
    printed_at: datetime


def read_history(formal_request: FormalRequest) -> History:
    """Return everything that is recorded about a request, for its *expediente*, in a fixed number of queries."""
    decided = DecisionSlot.objects.filter(request=formal_request).select_related("decision", "asset").order_by("pk")
    slots, tokens, events = list(decided), _read_tokens(formal_request), list(formal_request.events())
    revisions = RequestRevision.objects.filter(request=formal_request).select_related("author").order_by("no")
    waivers = Waiver.objects.filter(request=formal_request).order_by("pk")
    downloads = Event.objects.filter(chain=find_readings_chain(formal_request)).order_by("seq")  # a chain of its own
    executions = Execution.objects.filter(request=formal_request).order_by("pk")
    return History(
        versions=[_describe_version(revision, formal_request, slots, tokens, events) for revision in revisions],
        acts=[_describe_act(event) for event in events if event.verb in ACTS],
        executions=[_describe_execution(execution) for execution in executions],
        waivers=list(waivers.select_related("implementer", "approved_by", "checker")),
        events=_list_lines(events),
        downloads=_list_lines(downloads),
        head=events[-1].hash if events else "",
        key=find_present_key(),
        printed_at=clock.now(),
    )


def describe_proof(auth: dict[str, Any] | None) -> str:
    """Return in words how the person of an act was authenticated: method, second factor, IP address; "" if unknown."""
    method = METHODS.get((auth or {}).get("method", ""))
    if auth is None or method is None:
        return ""
    factor = " y su segundo factor" if auth["factor"] else ""
    return f"{method}{factor}" + (f", desde {auth['ip']}" if auth["ip"] else "")


def _read_tokens(formal_request: FormalRequest) -> dict[tuple[str, str], str]:
    """Return the token in each evidence file's address, by the file's name and hash, to make the link to the file."""
    evidence = Evidence.objects.filter(request=formal_request).select_related("attachment")
    return {(file.attachment.name, file.sha256): file.attachment.token for file in evidence}


def _describe_version(
    revision: RequestRevision,
    formal_request: FormalRequest,
    slots: list[DecisionSlot],
    tokens: dict[tuple[str, str], str],
    events: list[Event],
) -> Version:
    """Return one version of the content as the *expediente* shows it, with its files and the decisions about it.

    `slots` are the decided approvals of all versions; `tokens` make the files' links, by the file's name and hash;
    `events` are all of the request: they say how it was sent, and by which right each person decided.
    """
    payload = json.loads(revision.payload)
    is_current = revision.no == formal_request.revision_no
    version_events = [event for event in events if event.data.get("revision") == revision.no]
    sent = next((event for event in version_events if event.verb == "request.submitted"), None)
    return Version(
        revision.no,
        revision.created_at,
        str(revision.author),
        revision.sha256,
        payload["reason"],
        show_day(payload["effective_date"]),
        describe_changes(payload["items"]),
        [
            File(tokens.get((file["name"], file["sha256"]), ""), file["name"], file["size"], file["sha256"])
            for file in payload["evidence"]
        ],
        _list_verdicts([slot for slot in slots if slot.revision_no == revision.no], is_current, version_events),
        is_current,
        _list_sent_facts(sent.data) if sent else [],
    )


def _list_sent_facts(data: dict[str, Any]) -> list[Fact]:
    """Return how a version was sent, from its event: by whom, with which powers, by which channel, if under oath."""
    facts = [Fact("Llegó por", str(FormalRequest.Channel(data["channel"]).label))] if "channel" in data else []
    if isinstance(requester := data.get("requester"), dict):  # in older events it is only a name
        facts.insert(0, Fact("La solicita", requester["name"]))
    if powers := data.get("representative"):
        facts.append(Fact("Poderes", _describe_powers(powers)))
    if "oath" in data:
        facts.append(Fact("Bajo protesta de decir verdad", "Sí" if data["oath"] else "No"))
    if mail := data.get("mail"):
        facts.append(Fact("Correo que la trajo", f"{mail['from']} · Message-ID {mail['message_id'] or 'ninguno'}"))
    if proof := describe_proof(data.get("auth")):
        facts.append(Fact("Se acreditó", proof))
    return facts


def _describe_powers(powers: dict[str, Any]) -> str:
    """Return the powers with which somebody asked, from the event: whose, which kind, the deed, and their dates."""
    kind = Representative.Power(powers["power_kind"]).label
    until = f"hasta el {show_day(powers['valid_until'])}" if powers["valid_until"] else "sin fecha de término"
    document = powers["document_sha256"]
    parts = (
        powers["name"],
        str(kind).lower(),
        powers["instrument"] or "sin instrumento registrado",
        f"desde el {show_day(powers['valid_from'])}, {until}",
        f"SHA-256 del documento {document}" if document else "sin documento guardado",
    )
    return " · ".join(part for part in parts if part)


def _list_verdicts(slots: list[DecisionSlot], is_current: bool, version_events: list[Event]) -> list[Verdict]:
    """Return the decisions about one version in words; the slots of one decision (one for each asset) are joined."""
    by_decision: dict[int, list[DecisionSlot]] = {}
    for slot in slots:
        by_decision.setdefault(slot.decision_id, []).append(slot)
    data_by_decider = {event.actor_id: event.data for event in version_events if "verdict" in event.data}
    return [
        _describe_verdict(group, is_current, data_by_decider.get(group[0].decision.decider_id, {}))
        for group in by_decision.values()
    ]


def _describe_verdict(slots: list[DecisionSlot], is_current: bool, event_data: dict[str, Any]) -> Verdict:
    """Return one decision in words, from its slots: one for each asset, or one of security without an asset.

    A note says when it does not count any more: the content changed later (not `is_current`), or the decider lost
    the office. `event_data` is the data of the decision's event: it says whether an alternate stood in for the owner.
    """
    decision = slots[0].decision
    assets = ", ".join(str(slot.asset) for slot in slots if slot.asset)
    note = "" if is_current else "Anulada: el contenido cambió después"
    if slots[0].voided_at is not None:
        note = "Anulada: quien decidió perdió el cargo"
    office = OFFICES.get((decision.office, event_data.get("mandate", "")), decision.get_office_display())
    return Verdict(
        decision.decider_name,
        office + (f" ({assets})" if assets else ""),
        decision.get_verdict_display(),
        decision.reason,
        decision.decided_at,
        decision.sha256,
        note,
        describe_proof(event_data.get("auth")),
    )


def _describe_act(event: Event) -> Act:
    """Return an act in words, with the facts that its event holds and that are not empty."""
    data = event.data
    role = Role(data["role"]).label if data.get("role") else ""
    implementer = data.get("implementer")
    facts = (
        ("Desde el correo", data.get("mailbox")),
        ("Como", role),
        ("Enlace enviado", _show_instant(data.get("sent_at"))),
        ("SHA-256 del enlace", data.get("token_sha256")),
        ("Qué comprobó", data.get("note")),
        ("Comprobado por el sistema", _describe_checks(data.get("checks"))),
        ("Implementa", implementer["name"] if isinstance(implementer, dict) else data.get("implementer_name")),
        ("Motivo", data.get("reason")),
        ("Se acreditó", describe_proof(data.get("auth"))),
    )
    shown = [Fact(label, value) for label, value in facts if value]
    return Act(VERBS[event.verb], event.actor_name or "Sistema", event.at, shown)


def _describe_checks(checks: dict[str, Any] | None) -> str:
    """Return what was checked when the request was verified, in words; empty for an event without `checks`."""
    if not checks:
        return ""
    return f"confirmada desde {checks['mailbox']}, poderes vigentes, {checks['evidence']} archivos de evidencia"


def _describe_execution(execution: Execution) -> Applied:
    """Return an attempt to apply the request, with a row for each field: the value before and after."""
    rows = []
    for field_code, before in execution.before.items():
        field, after = find_row(field_code), execution.after.get(field_code)
        rows.append(Change(field.label, field.show(before), field.show(after) if after else "", field.is_risky))
    return Applied(execution, rows)


def _list_lines(events: Iterable[Event]) -> list[EventLine]:
    """Return the lines of a log, one for each event; consecutive saves of a draft by one person share one line."""
    lines = []
    for _, group in groupby(events, lambda event: (event.actor_id,) if event.verb == SAVED else event.seq):
        grouped = list(group)
        first, last = grouped[0], grouped[-1]  # the same event, except for saves
        what = VERBS.get(first.verb, first.verb) + (f" × {len(grouped)}" if len(grouped) > 1 else "")
        lines.append(EventLine(first.seq, last.at, what, first.actor_name or "Sistema", last.hash, last.seq))
    return lines


def _show_instant(text: str | None) -> str:
    """Return an instant of an event's data as it is printed; empty for none."""
    return when_full(datetime.fromisoformat(text)) if text else ""
