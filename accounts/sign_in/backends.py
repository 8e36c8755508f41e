"""Sign-in by e-mail; the person comes with the company in one query, and may what the offices held now allow."""

from typing import Any

from allauth.account.auth_backends import AuthenticationBackend

from accounts import offices
from accounts.models import User


class EmailBackend(AuthenticationBackend):
    """allauth's e-mail login, with permissions from dated offices instead of groups."""

    def get_user(self, user_id: int) -> User | None:
        """The active person with the contact and the company; a deactivated one has no session any more."""
        user = User.objects.select_related("contact__customer").filter(pk=user_id).first()
        return user if user is not None and self.user_can_authenticate(user) else None

    def get_user_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        """None: nobody holds permissions of his own."""
        return set()

    def get_group_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        """What the offices in force give; nothing about single objects."""
        if obj is not None or not user_obj.is_active or user_obj.is_anonymous:
            return set()
        return offices.permissions_of(user_obj.offices)
