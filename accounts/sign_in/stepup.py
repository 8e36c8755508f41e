"""The password again, within five minutes, before an act that cannot be taken back (M21)."""

from allauth.account.adapter import get_adapter
from allauth.account.authentication import get_authentication_records
from allauth.account.internal.flows.reauthentication import reauthenticate_by_password
from allauth.core.internal import ratelimit
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from factureya.core import clock

FRESH_SECONDS = 5 * 60
MISSING = "Escriba otra vez su contraseña para confirmar que es usted."
WRONG = "Esa no es su contraseña."
TOO_MANY = "Fueron demasiados intentos. Espere unos minutos y pruebe de nuevo."


def is_fresh(request: HttpRequest) -> bool:
    """Whether this session typed the password *again* less than five minutes ago; signing in doesn't count."""
    since = clock.now().timestamp() - FRESH_SECONDS
    records = get_authentication_records(request, request.user)
    return any(
        record["method"] == "password" and record.get("reauthenticated") and record["at"] > since for record in records
    )


def confirm(request: HttpRequest, password: str) -> str:
    """Note that the person typed the password again; empty when it was right, else what is wrong (Spanish)."""
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
