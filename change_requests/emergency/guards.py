"""Guard emergency accounts, their grants and their record, beyond what a CHECK can hold (M22, M23, M26, M27)."""

from factureya.core import triggers

ACCOUNT = "change_requests_emergencyaccount"
AUTHORIZATION = "change_requests_grantauthorization"
CAUSE = "change_requests_emergencycause"
CHANGE = "change_requests_emergencychange"
CREDENTIAL = "change_requests_criticalcredential"
DELEGATION = "change_requests_delegation"
DIFFERENCE = "change_requests_rowdifference"
GRANT = "change_requests_emergencygrant"
RECORD = "change_requests_activityrecord"
REVIEW = "change_requests_grantreview"
VERDICT = "change_requests_activityverdict"

GUARDS = [
    *triggers.append_only(AUTHORIZATION, "grant_id, slot", "grant_id, authorizer_id"),
    *triggers.append_only(CHANGE),
    *triggers.append_only(RECORD, "grant_id, seq", "pairs_id", "event_id"),
    *triggers.append_only(DIFFERENCE),
    *triggers.append_only(VERDICT, "record_id"),
    *triggers.never_deleted(REVIEW, "id", "grant_id", message="las revisiones no se borran"),
    *triggers.never_deleted(GRANT, "id", "folio", "form_key", "credential_id", message="las emergencias no se borran"),
    *triggers.never_deleted(CREDENTIAL, "id", "account_id, generation", message="los sellos no se borran"),
    *triggers.never_deleted(ACCOUNT, "id", "alias", "user_id", message="las cuentas de emergencia no se borran"),
    *triggers.never_deleted(CAUSE, "id", "code", message="las causas no se borran"),
    *triggers.never_deleted(DELEGATION, "id", message="las suplencias no se borran"),
]
