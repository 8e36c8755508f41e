"""Sign archives with Ed25519, and say with which keys: the present one, and the earlier ones with their dates (M26).

The seed of the present key is `EXPEDIENTE_KEY`, 32 bytes in base64; without it, the key is derived from SECRET_KEY. The
public keys of before are `EXPEDIENTE_OLD_KEYS`, each as `key:from:until` (hexadecimal, and two days). A public key's
fingerprint is its SHA-256.
"""

import base64
import binascii
import hashlib
from dataclasses import dataclass
from datetime import date

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from change_requests.kinds.values import show_day

SEED_BYTES = 32
_DERIVED_KEY_PURPOSE = b"factureya expediente ed25519 v1"


@dataclass(frozen=True)
class PublishedKey:
    """Hold a public key and the days between which it signed; the present key has no last day."""

    key: bytes
    since: date | None
    until: date | None

    @property
    def hex(self) -> str:
        """Return the key itself, as firma.json writes it."""
        return self.key.hex()

    @property
    def fingerprint(self) -> str:
        """Return the SHA-256 of the key, which people compare."""
        return hashlib.sha256(self.key).hexdigest()

    @property
    def dates(self) -> str:
        """Return between which days the key signed, in words."""
        since = f"desde el {show_day(self.since.isoformat())}" if self.since else "desde el principio"
        return f"{since} hasta el {show_day(self.until.isoformat())}" if self.until else since

    @property
    def spaced_fingerprint(self) -> str:
        """Return the fingerprint in groups of eight, to be read aloud or typed from paper."""
        return " ".join(self.fingerprint[start : start + 8] for start in range(0, 64, 8))


def sign(content: bytes) -> tuple[bytes, bytes]:
    """Return the public key and the signature of the content."""
    key = _load_key()
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw), key.sign(content)


def find_present_key() -> PublishedKey:
    """Return the public key that signs now; its first day is the last day of the latest old key, if any."""
    old_keys = read_old_keys()
    key = _load_key().public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return PublishedKey(key, max((row.until for row in old_keys if row.until), default=None), None)


def read_old_keys() -> list[PublishedKey]:
    """Return the public keys that signed before, the latest first. Raise ImproperlyConfigured if one is unreadable."""
    keys = []
    for text in settings.EXPEDIENTE_OLD_KEYS:
        try:
            key, since, until = text.split(":")
            keys.append(PublishedKey(bytes.fromhex(key), date.fromisoformat(since), date.fromisoformat(until)))
        except ValueError as error:
            raise ImproperlyConfigured("EXPEDIENTE_OLD_KEYS holds texts like <hex>:2026-01-01:2027-01-01") from error
    return sorted(keys, key=lambda row: row.until or date.max, reverse=True)


def _load_key() -> Ed25519PrivateKey:
    """Return the private key: of EXPEDIENTE_KEY, else derived from SECRET_KEY. Raise ImproperlyConfigured if bad."""
    if not settings.EXPEDIENTE_KEY:
        derived = HKDF(SHA256(), SEED_BYTES, salt=None, info=_DERIVED_KEY_PURPOSE).derive(settings.SECRET_KEY.encode())
        return Ed25519PrivateKey.from_private_bytes(derived)
    try:
        seed = base64.b64decode(settings.EXPEDIENTE_KEY, validate=True)
        return Ed25519PrivateKey.from_private_bytes(seed)
    except (binascii.Error, ValueError) as error:
        raise ImproperlyConfigured("EXPEDIENTE_KEY is 32 bytes in base64: `openssl rand -base64 32`") from error
