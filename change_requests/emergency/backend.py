"""Let an emergency account in while its window is open, and at no other instant (M22, M23)."""

import hashlib
from typing import Any

from django.contrib.auth.backends import BaseBackend

from accounts.models import User
from change_requests.emergency import policy
from change_requests.emergency.models import EmergencyGrant

PATH = f"{__name__}.EmergencyBackend"
# What an emergency account may do in the admin: read.
PERMISSIONS = frozenset({"tickets.view_ticket", "accounts.view_customer", "accounts.view_customertoverify"})


def make_binding(grant: EmergencyGrant, operator: User) -> str:
    """Return the text to which an emergency's session is bound: it names the emergency, its session and its operator.

    It also holds the operator's password and `session_epoch`: a change of either ends this session, too (M23).
    """
    password = hashlib.sha256(operator.password.encode()).hexdigest()
    return f":{grant.pk}:{grant.session_key_hash}:{operator.pk}:{operator.session_epoch}:{password}"


class EmergencyBackend(BaseBackend):
    """Answer who the user of an emergency's session is. Nobody signs in with it: `authenticate` returns None."""

    def get_user(self, user_id: int) -> User | None:
        """Return the account's user, active in memory only, while its emergency is open and was entered; else None.

        Django calls this at every request, so an emergency ends on time by itself. The stored user stays inactive.
        """
        user = User.objects.filter(pk=user_id, is_emergency=True).first()
        grant = policy.find_open_grant(user) if user is not None else None
        if user is None or grant is None or not grant.session_key_hash:  # without a hash, its operator has not entered
            return None
        user.is_active = user.is_staff = True
        user.emergency_grant, user.real_operator = grant, grant.operator
        user.session_binding = make_binding(grant, grant.operator)
        return user

    def get_group_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        """Return the permissions to read tickets and customers, for the user of an open emergency; else none."""
        return set(PERMISSIONS) if obj is None and getattr(user_obj, "emergency_grant", None) else set()
