"""Check the seals of a stamped CFDI with the certificates that are at hand (M17)."""

import base64
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from lxml import etree
from satcfdi.transform import xslt_transform


def check_seals(root: Any, stamp: Any, folder: Path | None) -> str:
    """Return whether the seals hold: «valid», «invalid», or «unknown» if the certificate is not at hand.

    The seal of the SAT covers the issuer's seal alone, so that one is checked too: it covers all that the file says.
    """
    certificate = load_certificate(folder, stamp.get("NoCertificadoSAT") or stamp.get("noCertificadoSAT") or "")
    if certificate is None:
        return "unknown"
    is_old = (stamp.get("Version") or stamp.get("version")) == "1.0"
    names = "version UUID FechaTimbrado selloCFD noCertificadoSAT" if is_old else ""
    names = names or "Version UUID FechaTimbrado RfcProvCertif Leyenda SelloCFD NoCertificadoSAT"
    seal = stamp.get("SelloSAT") or stamp.get("selloSAT") or ""
    digest = hashes.SHA1() if is_old else hashes.SHA256()  # noqa: S303 - as the SAT prescribed until 2017
    text = join_values(stamp.get(name) for name in names.split())
    own_seal = stamp.get("SelloCFD") or stamp.get("selloCFD") or ""
    is_same = "".join(own_seal.split()) == "".join((root.get("Sello") or "").split()) != ""
    if not (is_same and verifies(certificate, seal, text, digest)):
        return "invalid"
    return check_own_seal(root)


def check_own_seal(root: Any) -> str:
    """Return «valid» if the issuer's seal covers what the file says, else «invalid»; «unknown» without certificate."""
    try:
        content = base64.b64decode(root.get("Certificado") or root.get("Cert") or "")
        certificate = x509.load_der_x509_certificate(content)
        text = str(xslt_transform(root.tag, root.get("Version"))(root))
    except (ValueError, etree.LxmlError):
        return "unknown"
    digest = hashes.SHA1() if root.tag.startswith("{http://www.sat.gob.mx/esquemas/retencionpago/1}") else None  # noqa: S303
    return "valid" if verifies(certificate, root.get("Sello"), text, digest or hashes.SHA256()) else "invalid"


def load_certificate(folder: Path | None, number: str) -> Any:
    """Return the certificate of the SAT with this number of 20 digits, or None if it is not in the folder."""
    if folder is None or not re.fullmatch(r"[0-9]{20}", number):
        return None
    with suppress(OSError, ValueError):
        certificate = x509.load_der_x509_certificate((folder / f"{number}.cer").read_bytes())
        serial = certificate.serial_number
        if serial.to_bytes((serial.bit_length() + 7) // 8, "big") == number.encode():
            return certificate
    return None


def verifies(certificate: Any, seal: str, text: str, digest: Any) -> bool:
    """Return whether `seal` (base64) is the signature of the text by the certificate's key."""
    try:
        certificate.public_key().verify(base64.b64decode(seal), text.encode(), padding.PKCS1v15(), digest)
    except (InvalidSignature, ValueError, AttributeError, TypeError):  # the last two: a key that is not RSA
        return False
    return True


def join_values(values: Iterable[str | None]) -> str:
    """Return the SAT's *cadena original* of these values: each on one line; those that are not there are left out."""
    return "||" + "|".join(" ".join(value.split()) for value in values if value) + "||"
