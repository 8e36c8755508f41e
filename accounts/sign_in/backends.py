"""Sign in by e-mail; person and company are read in one query, and permissions come from the offices held now."""

from typing import Any

from allauth.account.auth_backends import AuthenticationBackend

from accounts import offices
from accounts.models import User


class EmailBackend(AuthenticationBackend):
    """Sign in by allauth's e-mail login, with permissions from dated offices instead of groups."""

    def get_user(self, user_id: int) -> User | None:
        """Return the active person with contact and company; None for a deactivated one, whose session has ended."""
        user = User.objects.select_related("contact__customer").filter(pk=user_id).first()
        return user if user is not None and self.user_can_authenticate(user) else None

    def get_user_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        """Return nothing: nobody has permissions of the own account."""
        return set()

    def get_group_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        """Return the permissions that the offices in force give; none for single objects."""
        if obj is not None or not user_obj.is_active or user_obj.is_anonymous:
            return set()
        return offices.list_permissions(user_obj.offices)
