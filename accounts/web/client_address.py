"""Read the address of the client, in one way for every limit."""

from typing import Any

from django.conf import settings


def read_client_ip(request: Any) -> str:
    """Return the address of the client, for the limits on attempts.

    Each of our TRUSTED_PROXY_COUNT proxies adds to the end of X-Forwarded-For the address that it sees. So we count as
    many from the end; the client can forge only what is before. With fewer addresses in the header, or no proxies,
    the address of the connection is returned.
    """
    count = settings.TRUSTED_PROXY_COUNT
    forwarded = request.headers.get("X-Forwarded-For", "").split(",")
    if count and len(forwarded) >= count and (address := forwarded[-count].strip()):
        return str(address)
    return str(request.META.get("REMOTE_ADDR") or "0.0.0.0")  # noqa: S104
