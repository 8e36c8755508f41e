"""Read the address of the client, in one way for every limit."""

from typing import Any

from django.conf import settings


def read_client_ip(request: Any) -> str:
    """Return the address of the client as the last proxy that we trust saw it, for the limits on attempts.

    Each of TRUSTED_PROXY_COUNT proxies appends one address to X-Forwarded-For, so we count as many from the end.
    Earlier addresses may be forged by the client. If the header has fewer addresses than there are proxies, the request
    did not come through them. Then the address of the connection is returned.
    """
    count = settings.TRUSTED_PROXY_COUNT
    forwarded = request.headers.get("X-Forwarded-For", "").split(",")
    if count and len(forwarded) >= count and (address := forwarded[-count].strip()):
        return str(address)
    return str(request.META.get("REMOTE_ADDR") or "0.0.0.0")  # noqa: S104
