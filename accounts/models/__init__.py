"""Store who people are: users, companies and contacts, providers and offices (manual 01–02)."""

from accounts.models.branding import Branding, BrandLogo
from accounts.models.companies import Contact, Customer, CustomerToVerify
from accounts.models.credits import CreditBalance, CreditFile, CreditImport, CreditImportRow
from accounts.models.factors import FactorReset
from accounts.models.invitations import Invitation
from accounts.models.people import (
    CONTROL_OFFICES,
    DESK_OFFICES,
    FRESH_SECONDS,
    READING_OFFICES,
    UNPROVEN,
    Method,
    Office,
    Proof,
    Provider,
    RoleAssignment,
    User,
)
from accounts.models.representatives import Representative
