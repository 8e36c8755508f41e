"""Count in the shared cache how often something was tried, so that a public form has its limits (M2, M16)."""

from datetime import timedelta

from django.core.cache import cache

from factureya.core.clock import now


def count_try(name: str, address: str, *, window: timedelta, of_one: int, of_all: int) -> bool:
    """Count a try; return False if this address, or all addresses together, made too many in this period of `window`.

    A try over the limit of its address is not counted for all: one address cannot use up the tries of the rest.
    """
    period = int(now().timestamp() // window.total_seconds())
    if _count_one_more(f"{name}:{period}:{address}", window) > of_one:
        return False
    return _count_one_more(f"{name}:{period}", window) <= of_all


def _count_one_more(key: str, window: timedelta) -> int:
    """Add one to the counter under this key of the cache, and return the new count."""
    cache.add(key, 0, timeout=window.total_seconds())
    try:
        return int(cache.incr(key))
    except ValueError:  # it expired in between
        return 1
