"""allauth's hooks: our mails, our words, our limits, our passwords, and where each person lands."""

import base64
import logging
import secrets
from typing import Any
from uuid import uuid4

import qrcode
from allauth.account.adapter import DefaultAccountAdapter
from allauth.core.internal import ratelimit
from allauth.mfa.adapter import DefaultMFAAdapter
from cryptography.fernet import InvalidToken
from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from qrcode.image.svg import SvgPathFillImage

from accounts import operations, passwords
from accounts.models import User
from accounts.notifications import url_of
from accounts.operations import factor_keys
from accounts.sign_in.after_login import landing_of
from accounts.web.client_address import client_ip
from factureya.core.mail import outbox

logger = logging.getLogger(__name__)
TOO_MANY = "Fueron demasiados intentos. Espere unos minutos y pruebe de nuevo."
WRONG_LOGIN = "El correo o la contraseña no son correctos. Revíselos y pruebe de nuevo."
WRONG_CODE = "Ese código no es correcto. Revíselo en el correo más reciente que le enviamos."
WRONG_FACTOR = "Ese código no es correcto o ya cambió. Escriba el que ve ahora en su aplicación."
# Mails that carry a code: their text is wiped once they are sent.
SECRET_MAILS = {"email_confirmation", "email_confirmation_signup", "password_reset_code"}


class AccountAdapter(DefaultAccountAdapter):
    """allauth with our mails, texts and limits."""

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

    # -- Mails go through the outbox -----------------------------------------------------------------

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Queue `templates/mail/account/<name>.txt`; links are made of SITE_URL, never of the request's host."""
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
                "home_url": url_of("accounts:home"),
                "signup_url": url_of("account_signup"),
                "reset_url": url_of("account_reset_password"),
            },
            is_secret=name in SECRET_MAILS,
        )

    # -- Where people go -----------------------------------------------------------------------------

    def get_login_redirect_url(self, request: HttpRequest) -> str:
        """The place where this person works."""
        return landing_of(request.user)

    def get_signup_redirect_url(self, request: HttpRequest) -> str:
        """The same: a new customer may open tickets at once."""
        return landing_of(request.user)

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        """Back to the profile, with the message that it changed."""
        return reverse("accounts:home")

    def is_safe_url(self, url: str) -> bool:
        """Only this very host, and HTTPS from an HTTPS page."""
        request = self.request
        return url_has_allowed_host_and_scheme(
            url, allowed_hosts={request.get_host()}, require_https=request.is_secure()
        )

    def is_ajax(self, request: HttpRequest) -> bool:
        """Never: there is one kind of answer."""
        return False

    # -- Passwords -----------------------------------------------------------------------------------

    def clean_password(self, password: str, user: User | None = None) -> str:
        """What is wrong with a new password, in our words."""
        passwords.check(password, user or User())
        return password

    def set_password(self, user: User, password: str) -> None:
        """Through the operation: recorded, and other sessions end."""
        operations.change_password(user, password)

    # -- Limits: per address, per account, and of all failures together --------------------------------

    def get_client_ip(self, request: HttpRequest) -> str:
        """The address that limits are counted by."""
        return client_ip(request)

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        """One count per account, whatever host name the request used."""
        return str(credentials.get("email", "")).lower()

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Refuse before any work when this address, this account or everybody together failed too often."""
        super().pre_authenticate(request, **credentials)
        self._everybody_usage = ratelimit.consume(
            request, app="allauth.account", action="login_failed_everybody", key="everybody"
        )
        if not self._everybody_usage:
            raise self.validation_error("too_many_login_attempts")

    def _rollback_login_failed_rl_usage(self) -> None:
        """A success is no failure: it counts in no limit."""
        super()._rollback_login_failed_rl_usage()
        self._everybody_usage.rollback()


class MFAAdapter(DefaultMFAAdapter):
    """The second factor: encrypted at rest, and not one's own to remove where it is required."""

    error_messages = {
        **DefaultMFAAdapter.error_messages,
        "cannot_delete_authenticator": "El personal no desactiva su verificación en dos pasos. "
        "Si perdió su teléfono, pida que la restablezcan.",
        "cannot_generate_recovery_codes": "Active primero la verificación en dos pasos.",
        "incorrect_code": WRONG_FACTOR,
        "unverified_email": "Compruebe primero su correo.",
    }

    def build_totp_svg(self, url: str) -> str:
        """On white, so that cameras read it in the dark theme too."""
        image = qrcode.make(url, image_factory=SvgPathFillImage)
        return str(image.to_string(encoding="unicode"))

    def encrypt(self, text: str) -> str:
        """Encrypt with the first key of `factor_keys`."""
        return factor_keys.encrypt(text)

    def decrypt(self, encrypted_text: str) -> str:
        """Decrypt with any key; what none reads becomes a secret that no code fits, so that a code is just wrong."""
        try:
            return factor_keys.decrypt(encrypted_text)
        except InvalidToken:
            logger.exception("a second factor cannot be read with any key (docs/operations.md, Keys)")
            return base64.b32encode(secrets.token_bytes(20)).decode()

    def can_delete_authenticator(self, authenticator: Any) -> bool:
        """Staff that needs a factor keeps it: a lost one is taken away by two people."""
        return not (settings.STAFF_MFA_REQUIRED and authenticator.user.is_staff)
