"""Sign in by e-mail, and ask for the password again before an act that cannot be undone (M21).

Person and company are read in one query, and permissions come from the offices held now.
"""

from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.auth_backends import AuthenticationBackend
from allauth.account.authentication import get_authentication_records
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from accounts import offices
from accounts.models import FRESH_SECONDS, User
from accounts.sign_in.allauth_internal import ratelimit, reauthenticate_by_password
from accounts.web.proofs import is_typed_again
from factureya.core import clock

MISSING = "Escriba otra vez su contraseña para confirmar que es usted."
WRONG = "Esa no es su contraseña."
TOO_MANY = "Fueron demasiados intentos. Espere unos minutos y pruebe de nuevo."


class EmailBackend(AuthenticationBackend):
    """Sign in by allauth's e-mail login, with permissions from dated offices instead of groups."""

    def get_user(self, user_id: int) -> User | None:
        """Return the person of a session, with contact and company. None if deactivated: that ends the session."""
        user = User.objects.select_related("contact__customer__branding").filter(pk=user_id).first()
        return user if user is not None and self.user_can_authenticate(user) else None

    def get_user_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        """Return nothing: nobody has permissions of the own account."""
        return set()

    def get_group_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        """Return the admin permissions that a person's roles (offices) give today; none for a single object (`obj`)."""
        if obj is not None or not user_obj.is_active or user_obj.is_anonymous:
            return set()
        return offices.list_permissions(user_obj.offices)


def is_password_fresh(request: HttpRequest) -> bool:
    """Return True if the person typed his password *again* in the last five minutes of this session (M21).

    The password of the sign-in does not count. It is asked before an act that cannot be undone.
    """
    since = clock.now().timestamp() - FRESH_SECONDS
    records = get_authentication_records(request, request.user)
    return any(is_typed_again(record) and record["at"] > since for record in records)


def confirm_password(request: HttpRequest, password: str) -> str:
    """Check the password that a person types again before an act that cannot be undone (M21).

    If it is right, record that in the session and return "". Else return the Spanish error. The tries are limited.
    """
    if not password:
        return MISSING
    allowed = ratelimit.consume(request, app="allauth.account", action="reauthenticate", user=request.user)
    if not allowed:
        return TOO_MANY
    try:
        is_right = get_adapter(request).reauthenticate(request.user, password)
    except ValidationError as refusal:  # too many wrong passwords, here or at the login
        return str(refusal.messages[0])
    if not is_right:
        return WRONG
    reauthenticate_by_password(request)
    return ""
