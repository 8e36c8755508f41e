"""Guard who may be granted an emergency account, by whom, and that its window is never longer than granted (M23)."""

from change_requests.emergency.guards.tables import AUTHORIZATION, GRANT
from factureya.core import triggers

GUARDS = [
    *triggers.append_only(AUTHORIZATION, "grant_id, slot", "grant_id, authorizer_id"),
    *triggers.never_deleted(GRANT, "id", "folio", "form_key", "credential_id", message="las emergencias no se borran"),
]
