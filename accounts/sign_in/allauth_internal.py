"""Import what we need of allauth's internals: an upgrade that moves one of these names breaks this file alone."""

from allauth.account.internal.flows.login import _AUTHENTICATION_METHODS_USER_SESSION_KEY as RECORDS_USER_KEY
from allauth.account.internal.flows.login import AUTHENTICATION_METHODS_SESSION_KEY as RECORDS_KEY
from allauth.account.internal.flows.login import record_authentication
from allauth.account.internal.flows.reauthentication import reauthenticate_by_password
from allauth.account.internal.stagekit import get_pending_stage
from allauth.core.internal import ratelimit
from allauth.mfa.totp.internal.auth import SECRET_SESSION_KEY

__all__ = [
    "RECORDS_KEY",
    "RECORDS_USER_KEY",
    "SECRET_SESSION_KEY",
    "get_pending_stage",
    "ratelimit",
    "reauthenticate_by_password",
    "record_authentication",
]
