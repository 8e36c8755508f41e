"""Compare the rows of formal requests with their events, for `verify_audit` (M26).

An event cannot be changed; a row can, by whoever owns the tables. What the rows say of a request must be what its
events say. Events of older releases say less: only what they say is compared. A flaw names the chain and the event.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.db.models import Prefetch, QuerySet

from change_requests.models import Decision, DecisionSlot, Evidence, Execution, FormalRequest, ReceivedForm, Waiver
from change_requests.record.facts import describe_columns, describe_execution, describe_file, hash_text, show_instant
from factureya.core.audit import Flaw
from factureya.core.models import Event

_REQUESTS_AT_A_TIME = 200
_APPROVALS = frozenset({"request.approved_by", "request.approved", "request.rejected"})
_EXECUTIONS = {"request.executed": "ok", "request.failed": "drift"}
_DECISION_FACTS = ("sha256", "office", "verdict")


@dataclass
class History:
    """Hold what the events of one request tell, each with the number of its event."""

    columns: dict[str, tuple[int, Any]] = field(default_factory=dict)
    versions: dict[int, Event] = field(default_factory=dict)
    decisions: dict[tuple[int, int | None], Event] = field(default_factory=dict)
    voided: dict[int, str] = field(default_factory=dict)
    unclear_versions: set[int] = field(default_factory=set)  # an older release did not say which slots it voided
    waivers: dict[int, Event] = field(default_factory=dict)
    checks: dict[int, Event] = field(default_factory=dict)
    dues: dict[int, str] = field(default_factory=dict)  # by when each waiver must be checked
    executions: list[Event] = field(default_factory=list)
    evidence: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    tells_evidence: bool = True  # False if an event of an older release tells too little to compare it
    tells_waivers: bool = True  # likewise
    forms: list[Event] = field(default_factory=list)
    messages: dict[int, Event] = field(default_factory=dict)
    texts: dict[int, Event] = field(default_factory=dict)
    first: Event | None = None


def find_flaws() -> Iterator[Flaw]:
    """Yield a flaw for each row of a formal request that its events contradict, or that no event records."""
    last_pk = 0
    while requests := list(_load_requests().filter(pk__gt=last_pk)[:_REQUESTS_AT_A_TIME]):
        events = _read_chains(requests)
        for request in requests:
            if any(check_request(request, events[request.chain])):
                yield from _check_locked(request.pk)  # read again: it may have changed between two reads
        last_pk = requests[-1].pk


def find_flaws_of(pk: int) -> list[Flaw]:
    """Return the flaws of one request. If there are any, it is locked and read again: it may have changed meanwhile."""
    request = _load_requests().get(pk=pk)
    events = _read_chains([request])[request.chain]
    return _check_locked(pk) if any(check_request(request, events)) else []


def check_request(request: FormalRequest, events: list[Event]) -> Iterator[Flaw]:
    """Yield the flaws of one request: where its rows and its `events`, the oldest first, differ."""
    if not events:
        yield Flaw(request.chain, 0, f"la solicitud {request.folio} no tiene eventos")
        return
    history = read_events(events)
    for check in _CHECKS:
        for seq, problem in check(request, history):
            yield Flaw(request.chain, seq, f"{request.folio}: {problem}")


def read_events(events: Iterable[Event]) -> History:
    """Return what the events of one request, the oldest first, tell of its rows."""
    history = History()
    for event in events:
        data = event.data
        history.first = history.first or event
        for name, value in data.get("columns", {}).items():
            history.columns[name] = (event.seq, value)
        _READERS.get(event.verb, _read_nothing)(history, event)
        for slot in data.get("voided", ()):  # the keys of the decision slots that this event voided
            history.voided[slot] = data["voided_at"]
    return history


# -- What each event tells ---------------------------------------------------------------------------


def _read_nothing(history: History, event: Event) -> None:
    """Do nothing: the event tells nothing but columns."""


def _read_submission(history: History, event: Event) -> None:
    history.versions[event.data["revision"]] = event


def _read_decision(history: History, event: Event) -> None:
    history.decisions[event.data["revision"], event.actor_id] = event


def _read_sent_back(history: History, event: Event) -> None:
    """Note the request's version that went back to approval, if an older release did not record what that voided."""
    if "voided" not in event.data:
        history.unclear_versions.add(event.data["revision"])


def _read_waiver(history: History, event: Event) -> None:
    history.tells_waivers &= "waiver" in event.data
    history.waivers[event.data.get("waiver", 0)] = event


def _read_waiver_check(history: History, event: Event) -> None:
    history.tells_waivers &= "waiver" in event.data
    history.checks[event.data.get("waiver", 0)] = event


def _read_execution(history: History, event: Event) -> None:
    """Note an execution. Under a waiver, an event of an older release does not say by when to check the waiver."""
    history.executions.append(event)
    if waiver := event.data.get("waiver"):
        history.tells_waivers &= "check_due" in event.data  # stays False after one event that lacks it
        history.dues[waiver] = event.data.get("check_due", "")


def _read_added_evidence(history: History, event: Event) -> None:
    """Count the files that were added; an event of an older release says only how many."""
    history.tells_evidence &= "evidence" in event.data  # stays False after one event that lacks it
    history.evidence.update(_name_file(file) for file in event.data.get("evidence", ()))


def _read_dropped_evidence(history: History, event: Event) -> None:
    """Take off a file that was removed; an event of an older release does not say which."""
    history.tells_evidence &= "name" in event.data  # stays False after one event that lacks it
    if history.tells_evidence:
        history.evidence.subtract([_name_file(event.data)])


def _read_form(history: History, event: Event) -> None:
    history.forms.append(event)


def _read_message(history: History, event: Event) -> None:
    history.messages[event.data["clarification"]] = event


def _read_text(history: History, event: Event) -> None:
    history.texts[event.data["text"]] = event


_READERS = {
    "request.submitted": _read_submission,
    **dict.fromkeys(_APPROVALS, _read_decision),
    "request.sent_back": _read_sent_back,
    "request.waived": _read_waiver,
    "request.waiver_checked": _read_waiver_check,
    **dict.fromkeys(_EXECUTIONS, _read_execution),
    "request.evidence_added": _read_added_evidence,
    "request.evidence_dropped": _read_dropped_evidence,
    "request.form_received": _read_form,
    "request.clarification_asked": _read_message,
    "request.clarification_answered": _read_message,
    "request.mail_kept": _read_text,
}

# -- What is compared --------------------------------------------------------------------------------

Problems = Iterator[tuple[int, str]]


def _check_columns(request: FormalRequest, history: History) -> Problems:
    """Yield (event number, problem) for each column that is not as the last event about it says.

    Form, kind and `revert_of` never change: they are compared with the first event.
    """
    assert history.first is not None
    saved = describe_columns(request, history.columns)
    for name, (seq, value) in history.columns.items():
        if saved[name] != value:
            yield seq, f"«{name}» es {saved[name]!r} y el evento dejó {value!r}"
    initial = {name: history.first.data[name] for name in ("form", "kind", "revert_of") if name in history.first.data}
    today = {"form": request.form, "kind": request.kind, "revert_of": request.revert_of and request.revert_of.folio}
    for name, value in initial.items():
        if today[name] != value:
            yield history.first.seq, f"«{name}» es {today[name]!r} y nació {value!r}"


def _check_versions(request: FormalRequest, history: History) -> Problems:
    """Yield the versions that differ from their submission, were never submitted, or are gone."""
    rows = {row.no: row for row in request.revisions.all()}
    yield from _compare_keys("la versión", rows, history.versions)
    for number in rows.keys() & history.versions.keys():
        row, event = rows[number], history.versions[number]
        if hash_text(row.payload) != row.sha256:
            yield event.seq, f"el contenido de la versión {number} no corresponde a su hash"
        facts = {"sha256": row.sha256, "freeze_hours": row.freeze_hours}
        yield from _compare_facts(f"la versión {number}", facts, event)
        if row.author_id != event.actor_id:
            yield event.seq, f"la versión {number} es de otro autor"


def _check_decisions(request: FormalRequest, history: History) -> Problems:
    """Yield the decisions that differ from their event, that no event records, or that are gone.

    Whether a decision was voided is compared too, unless an older release did not record it (`unclear_versions`).
    """
    rows = {(row.revision_no, row.decider_id): row for row in request.decisions.all()}
    yield from _compare_keys("la decisión", rows, history.decisions)
    for key in rows.keys() & history.decisions.keys():
        row, event, name = rows[key], history.decisions[key], f"la decisión de {rows[key].decider_name}"
        yield from _compare_facts(name, _describe_decision(row), event)
        if row.decider_name != event.actor_name:
            yield event.seq, f"{name} lleva otro nombre"
        for slot in row.slots.all() if row.revision_no not in history.unclear_versions else ():
            if show_instant(slot.voided_at) != history.voided.get(slot.pk):
                yield event.seq, f"{name} se anuló, o dejó de estar anulada, sin evento"


def _check_waivers(request: FormalRequest, history: History) -> Problems:
    """Yield the waivers and their checks that differ from their events, that no event records, or that are gone."""
    if not history.tells_waivers:
        return  # an older release wrote too little to compare with
    rows = {row.pk: row for row in request.waivers.all()}
    yield from _compare_keys("la dispensa", rows, history.waivers)
    for pk in rows.keys() & history.waivers.keys():
        row, event, name = rows[pk], history.waivers[pk], f"la dispensa {pk}"
        yield from _compare_facts(name, _describe_waiver(row), event)
        people = (row.approved_by_id, row.implementer_id, row.checker_id)
        if people != (event.actor_id, event.data["implementer"]["pk"], event.data["checker"]["pk"]):
            yield event.seq, f"{name} nombra a otras personas"
        if show_instant(row.check_due) != history.dues.get(pk):
            yield event.seq, f"{name} vence en otra fecha"
        check = history.checks.get(pk)
        if check is None and row.checked_at is not None:
            yield event.seq, f"{name} se revisó sin evento"
        if check is not None:
            yield from _compare_facts(f"la revisión de {name}", _describe_check(row), check)


def _check_executions(request: FormalRequest, history: History) -> Problems:
    """Yield the executions that differ from their events, compared in order, and say if there are more or fewer."""
    rows = list(request.executions.all())
    if len(rows) != len(history.executions):
        yield history.executions[-1].seq if history.executions else 0, "no hay una ejecución por cada evento"
    for row, event in zip(rows, history.executions, strict=False):
        facts = describe_execution(row) | {"revision": row.revision_no}
        yield from _compare_facts(f"la ejecución de {row.executor_name}", facts, event)
        who = (row.executor_id, row.executor_name)
        if who != (event.actor_id, event.actor_name) or row.result != _EXECUTIONS[event.verb]:
            yield event.seq, f"la ejecución de {row.executor_name} tiene otro resultado, o es de otra persona"


def _check_evidence(request: FormalRequest, history: History) -> Problems:
    """Yield the evidence that no event records, that is gone, or whose hash is not that of its stored file."""
    if not history.tells_evidence:
        return  # an older release wrote too little to compare with
    rows = Counter(_name_file(describe_file(row.attachment)) for row in request.evidence.all() if not row.dropped_at)
    for name, _, _ in sorted((rows - history.evidence).keys() | (history.evidence - rows).keys()):
        yield 0, f"la evidencia «{name}» no es la que dicen los eventos"
    for row in request.evidence.all():
        if row.sha256 != row.attachment.sha256:
            yield 0, f"la evidencia «{row.attachment.name}» tiene otro hash que su archivo"


def _check_forms(request: FormalRequest, history: History) -> Problems:
    """Yield the received forms that differ from their events, compared in order, and say if more or fewer are there."""
    rows = list(request.received_forms.all())
    if len(rows) != len(history.forms):
        yield 0, "no hay un formato recibido por cada evento"
    for row, event in zip(rows, history.forms, strict=False):
        if (row.sha256, row.mail_sha256) != (event.data["form"]["sha256"], event.data["mail"]["sha256"]):
            yield event.seq, f"el formato recibido «{row.name}» es otro"


def _check_words(request: FormalRequest, history: History) -> Problems:
    """Yield the questions, answers and mails' texts that differ from their events, that none records, or are gone."""
    for label, rows, events in (
        ("la aclaración", request.clarifications.all(), history.messages),
        ("el texto del correo", request.mail_texts.all(), history.texts),
    ):
        by_pk = {row.pk: row for row in rows}
        yield from _compare_keys(label, by_pk, events)
        for pk in by_pk.keys() & events.keys():
            if hash_text(by_pk[pk].body) != events[pk].data["text_sha256"]:
                yield events[pk].seq, f"{label} {pk} dice otra cosa"


_CHECKS = (
    _check_columns,
    _check_versions,
    _check_decisions,
    _check_waivers,
    _check_executions,
    _check_evidence,
    _check_forms,
    _check_words,
)


# -- Private -----------------------------------------------------------------------------------------


def _check_locked(pk: int) -> list[Flaw]:
    """Lock one request and return its flaws; without the lock, an operation could change it between two reads."""
    with transaction.atomic():
        FormalRequest.objects.select_for_update().only("pk").get(pk=pk)
        request = _load_requests().get(pk=pk)
        return list(check_request(request, _read_chains([request])[request.chain]))


def _read_chains(requests: list[FormalRequest]) -> dict[str, list[Event]]:
    """Return the events of each request, the oldest first, by the name of its chain."""
    events: dict[str, list[Event]] = {request.chain: [] for request in requests}
    for event in Event.objects.filter(chain__in=events).order_by("chain", "seq").iterator(chunk_size=2000):
        events[event.chain].append(event)
    return events


def _load_requests() -> QuerySet[FormalRequest]:
    """Return a query of requests, ordered by key, with all rows to compare, in a fixed number of queries."""
    slots = Prefetch("slots", DecisionSlot.objects.select_related("asset").order_by("pk"))
    return (
        FormalRequest.objects.select_related("revert_of")
        .prefetch_related(
            "revisions",
            Prefetch("decisions", Decision.objects.prefetch_related(slots)),
            Prefetch("waivers", Waiver.objects.select_related("implementer", "checker")),
            Prefetch("executions", Execution.objects.order_by("pk")),
            Prefetch("evidence", Evidence.objects.select_related("attachment")),
            Prefetch("received_forms", ReceivedForm.objects.order_by("pk")),
            "clarifications",
            "mail_texts",
        )
        .order_by("pk")
    )


def _compare_keys(label: str, rows: dict[Any, Any], events: dict[Any, Event]) -> Problems:
    """Yield the rows that no event records, and the events whose row is gone."""
    for key in rows.keys() - events.keys():
        yield 0, f"{label} {key} no tiene evento"
    for key in events.keys() - rows.keys():
        yield events[key].seq, f"{label} {key} ya no está"


def _compare_facts(label: str, facts: dict[str, Any], event: Event) -> Problems:
    """Yield the facts of a row that differ from its event; skip those that an event of an older release lacks."""
    for name, value in facts.items():
        if name in event.data and event.data[name] != value:
            yield event.seq, f"{label} dice otra cosa en «{name}»: {value!r}, y el evento {event.data[name]!r}"


def _describe_decision(row: Decision) -> dict[str, Any]:
    """Return the facts of a decision that its event records too."""
    assets = [slot.asset.code for slot in row.slots.all() if slot.asset]
    facts = {name: getattr(row, name) for name in _DECISION_FACTS}
    return {
        **facts,
        "text_sha256": hash_text(row.reason),
        "office_assignment": row.assignment_id,
        "decided_at": show_instant(row.decided_at),
        "assets": assets,
    }


def _describe_waiver(row: Waiver) -> dict[str, Any]:
    """Return the facts of a waiver that its event records too, in the keys of the event."""
    return {"reason": row.reason, "controls": row.controls, "approved_at": show_instant(row.approved_at)}


def _describe_check(row: Waiver) -> dict[str, Any]:
    """Return the facts of a waiver's check that its event records too."""
    return {"conform": row.conform, "findings": row.findings, "checked_at": show_instant(row.checked_at)}


def _name_file(file: dict[str, Any]) -> tuple[str, str, int]:
    """Return name, hash and size of a file, to count it."""
    return file["name"], file["sha256"], file["bytes"]
