"""Compare what was written down inside emergencies with their chains: acts, changes, rows, verdicts, signatures (M26).

`find_flaws` is for `verify_audit`; the signature of a review asks `find_flaws_of_grant` first (M27).
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from change_requests.emergency.models import (
    ActivityRecord,
    ActivityVerdict,
    EmergencyChange,
    EmergencyGrant,
    GrantReview,
    RowDifference,
)
from factureya.core import audit
from factureya.core.audit import Flaw
from factureya.core.models import Event

ACT = "grant.act_"
TEXTS = ("verb", "method", "path", "object_text", "client", "request_id")


def find_flaws() -> Iterator[Flaw]:
    """Yield a flaw for each difference between the record of an emergency and its chain of events."""
    for grant in EmergencyGrant.objects.exclude(opened_at=None).order_by("pk").iterator():
        yield from find_flaws_of_grant(grant)


def find_flaws_of_grant(grant: EmergencyGrant) -> list[Flaw]:
    """Return where an emergency's rows and its chain of events differ: a changed, missing or extra row or event."""
    unnamed_rows = _UnnamedRows(grant)  # the rows that no event has named so far
    flaws: list[Flaw] = []
    last_hash = audit.GENESIS
    for expected_seq, event in enumerate(grant.events().order_by("seq"), start=1):
        if (event.seq, event.prev) != (expected_seq, last_hash) or event.hash != audit.compute_hash(event):
            flaws.append(Flaw(grant.chain, event.seq, "el evento no es el que se escribió"))
        elif problem := unnamed_rows.compare(event):
            flaws.append(Flaw(grant.chain, event.seq, problem))
        last_hash = event.hash
    return flaws + [Flaw(grant.chain, 0, problem) for problem in unnamed_rows.list_unnamed()]


def hash_record(record: ActivityRecord) -> str:
    """Return the SHA-256 of all that a record says; its event keeps this hash, so a later edit is seen."""
    content = [
        record.grant_id,
        record.seq,
        str(record.kind),
        record.pairs.seq if record.pairs else None,  # of an outcome: the number of its intent
        record.account_user_id,
        record.operator_id,
        *(getattr(record, name) for name in TEXTS),
        record.fields,
        record.body_sha256,
        record.status,
        record.ms,
        record.at.astimezone(UTC).isoformat(timespec="microseconds"),
    ]
    return _hash(content)


def hash_differences(rows: Iterable[RowDifference]) -> str:
    """Return the SHA-256 of changed rows, with their values before and after; "" if there are none."""
    content = [[row.pk, row.table_name, row.row_pk, row.old, row.new] for row in rows]
    return _hash(content) if content else ""


@dataclass
class _UnnamedRows:
    """Hold the rows of one emergency that no event has named yet."""

    grant: EmergencyGrant

    def __post_init__(self) -> None:
        """Read all rows; `compare` takes away each one that its event names."""
        records = ActivityRecord.objects.filter(grant=self.grant).select_related("pairs")
        self.records: dict[int, ActivityRecord] = {record.event_id: record for record in records}
        self.changes: dict[int, EmergencyChange] = {change.pk: change for change in self.grant.changes.all()}
        self.rows: dict[int, RowDifference] = {row.pk: row for row in self.grant.differences.order_by("pk")}
        self.unnamed_keys = set(self.rows)
        verdicts = ActivityVerdict.objects.filter(record__grant=self.grant).select_related("record")
        self.verdicts: dict[int, ActivityVerdict] = {verdict.record.seq: verdict for verdict in verdicts}
        self.review = GrantReview.objects.filter(grant=self.grant).exclude(signed_at=None).first()

    def compare(self, event: Event) -> str:
        """Return what is wrong with the row that an event names, or "" if nothing is or it names none."""
        if event.verb.startswith(ACT):
            return self._compare_act(event)
        if event.verb == "grant.changed":
            return self._compare_change(event)
        if event.verb == "grant.judged":
            return self._compare_verdict(event)
        if event.verb == "grant.reviewed":
            return self._compare_review(event)
        return ""

    def list_unnamed(self) -> list[str]:
        """Return a text for each row that no event named; `compare` took the others away."""
        return [
            *(f"el acto {record.seq} no tiene evento" for record in self.records.values()),
            *(f"el cambio {pk} no tiene evento" for pk in self.changes),
            *(f"el veredicto del acto {seq} no tiene evento" for seq in self.verdicts),
            *(f"la fila {pk} que cambió no tiene evento" for pk in sorted(self.unnamed_keys)),
            *(["la firma de la revisión no tiene evento"] if self.review else []),
        ]

    def _compare_act(self, event: Event) -> str:
        """Return what is wrong with an act's record or with the changed rows that its event names, or ""."""
        record, data = self.records.pop(event.pk, None), event.data
        if record is None:
            return "falta el acto"
        if not record.sha256 == data["sha256"] == hash_record(record):  # all three must be the same
            return "el acto no es el que se registró"
        return self._compare_rows(data.get("differences", []), data.get("differences_sha256", ""))

    def _compare_change(self, event: Event) -> str:
        """Return what is wrong with a change of a customer's field or with the row that it wrote, or ""."""
        change, data = self.changes.pop(event.data["change"], None), event.data
        names = ("field", "old", "new", "reason")
        if change is None or [getattr(change, name) for name in names] != [data[name] for name in names]:
            return "el cambio no es el que se hizo"
        return self._compare_rows([data["difference"]], data["difference_sha256"])

    def _compare_rows(self, keys: list[int], sha256: str) -> str:
        """Return what is wrong with the changed rows, of which an event keeps the keys and one hash, or ""."""
        self.unnamed_keys -= set(keys)
        is_same = hash_differences(self.rows[key] for key in keys if key in self.rows) == sha256
        return "" if is_same else "las filas que cambiaron no son las que se anotaron"

    def _compare_verdict(self, event: Event) -> str:
        """Return what is wrong with the verdict on an act, compared with its event, or ""."""
        verdict, data = self.verdicts.pop(event.data["act"], None), event.data
        event_says = (event.actor_id, data["verdict"], data["note"])
        is_same = verdict is not None and (verdict.reviewer_id, verdict.verdict, verdict.note) == event_says
        return "" if is_same else "el veredicto no es el que se dio"

    def _compare_review(self, event: Event) -> str:
        """Return what is wrong with the signed review, compared with its event, or ""."""
        review, data = self.review, event.data
        self.review = None  # an event has named it
        names = ("findings", "conform", "head_seq", "head_hash")
        is_same = review is not None and [getattr(review, name) for name in names] == [data[name] for name in names]
        return "" if is_same and review and review.reviewer_id == event.actor_id else "la firma no es la que se dio"


def _hash(content: Any) -> str:
    """Return the SHA-256 of a value, written as JSON in one fixed form: sorted keys, no spaces."""
    canonical = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
