"""Guard what was done inside an emergency, and its review (M26, M27)."""

from change_requests.emergency.guards.tables import CHANGE, DIFFERENCE, RECORD, REVIEW, VERDICT
from factureya.core import triggers

GUARDS = [
    *triggers.append_only(CHANGE),
    *triggers.append_only(RECORD, "grant_id, seq", "pairs_id", "event_id"),
    *triggers.append_only(DIFFERENCE),
    *triggers.append_only(VERDICT, "record_id"),
    *triggers.never_deleted(REVIEW, "id", "grant_id", message="las revisiones no se borran"),
]
