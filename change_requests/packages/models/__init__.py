"""Store the suppliers' credit packages, the bytes of their originals, and each change of one (M28–M32)."""

from change_requests.packages.models.changes import ImpactEstimate, LicenceVerdict, MaintenanceOption, PackageChange
from change_requests.packages.models.copies import IdentifiedCopy, PackagePort
from change_requests.packages.models.files import FileKind, PackageFile, PackageFileCheck, PackageUpload
from change_requests.packages.models.suppliers import SupplierPackage
