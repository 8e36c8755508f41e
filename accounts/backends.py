"""Sign-in by e-mail; the person comes with the company in one query."""

from allauth.account.auth_backends import AuthenticationBackend

from accounts.models import User


class EmailBackend(AuthenticationBackend):
    """allauth's e-mail login, loading the contact and the company with the user."""

    def get_user(self, user_id: int) -> User | None:
        user = User.objects.select_related("contact__customer").filter(pk=user_id).first()
        return user if user is not None and self.user_can_authenticate(user) else None
