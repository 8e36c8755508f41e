"""Make and check short digests that only we can make; they outlive a change of SECRET_KEY (SECRET_KEY_FALLBACKS)."""

from django.conf import settings
from django.utils.crypto import constant_time_compare, salted_hmac

LENGTH = 24  # hexadecimal characters: 96 bits


def digest(salt: str, value: str, secret: str | None = None) -> str:
    """Return the digest of `value` under SECRET_KEY, or under `secret`."""
    return salted_hmac(salt, value, secret=secret, algorithm="sha256").hexdigest()[:LENGTH]


def matches(salt: str, value: str, claimed: str) -> bool:
    """Return True if `claimed` is the digest of `value` under today's key or one that is being retired."""
    secrets = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return any(constant_time_compare(digest(salt, value, secret), claimed) for secret in secrets)
