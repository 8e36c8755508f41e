"""Guard emergency accounts at rest, their causes, their sealed passwords and the delegations (M22, M23)."""

from change_requests.emergency.guards.tables import ACCOUNT, CAUSE, CREDENTIAL, DELEGATION
from factureya.core import triggers

GUARDS = [
    *triggers.never_deleted(ACCOUNT, "id", "alias", "user_id", message="las cuentas de emergencia no se borran"),
    *triggers.never_deleted(CAUSE, "id", "code", message="las causas no se borran"),
    *triggers.never_deleted(CREDENTIAL, "id", "account_id, generation", message="los sellos no se borran"),
    *triggers.never_deleted(DELEGATION, "id", message="las suplencias no se borran"),
]
