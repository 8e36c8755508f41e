"""Review an emergency: a verdict for every act, and one signature that seals the head of its chain (M27)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db.models import QuerySet

from accounts.models import Proof, User
from change_requests.emergency import notifications, policy
from change_requests.emergency.models import ActivityRecord, ActivityVerdict, EmergencyGrant, GrantReview, RowDifference
from change_requests.emergency.operations._common import describe_proof, lock_grant
from change_requests.emergency.record_checks import find_flaws_of_grant
from change_requests.operations._common import clean_text, require_none, reread_person
from factureya.core import audit
from factureya.core.clock import now
from factureya.core.models import ChainHead
from factureya.core.refusals import Invalid, Refused, WrongStatus

Kind, Verdict = ActivityRecord.Kind, ActivityVerdict.Verdict
REFUSED_FROM = 400  # an answer from here on says that the act was refused or failed
MIN_NOTE, MAX_NOTE = 10, 2000
NOT_WHOLE = "La bitácora de esta emergencia no está íntegra: avise al Área Informática y a Auditoría antes de firmar."


@dataclass(frozen=True)
class Item:
    """Hold one act to be judged: its intent (or what the system did), its outcome, the changed rows, its verdict."""

    record: ActivityRecord
    outcome: ActivityRecord | None
    rows: tuple[RowDifference, ...]
    verdict: ActivityVerdict | None

    @property
    def is_gap(self) -> bool:
        """Return True if the act has an intent and no outcome: the server stopped in between, or worse."""
        return self.record.kind == Kind.INTENT and self.outcome is None

    @property
    def is_write(self) -> bool:
        """Return True if rows changed, or could have."""
        return bool(self.rows) or self.record.method not in ("", "GET", "HEAD")

    @property
    def is_foreseen(self) -> bool:
        """Return True if the act worked and is on the customer, incident and fields of the grant (*previsto*)."""
        if not self.record.event.data["foreseen"] or self.is_gap:
            return False
        return self.outcome is None or (self.outcome.status or 0) < REFUSED_FROM  # None: an act of the system

    @property
    def needs_note(self) -> bool:
        """Return True if the reviewer must write why, whatever the verdict: a gap, or an act that was not foreseen."""
        return self.is_gap or not self.is_foreseen


def find_items(grant: EmergencyGrant) -> list[Item]:
    """Return the acts to be judged, in order: each intent or act of the system, its outcome and the rows it changed.

    An intent without outcome has the rows that changed after it and that no outcome names, so none stays unseen.
    """
    records = list(grant.records.select_related("event", "verdict", "operator", "account_user").order_by("seq"))
    outcomes = {record.pairs_id: record for record in records if record.kind == Kind.OUTCOME}
    rows = {row.pk: row for row in grant.differences.order_by("pk")}
    unnamed_keys = _find_unnamed_keys(records, rows)
    items = []
    for record in records:
        if record.kind == Kind.OUTCOME:  # it is shown with its intent
            continue
        outcome = outcomes.get(record.pk)
        row_keys = [*(outcome or record).event.data.get("differences", ()), *unnamed_keys.get(record.pk, ())]
        changed_rows = tuple(rows[key] for key in row_keys if key in rows)
        items.append(Item(record, outcome, changed_rows, getattr(record, "verdict", None)))
    return items


def _find_unnamed_keys(records: Sequence[ActivityRecord], row_keys: Iterable[int]) -> dict[int, list[int]]:
    """Return, by the key of an intent, the keys of the rows that no outcome names and that it may have changed (M26).

    Such a row belongs to the last intent without outcome (gap) that began before it or, if there is none, to the last
    intent that did. Two intents between whose beginnings no row changed both get it.
    """
    outcomes = [record for record in records if record.kind == Kind.OUTCOME]
    named_keys = {key for outcome in outcomes for key in outcome.event.data["differences"]}
    answered_keys = {outcome.pairs_id for outcome in outcomes}
    intents = [record for record in records if record.kind == Kind.INTENT]
    gaps = [intent for intent in intents if intent.pk not in answered_keys]
    keys_by_intent: dict[int, list[int]] = {}
    for key in row_keys:
        if key not in named_keys:
            for intent in _find_last_before(gaps, key) or _find_last_before(intents, key):
                keys_by_intent.setdefault(intent.pk, []).append(key)
    return keys_by_intent


def _find_last_before(intents: Sequence[ActivityRecord], row_key: int) -> list[ActivityRecord]:
    """Return the last intent that began before this row changed; several, if no row changed between them."""
    starts = {intent: intent.event.data["after_difference"] for intent in intents}
    last = max((start for start in starts.values() if start < row_key), default=None)
    return [intent for intent, start in starts.items() if start == last]


def find_overdue_reviews() -> QuerySet[GrantReview]:
    """Return the reviews that should have been signed by now, the oldest first; everybody in /control/ sees them."""
    unsigned = GrantReview.objects.filter(signed_at=None, due_at__lte=now())
    return unsigned.select_related("grant__account", "grant__operator").order_by("due_at")


def judge_record(
    record_pk: int, verdict: str, note: str = "", *, actor: User, proof: Proof | None = None
) -> ActivityVerdict:
    """Store the reviewer's verdict on one act of an emergency, and return it; it cannot be changed later.

    A note is needed for *observado*, for a gap, and for an act that was not foreseen. Raises Refused or Invalid.
    """
    grant_pk = ActivityRecord.objects.values_list("grant", flat=True).get(pk=record_pk)
    with lock_grant(grant_pk) as grant:
        actor = reread_person(actor)
        require_none(policy.why_not_review(actor, grant))
        item = _find_item(grant, record_pk)
        if verdict not in Verdict.values:
            raise Invalid({"verdict": "Elija Conforme u Observado."})
        if note.strip() or item.needs_note or verdict == Verdict.OBSERVED:
            note = clean_text(note, field="note", text_name="la nota", at_least=MIN_NOTE, at_most=MAX_NOTE)
        judged = ActivityVerdict.objects.create(
            record=item.record,
            reviewer=actor,
            reviewer_name=actor.get_full_name(),
            verdict=verdict,
            note=note.strip(),
            at=now(),
        )
        audit.record(
            "grant.judged",
            grant,
            actor=actor,
            act=item.record.seq,
            verdict=str(verdict),
            note=judged.note,
            foreseen=item.is_foreseen,
            gap=item.is_gap,
            auth=describe_proof(proof),
        )
    return judged


def sign_review(grant_pk: int, findings: str, conform: bool, *, actor: User, proof: Proof | None = None) -> GrantReview:
    """Sign the review of an emergency, and return it; every act must have a verdict. Its account is then free again.

    The record and its chain are compared first; the signature then states the last number and hash of the chain.
    `conform`: the whole emergency is *Conforme*. Raises Refused or Invalid.
    """
    with lock_grant(grant_pk) as grant:
        actor = reread_person(actor)
        require_none(policy.why_not_review(actor, grant))
        items = find_items(grant)
        if missing := sum(item.verdict is None for item in items):
            raise Refused(f"Faltan {missing} por revisar." if missing > 1 else "Falta 1 por revisar.")
        if find_flaws_of_grant(grant):
            raise Refused(NOT_WHOLE)  # somebody changed the record: it is not signed
        findings = clean_text(findings, field="findings", text_name="la conclusión", at_least=MIN_NOTE)
        review = GrantReview.objects.get(grant=grant)
        head = ChainHead.objects.get(chain=grant.chain)
        review.reviewer, review.reviewer_name, review.signed_at = actor, actor.get_full_name(), now()
        review.head_seq, review.head_hash = head.seq, head.hash
        review.findings, review.conform = findings, conform
        review.save(
            update_fields=[*("reviewer", "reviewer_name", "signed_at", "head_seq", "head_hash", "findings", "conform")]
        )
        grant.status = EmergencyGrant.Status.REVIEWED
        grant.save(update_fields=["status"])
        event = audit.record(
            "grant.reviewed",
            grant,
            actor=actor,
            **count_items(items),
            findings=findings,
            conform=conform,
            head_seq=head.seq,
            head_hash=head.hash,
            late=review.signed_at > review.due_at,
            auth=describe_proof(proof),
        )
        notifications.mail_reviewed(grant, event, review)
    return review


def count_items(items: Sequence[Item]) -> dict[str, int]:
    """Return the numbers that the signature states: acts, writes, gaps, not foreseen, and judged *observado*."""
    return {
        "acts": len(items),
        "writes": sum(item.is_write for item in items),
        "gaps": sum(item.is_gap for item in items),
        "unforeseen": sum(not item.is_foreseen for item in items),
        "observed": sum(item.verdict is not None and item.verdict.verdict == Verdict.OBSERVED for item in items),
    }


def _find_item(grant: EmergencyGrant, record_pk: int) -> Item:
    """Return the act to be judged. Raises WrongStatus if it has a verdict, or is an outcome (the intent is judged)."""
    item = next((item for item in find_items(grant) if item.record.pk == record_pk), None)
    if item is None:
        raise WrongStatus("Se revisa la intención, junto con su resultado.")
    if item.verdict is not None:
        raise WrongStatus("Ese acto ya tiene su veredicto.")
    return item
