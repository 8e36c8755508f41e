"""Certificates made for tests: an authority of our own, and servers that prove a name by it, or do not."""

import ssl
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from django.utils import timezone

PKCS8 = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@dataclass(frozen=True)
class Certificate:
    """Hold two files: the certificate and its key."""

    chain: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        """Return what a server needs."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.chain, self.key)
        return context


class Authority:
    """Sign certificates; who trusts `file` believes them. The real clock counts, TLS knows no other."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Autoridad de prueba")])
        self.file = folder / "authority.pem"
        self.file.write_bytes(self._signed(self._name, self._key, is_authority=True))

    def server(self, name: str, *, days: int = 2) -> Certificate:
        """Return a certificate for a host name or an address; with `days` below zero it has expired."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        files = Certificate(self._folder / f"{name}{days}.pem", self._folder / f"{name}{days}.key")
        files.chain.write_bytes(self._signed(subject, key, days=days))
        files.key.write_bytes(key.private_bytes(*PKCS8))
        return files

    def _signed(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, is_authority: bool = False, days: int = 2
    ) -> bytes:
        """Return a certificate that this authority signs."""
        until = timezone.now() + timedelta(days=days)
        built = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(until - timedelta(days=10))
            .not_valid_after(until)
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        )
        if not is_authority:
            name = str(subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
            built = built.add_extension(x509.SubjectAlternativeName([_alternative(name)]), critical=False)
        return built.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM)


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
