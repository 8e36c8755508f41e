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
class Line:
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
    events: Sequence[Line]

    @property
    def head(self) -> str:
        """Return the hash of the last event: whoever keeps it can tell whether anything was changed since."""
        return self.events[-1].hash if self.events else ""


def read_history(formal_request: FormalRequest) -> History:
    """Return everything on record about the request, in six statements whatever there is."""
    given = DecisionSlot.objects.filter(request=formal_request).select_related("decision", "asset").order_by("pk")
    approvals, tokens = list(given), _read_tokens(formal_request)
    revisions = RequestRevision.objects.filter(request=formal_request).select_related("author").order_by("no")
    waivers = Waiver.objects.filter(request=formal_request).order_by("pk")
    return History(
        [_describe_version(revision, formal_request, approvals, tokens) for revision in revisions],
        list(Execution.objects.filter(request=formal_request).order_by("pk")),
        list(waivers.select_related("implementer", "approved_by", "checker")),
        [
            Line(event.seq, event.at, VERBS.get(event.verb, event.verb), event.actor_name or "Sistema", event.hash)
            for event in formal_request.events()
        ],
    )


def _read_tokens(formal_request: FormalRequest) -> dict[tuple[str, str], str]:
    """Return the token in the address of each file of the request, by the file's name and hash."""
    evidence = Evidence.objects.filter(request=formal_request).select_related("attachment")
    return {(row.attachment.name, row.sha256): row.attachment.token for row in evidence}


def _describe_version(
    revision: RequestRevision,
    formal_request: FormalRequest,
    approvals: list[DecisionSlot],
    tokens: dict[tuple[str, str], str],
) -> Version:
    """Return a revision in words, with its files and with the decisions about it."""
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
        _list_verdicts([row for row in approvals if row.revision_no == revision.no], is_current),
        is_current,
    )


def _list_verdicts(approvals: list[DecisionSlot], is_current: bool) -> list[Verdict]:
    """Return one verdict for each decision, with all the assets that it covers."""
    by_decision: dict[int, list[DecisionSlot]] = {}
    for row in approvals:
        by_decision.setdefault(row.decision_id, []).append(row)
    return [_describe_verdict(rows, is_current) for rows in by_decision.values()]


def _describe_verdict(rows: list[DecisionSlot], is_current: bool) -> Verdict:
    """Return the decision that these rows belong to in words, with a note when it does not count any more."""
    decision = rows[0].decision
    assets = ", ".join(str(row.asset) for row in rows if row.asset)
    note = "" if is_current else "Anulada: el contenido cambió después"
    if rows[0].voided_at is not None:
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
