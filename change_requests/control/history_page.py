"""The *expediente* as a page: every version, decision, message, execution and event of one request (M21)."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from change_requests.control.request_page import Change, File, describe_changes
from change_requests.kinds.values import show_day
from change_requests.models import DecisionSlot, Evidence, Execution, FormalRequest, RequestRevision, Waiver

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
}


@dataclass(frozen=True)
class Version:
    """Hold a version of the content, with the decisions about it."""

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
    """Hold a decision; `note` says why it does not count any more."""

    who: str
    office: str
    verdict: str
    reason: str
    at: datetime
    sha256: str
    note: str


@dataclass(frozen=True)
class EventLine:
    """Hold an event of the chain."""

    seq: int
    at: datetime
    what: str
    who: str
    hash: str


@dataclass(frozen=True)
class History:
    """Hold everything that is on record about one request."""

    versions: Sequence[Version]
    executions: Sequence[Execution]
    waivers: Sequence[Waiver]
    events: Sequence[EventLine]

    @property
    def head(self) -> str:
        """Return the hash of the last event: whoever keeps it can tell whether anything was changed since."""
        return self.events[-1].hash if self.events else ""


def read_history(formal_request: FormalRequest) -> History:
    """Return all on record about a request, for its *expediente*, in a fixed number of queries."""
    decided = DecisionSlot.objects.filter(request=formal_request).select_related("decision", "asset").order_by("pk")
    slots, tokens = list(decided), _read_tokens(formal_request)
    revisions = RequestRevision.objects.filter(request=formal_request).select_related("author").order_by("no")
    waivers = Waiver.objects.filter(request=formal_request).order_by("pk")
    return History(
        [_describe_version(revision, formal_request, slots, tokens) for revision in revisions],
        list(Execution.objects.filter(request=formal_request).order_by("pk")),
        list(waivers.select_related("implementer", "approved_by", "checker")),
        [
            EventLine(event.seq, event.at, VERBS.get(event.verb, event.verb), event.actor_name or "Sistema", event.hash)
            for event in formal_request.events()
        ],
    )


def _read_tokens(formal_request: FormalRequest) -> dict[tuple[str, str], str]:
    """Return the token in each evidence file's address, by the file's name and hash, to make the link to the file."""
    evidence = Evidence.objects.filter(request=formal_request).select_related("attachment")
    return {(file.attachment.name, file.sha256): file.attachment.token for file in evidence}


def _describe_version(
    revision: RequestRevision,
    formal_request: FormalRequest,
    slots: list[DecisionSlot],
    tokens: dict[tuple[str, str], str],
) -> Version:
    """Return one version of the content as the *expediente* shows it, with its files and the decisions about it.

    `slots` are the decided approvals of all versions; `tokens` make the files' links, by the file's name and hash.
    """
    payload = json.loads(revision.payload)
    is_current = revision.no == formal_request.revision_no
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
        _list_verdicts([slot for slot in slots if slot.revision_no == revision.no], is_current),
        is_current,
    )


def _list_verdicts(slots: list[DecisionSlot], is_current: bool) -> list[Verdict]:
    """Return the decisions about one version in words; slots of the same decision (one for each asset) are joined."""
    by_decision: dict[int, list[DecisionSlot]] = {}
    for slot in slots:
        by_decision.setdefault(slot.decision_id, []).append(slot)
    return [_describe_verdict(group, is_current) for group in by_decision.values()]


def _describe_verdict(slots: list[DecisionSlot], is_current: bool) -> Verdict:
    """Return one decision in words, from its slots: one for each asset, or one of security without an asset.

    A note says when it does not count any more: the content changed later (not `is_current`), or the decider lost
    the office.
    """
    decision = slots[0].decision
    assets = ", ".join(str(slot.asset) for slot in slots if slot.asset)
    note = "" if is_current else "Anulada: el contenido cambió después"
    if slots[0].voided_at is not None:
        note = "Anulada: quien decidió perdió el cargo"
    return Verdict(
        decision.decider_name,
        decision.get_office_display() + (f" ({assets})" if assets else ""),
        decision.get_verdict_display(),
        decision.reason,
        decision.decided_at,
        decision.sha256,
        note,
    )
