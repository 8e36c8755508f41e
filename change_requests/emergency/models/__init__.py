"""Store emergency accounts, their sealed passwords, their grants and their record (M22, M23, M26, M27)."""

from change_requests.emergency.models.accounts import CriticalCredential, Delegation, EmergencyAccount, EmergencyCause
from change_requests.emergency.models.grants import (
    EmergencyChange,
    EmergencyContext,
    EmergencyGrant,
    GrantAuthorization,
)
from change_requests.emergency.models.records import ActivityRecord, ActivityVerdict, GrantReview, RowDifference
