"""Ask for the password again before an act that cannot be undone; it counts for five minutes (M21)."""

from allauth.account.adapter import get_adapter
from allauth.account.authentication import get_authentication_records
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from accounts.sign_in.allauth_internal import ratelimit, reauthenticate_by_password
from factureya.core import clock

FRESH_SECONDS = 5 * 60
MISSING = "Escriba otra vez su contraseña para confirmar que es usted."
WRONG = "Esa no es su contraseña."
TOO_MANY = "Fueron demasiados intentos. Espere unos minutos y pruebe de nuevo."


def is_password_fresh(request: HttpRequest) -> bool:
    """Return True if this session typed the password *again* in the last five minutes; signing in does not count."""
    since = clock.now().timestamp() - FRESH_SECONDS
    records = get_authentication_records(request, request.user)
    return any(
        record["method"] == "password" and record.get("reauthenticated") and record["at"] > since for record in records
    )


def confirm_password(request: HttpRequest, password: str) -> str:
    """Record that the person typed the password again; return an empty text if it was right, else the Spanish error."""
    if not password:
        return MISSING
    allowed = ratelimit.consume(request, app="allauth.account", action="reauthenticate", user=request.user)
    if not allowed:
        return TOO_MANY
    try:
        is_right = get_adapter(request).reauthenticate(request.user, password)
    except ValidationError as refusal:  # the limits of the login hold here too
        return str(refusal.messages[0])
    if not is_right:
        return WRONG
    reauthenticate_by_password(request)
    return ""
