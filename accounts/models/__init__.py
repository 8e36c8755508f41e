"""Store who people are: users, companies and contacts, providers and offices (manual 01–02)."""

from accounts.models.companies import Contact, Customer, CustomerToVerify
from accounts.models.invitations import Invitation
from accounts.models.people import (
    CONTROL_OFFICES,
    DESK_OFFICES,
    READING_OFFICES,
    FactorReset,
    Office,
    Provider,
    RoleAssignment,
    User,
)
from accounts.models.representatives import Representative
