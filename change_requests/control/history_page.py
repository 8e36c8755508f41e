"""The *expediente* as a page: every version, decision, message, execution and event of one request (M21)."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from change_requests.control.request_page import Change, File, changes_of
from change_requests.kinds.values import show_day
from change_requests.models import (
    DecisionSlot,
    Evidence,
    Execution,
    FormalRequest,
    RequestRevision,
    Waiver,
)
from factureya.core.models import Event

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
}


@dataclass(frozen=True)
class Version:
    """A version of the content, with what was decided about it."""

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


@dataclass(frozen=True)
class Verdict:
    """A decision; `note` says when it does not count any more."""

    who: str
    office: str
    verdict: str
    reason: str
    at: datetime
    sha256: str
    note: str


@dataclass(frozen=True)
class Line:
    """An event of the chain."""

    seq: int
    at: datetime
    what: str
    who: str
    hash: str


@dataclass(frozen=True)
class Record:
    """Everything there is."""

    versions: Sequence[Version]
    executions: Sequence[Execution]
    waivers: Sequence[Waiver]
    events: Sequence[Line]

    @property
    def head(self) -> str:
        """The hash of the last event: whoever keeps it can tell whether anything was changed since."""
        return self.events[-1].hash if self.events else ""


def of(formal: FormalRequest) -> Record:
    """Six statements, whatever there is."""
    slots = list(DecisionSlot.objects.filter(request=formal).select_related("decision", "asset").order_by("pk"))
    evidence = list(Evidence.objects.filter(request=formal).select_related("attachment"))
    revisions = RequestRevision.objects.filter(request=formal).select_related("author").order_by("no")
    waivers = Waiver.objects.filter(request=formal).order_by("pk")
    return Record(
        [_version(revision, formal, slots, evidence) for revision in revisions],
        list(Execution.objects.filter(request=formal).order_by("pk")),
        list(waivers.select_related("implementer", "approved_by", "checker")),
        [_line(event) for event in Event.objects.filter(chain=formal.chain).order_by("seq")],
    )


def _version(
    revision: RequestRevision,
    formal: FormalRequest,
    slots: list[DecisionSlot],
    evidence: list[Evidence],
) -> Version:
    payload = json.loads(revision.payload)
    tokens = {(row.attachment.name, row.sha256): row.attachment.token for row in evidence}
    return Version(
        revision.no,
        revision.created_at,
        str(revision.author),
        revision.sha256,
        payload["reason"],
        show_day(payload["effective_date"]),
        changes_of(payload["items"]),
        [
            File(tokens.get((file["name"], file["sha256"]), ""), file["name"], file["size"], file["sha256"])
            for file in payload["evidence"]
        ],
        _verdicts([slot for slot in slots if slot.revision_no == revision.no], revision.no == formal.revision_no),
        revision.no == formal.revision_no,
    )


def _verdicts(slots: list[DecisionSlot], is_current: bool) -> list[Verdict]:
    """One for each decision, with the assets that it covers."""
    by_decision: dict[int, list[DecisionSlot]] = {}
    for slot in slots:
        by_decision.setdefault(slot.decision_id, []).append(slot)
    return [_verdict(of_one, is_current) for of_one in by_decision.values()]


def _verdict(slots: list[DecisionSlot], is_current: bool) -> Verdict:
    decision = slots[0].decision
    assets = ", ".join(str(slot.asset) for slot in slots if slot.asset)
    office = decision.get_office_display() + (f" ({assets})" if assets else "")
    note = "" if is_current else "Anulada: el contenido cambió después"
    if slots[0].voided_at is not None:
        note = "Anulada: quien decidió perdió el cargo"
    return Verdict(
        decision.decider_name,
        office,
        decision.get_verdict_display(),
        decision.reason,
        decision.decided_at,
        decision.sha256,
        note,
    )


def _line(event: Event) -> Line:
    what = VERBS.get(event.verb, event.verb)
    return Line(event.seq, event.at, what, event.actor_name or "Sistema", event.hash)
