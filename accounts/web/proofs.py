"""Read from a web request where it comes from, and how its person proved who he is; operations get the proof (M26)."""

from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from typing import Any

from allauth.account.authentication import get_authentication_records
from django.conf import settings
from django.http import HttpRequest

from accounts.models import FRESH_SECONDS, Method, Proof
from factureya.core import clock


def read_proof(request: HttpRequest) -> Proof:
    """Return how the person of a web request is authenticated: by a password typed again just now, or by the session.

    A session without a record of its sign-in has no instant; an anonymous person has the method `none`.
    """
    ip = read_client_ip(request)
    if not request.user.is_authenticated:
        return Proof(Method.NONE, ip=ip)
    records: list[dict[str, Any]] = get_authentication_records(request, request.user)
    has_factor = any(record["method"] == "mfa" for record in records)
    since = clock.now().timestamp() - FRESH_SECONDS
    if typed_again_at := [record["at"] for record in records if is_typed_again(record) and record["at"] > since]:
        return Proof(Method.PASSWORD, has_factor, _make_instant(max(typed_again_at)), ip)
    recorded_at = [record["at"] for record in records]  # the earliest is the sign-in
    return Proof(Method.SESSION, has_factor, _make_instant(min(recorded_at)) if recorded_at else None, ip)


def is_typed_again(record: dict[str, Any]) -> bool:
    """Return True if a record of the session says that the password was typed *again* after the sign-in."""
    return record["method"] == "password" and bool(record.get("reauthenticated"))


def read_link_proof(request: HttpRequest) -> Proof:
    """Return the proof of who acts by the link of a mail: the link, used now; `factor` is that of a session, if any."""
    return replace(read_proof(request), method=Method.LINK, at=clock.now())


def read_code_proof(request: HttpRequest) -> Proof:
    """Return the proof of who types a code that we mailed: the code, typed now."""
    return replace(read_proof(request), method=Method.CODE, at=clock.now())


def _make_instant(seconds: float) -> datetime:
    """Return the instant of a sign-in's record, in UTC."""
    return datetime.fromtimestamp(int(seconds), UTC)


def read_client_network(request: Any) -> str:
    """Return by which address the tries of a client are counted: of an IPv6 one the first 64 bits.

    Whoever has one IPv6 address has all the others of its network, and could use a new one for each try.
    """
    address = read_client_ip(request)
    try:
        parsed = ip_address(address)
    except ValueError:  # a socket, or a name that a proxy wrote
        return address
    if parsed.version == 4:
        return address
    return parsed.ipv4_mapped.compressed if parsed.ipv4_mapped else str(ip_network((int(parsed), 64), strict=False)[0])


def read_client_ip(request: Any) -> str:
    """Return the address of the client.

    Each of our TRUSTED_PROXY_COUNT proxies adds to the end of X-Forwarded-For the address that it sees. So the
    address that stands as far from the end is the client's; he can forge only what is before it. With fewer addresses
    in the header, or no proxies, the address of the connection is returned.
    """
    count = settings.TRUSTED_PROXY_COUNT
    forwarded = request.headers.get("X-Forwarded-For", "").split(",")
    if count and len(forwarded) >= count and (address := forwarded[-count].strip()):
        return str(address)
    return str(request.META.get("REMOTE_ADDR") or "0.0.0.0")  # noqa: S104
