"""Store formal requests: what is asked, who decided, what was executed (manual 02, 04)."""

from change_requests.emergency.models import (
    ActivityRecord,
    ActivityVerdict,
    CriticalCredential,
    Delegation,
    EmergencyAccount,
    EmergencyCause,
    EmergencyChange,
    EmergencyContext,
    EmergencyGrant,
    GrantAuthorization,
    GrantReview,
    RowDifference,
)
from change_requests.models.assets import ACCESS, AssetOwnership, InformationAsset, owner_at
from change_requests.models.decisions import Clarification, Decision, DecisionSlot, Waiver
from change_requests.models.executions import Execution, ExecutionContext
from change_requests.models.mails import MailText, MailTextFile, ReceivedForm
from change_requests.models.requests import (
    Evidence,
    FormalRequest,
    RequestedAsset,
    RequestRevision,
    find_folio,
    read_folio,
)
from change_requests.packages.models import (
    IdentifiedCopy,
    ImpactEstimate,
    LicenceVerdict,
    MaintenanceOption,
    PackageChange,
    PackageFile,
    PackageFileCheck,
    PackagePort,
    PackageUpload,
    SupplierPackage,
)
