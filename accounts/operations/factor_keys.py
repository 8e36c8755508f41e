"""Encrypt the secrets of second factors with a key of their own, which outlives a change of SECRET_KEY (M3).

FACTOR_KEYS encrypts with its first key and decrypts with all of them. Without FACTOR_KEYS, SECRET_KEY is the key. What
SECRET_KEY or one of its fallbacks encrypted can be read in both cases.
"""

import base64
import hashlib
from typing import Any

from allauth.mfa.models import Authenticator
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

SECRETS = ("secret", "seed")  # what allauth keeps encrypted in an authenticator's data, and a list of codes


def encrypt(text: str) -> str:
    """Return the text encrypted with the first key."""
    return _make_cipher().encrypt(text.encode()).decode()


def decrypt(encrypted: str) -> str:
    """Return the text decrypted with any of the keys. Raises cryptography.fernet.InvalidToken."""
    return _make_cipher().decrypt(encrypted.encode()).decode()


def is_readable(authenticator: Authenticator) -> bool:
    """Return True if any of our keys decrypts this second factor; False if the key it needs was lost."""
    try:
        reencrypt_data(authenticator.data)  # only tried; nothing is stored
    except InvalidToken:
        return False
    return True


def reencrypt_data(data: dict[str, Any]) -> dict[str, Any]:
    """Return the data of a second factor with its secrets and recovery codes encrypted with the first key (M3).

    Then an older key can be removed from the settings. Raises cryptography.fernet.InvalidToken if no key decrypts them.
    """
    rotate = _make_cipher().rotate  # decrypts with any key, encrypts with the first
    changed: dict[str, Any] = {name: rotate(data[name].encode()).decode() for name in SECRETS if name in data}
    if codes := data.get("migrated_codes"):
        changed["migrated_codes"] = [rotate(code.encode()).decode() for code in codes]
    return {**data, **changed}


def is_current(authenticator: Authenticator) -> bool:
    """Return True if the first key alone decrypts this second factor, so that the other keys can be removed."""
    first = _make_cipher(key_count=1)
    texts = [authenticator.data[name] for name in SECRETS if name in authenticator.data]
    try:
        for text in [*texts, *authenticator.data.get("migrated_codes", [])]:
            first.decrypt(text.encode())
    except InvalidToken:
        return False
    return True


def _make_cipher(key_count: int | None = None) -> MultiFernet:
    """Return a cipher that encrypts with our first key. It decrypts with all keys, or the first `key_count` of them."""
    keys = [*settings.FACTOR_KEYS, settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS][:key_count]
    digests = [hashlib.sha256(f"accounts.factor:{key}".encode()).digest() for key in keys]
    return MultiFernet([Fernet(base64.urlsafe_b64encode(digest)) for digest in digests])
