"""Record every act inside an emergency: the intent in its own transaction before it, the outcome after it (M26).

The event of the emergency's chain holds the hash of the record's whole content, and an outcome the hash of the rows
that changed since its intent. No password, half, token or code is in a record.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC
from typing import Any

from accounts.models import User
from change_requests.emergency import policy
from change_requests.emergency.models import ActivityRecord, EmergencyGrant, RowDifference
from change_requests.emergency.operations._common import lock_grant
from change_requests.operations._common import require_none
from factureya.core import audit
from factureya.core.clock import now
from factureya.core.refusals import WrongStatus

Kind, Status = ActivityRecord.Kind, EmergencyGrant.Status
_TEXTS = ("verb", "method", "path", "object_text", "client", "request_id")


@dataclass(frozen=True)
class Act:
    """Hold what a person is about to do, as it is recorded: redacted and without the values of the address."""

    verb: str
    method: str = ""
    path: str = ""
    object_text: str = ""
    fields: dict[str, Any] = field(default_factory=dict)
    body_sha256: str = ""
    client: str = ""
    request_id: str = ""
    is_foreseen: bool = True  # whether the grant foresaw it (*previsto*)


def record_intent(grant_pk: int, act: Act) -> ActivityRecord:
    """Record and commit what is about to be done inside the emergency, and that it is in use now; return the record.

    Raises the policy's refusal unless the window is open by both clocks; whoever asks then does nothing.
    """
    with lock_grant(grant_pk) as grant:
        require_none(policy.why_not_enter(grant.operator, grant))
        grant.last_seen_at = max(filter(None, (grant.last_seen_at, now())))
        grant.save(update_fields=["last_seen_at"])
        last = RowDifference.objects.filter(grant=grant).order_by("-pk").values_list("pk", flat=True).first()
        record = ActivityRecord(kind=Kind.INTENT, **_describe(act))
        return _insert(grant, record, foreseen=act.is_foreseen, after_difference=last or 0)


def record_outcome(intent: ActivityRecord, *, status: int, ms: int) -> bool:
    """Record and commit how the act of this intent ended, with what changed; return whether the emergency goes on.

    Raises WrongStatus if its review was signed meanwhile.
    """
    with lock_grant(intent.grant_id) as grant:
        if grant.status == Status.REVIEWED:
            raise WrongStatus("La revisión de esa emergencia ya se firmó.")
        rows = list(grant.differences.filter(pk__gt=intent.event.data["after_difference"]).order_by("pk"))
        repeated = {name: getattr(intent, name) for name in _TEXTS}
        record = ActivityRecord(kind=Kind.OUTCOME, pairs=intent, status=status, ms=ms, **repeated)
        _insert(grant, record, differences=[row.pk for row in rows], differences_sha256=hash_differences(rows))
        return grant.status == Status.OPEN and policy.find_end_reason(grant) is None


def record_system(grant_pk: int, act: Act) -> ActivityRecord:
    """Record and commit what the system did in an emergency, such as to let its operator in; return the record."""
    with lock_grant(grant_pk) as grant:
        return _insert(grant, ActivityRecord(kind=Kind.SYSTEM, **_describe(act)), foreseen=act.is_foreseen)


def hash_record(record: ActivityRecord) -> str:
    """Return the SHA-256 of the whole content of a record; its event holds the same."""
    content = [
        record.grant_id,
        record.seq,
        str(record.kind),
        record.pairs.seq if record.pairs else None,
        record.account_user_id,
        record.operator_id,
        *(getattr(record, name) for name in _TEXTS),
        record.fields,
        record.body_sha256,
        record.status,
        record.ms,
        record.at.astimezone(UTC).isoformat(timespec="microseconds"),
    ]
    return _hash(content)


def hash_differences(rows: Iterable[RowDifference]) -> str:
    """Return the SHA-256 of rows that changed, with their values before and after; "" for none."""
    content = [[row.pk, row.table_name, row.row_pk, row.old, row.new] for row in rows]
    return _hash(content) if content else ""


def find_record_flaws(grant: EmergencyGrant) -> list[audit.Flaw]:
    """Return where the record of an emergency is not what its chain says: an edit, a missing record, a missing row."""
    flaws: list[audit.Flaw] = []
    records = {
        r.event_id: r for r in ActivityRecord.objects.filter(grant=grant).select_related("pairs").order_by("seq")
    }
    last_hash = audit.GENESIS
    for expected, event in enumerate(grant.events().order_by("seq"), start=1):
        record = records.pop(event.pk, None)
        if (event.seq, event.prev) != (expected, last_hash) or event.hash != audit.compute_hash(event):
            flaws.append(audit.Flaw(grant.chain, event.seq, "el evento no es el que se escribió"))
        elif (record is not None) != event.verb.startswith("grant.act_"):
            flaws.append(audit.Flaw(grant.chain, event.seq, "falta el acto"))
        elif record is not None and not _is_unaltered(record, event.data):
            flaws.append(audit.Flaw(grant.chain, event.seq, "el acto no es el que se registró"))
        last_hash = event.hash
    flaws += [audit.Flaw(grant.chain, 0, f"el acto {record.seq} no tiene evento") for record in records.values()]
    return flaws


def _is_unaltered(record: ActivityRecord, data: dict[str, Any]) -> bool:
    """Return True if a record and the rows that its event names are those that were hashed."""
    if not record.sha256 == data["sha256"] == hash_record(record):
        return False
    if (keys := data.get("differences")) is None:
        return True
    return hash_differences(RowDifference.objects.filter(pk__in=keys).order_by("pk")) == data["differences_sha256"]


def _describe(act: Act) -> dict[str, Any]:
    """Return the columns of a record for an act, each text no longer than its column."""
    texts = {name: getattr(act, name)[: _find_limit(name)] for name in _TEXTS}
    return {**texts, "fields": act.fields, "body_sha256": act.body_sha256}


def _find_limit(name: str) -> int:
    """Return how many characters a column of a record takes."""
    return int(ActivityRecord._meta.get_field(name).max_length or 0)


def _insert(grant: EmergencyGrant, record: ActivityRecord, **data: Any) -> ActivityRecord:
    """Number, hash and insert a record of a locked emergency, with its event; return it."""
    last = ActivityRecord.objects.filter(grant=grant).order_by("-seq").values_list("seq", flat=True).first()
    account_user: User = grant.account.user
    record.grant, record.seq, record.at = grant, (last or 0) + 1, now()
    record.account_user, record.operator = account_user, grant.operator
    record.sha256 = hash_record(record)
    record.event = audit.record(
        f"grant.act_{record.kind}", grant, actor=grant.operator, act=record.seq, sha256=record.sha256, **data
    )
    record.save(force_insert=True)
    return record


def _hash(content: Any) -> str:
    """Return the SHA-256 of a value over canonical JSON."""
    canonical = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
