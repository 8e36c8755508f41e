"""Answer allauth's hooks: our mails, texts, limits and passwords, and the page where each person lands."""

import base64
import logging
import secrets
from typing import Any
from uuid import uuid4

import qrcode
from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from cryptography.fernet import InvalidToken
from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from qrcode.image.svg import SvgPathFillImage

from accounts import operations, passwords
from accounts.models import User
from accounts.notifications import make_page_url
from accounts.operations import factor_keys
from accounts.sign_in.allauth_internal import ratelimit
from accounts.web.proofs import read_client_network
from factureya.core.mail import outbox

logger = logging.getLogger(__name__)
TOO_MANY = "Fueron demasiados intentos. Espere unos minutos y pruebe de nuevo."
WRONG_LOGIN = "El correo o la contraseña no son correctos. Revíselos y pruebe de nuevo."
WRONG_CODE = "Ese código no es correcto. Revíselo en el correo más reciente que le enviamos."
WRONG_FACTOR = "Ese código no es correcto o ya cambió. Escriba el que ve ahora en su aplicación."
# Mails that carry a code: their text is wiped once they are sent.
SECRET_MAILS = {"email_confirmation", "email_confirmation_signup", "password_reset_code"}


def choose_landing(user: Any) -> str:
    """Return the address that a person comes to after signing in.

    Who works in the admin begins there, mesa de control in /control/, a contact at the tickets, anybody else at the
    profile. Auditoría, who reads in the admin and in /control/, begins in /control/.
    """
    if user.works_in_admin and not user.reads_all:
        return reverse("admin:index")
    if user.works_in_control:
        return reverse("control:inbox")
    return reverse("tickets:list" if user.membership else "accounts:home")


class AccountAdapter(DefaultAccountAdapter):
    """Give allauth our mails, texts and limits."""

    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "account_inactive": "Su cuenta está desactivada.",
        "email_password_mismatch": WRONG_LOGIN,
        "invalid_login": WRONG_LOGIN,
        "email_taken": "Ese correo no se puede usar.",
        "enter_current_password": "Su contraseña actual no es esa.",
        "incorrect_code": WRONG_CODE,
        "incorrect_password": "Esa no es su contraseña.",
        "too_many_login_attempts": TOO_MANY,
        "rate_limited": TOO_MANY,
    }

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Queue a mail that allauth asks for, such as a code, from our template `mail/account/<name>.txt`.

        Its links use SITE_URL and never the host of the request, which a client can forge.
        """
        name = template_prefix.rpartition("/")[2]
        outbox.enqueue(
            f"account/{name}",
            key=f"account/{name}:{uuid4().hex}",
            to=email,
            context={
                "email": email,
                "code": context.get("code", ""),
                "ip": context.get("ip", ""),
                "timestamp": context.get("timestamp"),
                "home_url": make_page_url("accounts:home"),
                "signup_url": make_page_url("account_signup"),
                "reset_url": make_page_url("account_reset_password"),
            },
            is_secret=name in SECRET_MAILS,  # then the text is deleted after sending
        )

    def get_login_redirect_url(self, request: HttpRequest) -> str:
        return choose_landing(request.user)

    def get_signup_redirect_url(self, request: HttpRequest) -> str:
        return choose_landing(request.user)

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        """Return the profile, which says that the password changed."""
        return reverse("accounts:home")

    def is_safe_url(self, url: str) -> bool:
        """Return True if the login may redirect to this address: on our host, and with HTTPS if the request has it."""
        host = self.request.get_host()
        return url_has_allowed_host_and_scheme(url, allowed_hosts={host}, require_https=self.request.is_secure())

    def is_ajax(self, request: HttpRequest) -> bool:
        return False

    def clean_password(self, password: str, user: User | None = None) -> str:
        """Return the new password unchanged, as allauth wants. Raises ValidationError with its faults in our words."""
        passwords.check_password(password, user or User())
        return password

    def set_password(self, user: User, password: str) -> None:
        """Set the password through the operation, which records it and ends other sessions."""
        operations.change_password(user, password)

    def get_client_ip(self, request: HttpRequest) -> str:
        """Return by which address allauth counts the tries of a client."""
        return read_client_network(request)

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        """Return one key per account, whatever host name the request used."""
        return str(credentials.get("email", "")).lower()

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Before the password is checked, raise an error if too many sign-ins failed: to this account or in all."""
        super().pre_authenticate(request, **credentials)
        self._everybody_usage = ratelimit.consume(
            request, app="allauth.account", action="login_failed_everybody", key="everybody"
        )
        if not self._everybody_usage:  # false: the limit is reached
            raise self.validation_error("too_many_login_attempts")

    def _rollback_login_failed_rl_usage(self) -> None:
        """Do not count a successful sign-in as failed any more: each try is counted as failed before it is checked."""
        super()._rollback_login_failed_rl_usage()
        self._everybody_usage.rollback()


class MFAAdapter(DefaultMFAAdapter):
    """Encrypt the second factor, and forbid its removal where it is required."""

    error_messages = {
        **DefaultMFAAdapter.error_messages,
        "cannot_delete_authenticator": "El personal no desactiva su verificación en dos pasos. "
        "Si perdió su teléfono, pida que la restablezcan.",
        "cannot_generate_recovery_codes": "Active primero la verificación en dos pasos.",
        "incorrect_code": WRONG_FACTOR,
        "unverified_email": "Compruebe primero su correo.",
    }

    def build_totp_svg(self, url: str) -> str:
        """Return the QR code of a new second factor as SVG, on white, so that cameras read it in the dark theme too."""
        image = qrcode.make(url, image_factory=SvgPathFillImage)
        return str(image.to_string(encoding="unicode"))

    def encrypt(self, text: str) -> str:
        return factor_keys.encrypt(text)

    def decrypt(self, encrypted_text: str) -> str:
        """Return the secret of a second factor, decrypted with the one of our keys that fits.

        If none fits, return a random secret: then every code is wrong, but the page still works.
        """
        try:
            return factor_keys.decrypt(encrypted_text)
        except InvalidToken:
            logger.exception("a second factor cannot be read with any key (docs/operations.md, Keys)")
            return base64.b32encode(secrets.token_bytes(20)).decode()

    def can_delete_authenticator(self, authenticator: Any) -> bool:
        """Return False for staff that needs a factor: two people remove a lost one."""
        return not (settings.STAFF_MFA_REQUIRED and authenticator.user.is_staff)
