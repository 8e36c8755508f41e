"""Record every act inside an emergency: the intent in its own transaction before it, the outcome after it (M26).

The event of the emergency's chain holds the hash of the record's whole content, and an outcome the hash of the rows
that changed since its intent. No password, half, token or code is in a record.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from accounts.models import User
from change_requests.emergency import policy
from change_requests.emergency.models import ActivityRecord, ActivityVerdict, EmergencyGrant, RowDifference
from change_requests.emergency.operations._common import find_limit, lock_grant
from change_requests.emergency.record_checks import ACT, TEXTS, hash_differences, hash_record
from change_requests.operations._common import require_none
from factureya.core import audit
from factureya.core.clock import database_now, now
from factureya.core.refusals import WrongStatus

Kind, Status = ActivityRecord.Kind, EmergencyGrant.Status
LATE = "(resultado tardío)"  # the verb of what came after the verdict on its intent


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

    Raises the policy's refusal unless the window is open by both clocks; then the act must not be done.
    """
    with lock_grant(grant_pk) as grant:
        at = take_instant(grant, grant.operator)
        grant.last_seen_at = max(filter(None, (grant.last_seen_at, at)))  # it never goes back
        grant.save(update_fields=["last_seen_at"])
        # The rows that this act changes are recorded after this last difference.
        last_difference = RowDifference.objects.filter(grant=grant).order_by("-pk").values_list("pk", flat=True).first()
        record = ActivityRecord(kind=Kind.INTENT, at=at, **_describe(act))
        return _insert(grant, record, foreseen=act.is_foreseen, after_difference=last_difference or 0)


def record_outcome(intent: ActivityRecord, *, status: int, ms: int) -> bool:
    """Record and commit how the act of this intent ended, with the changed rows; return whether the emergency goes on.

    If the intent was judged meanwhile, its outcome is recorded as an act of its own, which must be judged, too
    (M27). Raises WrongStatus if the review was signed meanwhile, since a signed record takes no more acts.
    """
    with lock_grant(intent.grant_id) as grant:
        if grant.status == Status.REVIEWED:
            raise WrongStatus("La revisión de esa emergencia ya se firmó.")
        rows = list(grant.differences.filter(pk__gt=intent.event.data["after_difference"]).order_by("pk"))
        changed = {"differences": [row.pk for row in rows], "differences_sha256": hash_differences(rows)}
        intent_texts = {name: getattr(intent, name) for name in TEXTS}
        record = ActivityRecord(kind=Kind.OUTCOME, at=now(), status=status, ms=ms, **intent_texts)
        if ActivityVerdict.objects.filter(record=intent).exists():
            record.kind, record.verb = Kind.SYSTEM, LATE
            record.object_text = f"Respuesta {status} al acto {intent.seq}, después de su veredicto"
            _insert(grant, record, foreseen=False, **changed)
            return False
        record.pairs = intent
        _insert(grant, record, **changed)
        return grant.status == Status.OPEN and policy.find_end_reason(grant) is None


def record_system(grant_pk: int, act: Act) -> ActivityRecord:
    """Record and commit an act of the system in an emergency, such as letting its operator in; return the record."""
    with lock_grant(grant_pk) as grant:
        record = ActivityRecord(kind=Kind.SYSTEM, at=take_instant(grant, grant.operator), **_describe(act))
        return _insert(grant, record, foreseen=act.is_foreseen)


def take_instant(grant: EmergencyGrant, operator: User) -> datetime:
    """Return the present instant, after checks that the operator may act now in the window of a locked emergency.

    Raises the policy's refusal, or WrongStatus if the window closed after the policy was asked.
    """
    require_none(policy.why_not_enter(operator, grant))
    at = now()
    assert grant.ends_at is not None  # it is open
    if max(at, database_now()) >= grant.ends_at:
        raise WrongStatus("La emergencia no está abierta.")
    return at


def _describe(act: Act) -> dict[str, Any]:
    """Return the columns of a record for an act, each text no longer than its column."""
    texts = {name: getattr(act, name)[: find_limit(ActivityRecord, name)] for name in TEXTS}
    return {**texts, "fields": act.fields, "body_sha256": act.body_sha256}


def _insert(grant: EmergencyGrant, record: ActivityRecord, **data: Any) -> ActivityRecord:
    """Give a record of a locked emergency its number, hash and event, insert it and return it."""
    last_seq = ActivityRecord.objects.filter(grant=grant).order_by("-seq").values_list("seq", flat=True).first()
    account_user: User = grant.account.user
    record.grant, record.seq = grant, (last_seq or 0) + 1
    record.account_user, record.operator = account_user, grant.operator
    record.sha256 = hash_record(record)
    record.event = audit.record(
        f"{ACT}{record.kind}", grant, actor=grant.operator, act=record.seq, sha256=record.sha256, **data
    )
    record.save(force_insert=True)
    return record
