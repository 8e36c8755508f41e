"""How the secrets of second factors are encrypted: with a key of their own, which outlives a change of SECRET_KEY (M3).

FACTOR_KEYS encrypts with its first key and reads with all of them. Without it SECRET_KEY is the key, as it was before;
what SECRET_KEY or one of its fallbacks encrypted is read in either case.
"""

import base64
import hashlib
from typing import Any

from allauth.mfa.models import Authenticator
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

SECRETS = (
    "secret",
    "seed",
)  # what allauth keeps encrypted in an authenticator's data, and a list of codes


def encrypt(text: str) -> str:
    """Encrypt with the first key."""
    return _fernet().encrypt(text.encode()).decode()


def decrypt(encrypted: str) -> str:
    """Decrypt with any of the keys. Raises cryptography.fernet.InvalidToken."""
    return _fernet().decrypt(encrypted.encode()).decode()


def is_readable(authenticator: Authenticator) -> bool:
    """Say whether any of the keys reads this factor."""
    try:
        reencrypted(authenticator.data)
    except InvalidToken:
        return False
    return True


def reencrypted(data: dict[str, Any]) -> dict[str, Any]:
    """Return an authenticator's data encrypted with the first key. Raises cryptography.fernet.InvalidToken."""
    fernet = _fernet()

    def again(text: str) -> str:
        return fernet.rotate(text.encode()).decode()

    changed: dict[str, Any] = {name: again(data[name]) for name in SECRETS if name in data}
    if codes := data.get("migrated_codes"):
        changed["migrated_codes"] = [again(code) for code in codes]
    return {**data, **changed}


def is_current(authenticator: Authenticator) -> bool:
    """Say whether the first key alone reads this factor, so that the others may go."""
    first = _fernet(most=1)
    texts = [authenticator.data[name] for name in SECRETS if name in authenticator.data]
    try:
        for text in [*texts, *authenticator.data.get("migrated_codes", [])]:
            first.decrypt(text.encode())
    except InvalidToken:
        return False
    return True


def _fernet(most: int | None = None) -> MultiFernet:
    keys = [*settings.FACTOR_KEYS, settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS][:most]
    digests = [hashlib.sha256(f"accounts.factor:{key}".encode()).digest() for key in keys]
    return MultiFernet([Fernet(base64.urlsafe_b64encode(digest)) for digest in digests])
