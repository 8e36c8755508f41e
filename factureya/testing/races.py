"""Calls that start at one instant, each in a thread with a connection of its own (PostgreSQL only)."""

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

from django.db import connection

Call = Callable[[], Any]


def race(*calls: Call, connected: bool = True) -> list[Any]:
    """Run the calls at one instant, and return what each returned or raised.

    `connected`: everybody has his connection before the start. Not for more threads than the pool has connections.
    """
    barrier = threading.Barrier(len(calls))
    results: list[Any] = [None] * len(calls)

    def run(place: int, call: Call) -> None:
        try:
            if connected:
                connection.ensure_connection()
            barrier.wait(timeout=30)
            results[place] = call()
        except Exception as error:  # the race is judged by its outcome
            results[place] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=pair, daemon=True) for pair in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
        assert not thread.is_alive(), "deadlock"
    return results


def kinds(results: list[Any]) -> Counter[str]:
    """Return how many calls ended how: the name of the error, or `ok`."""
    return Counter(type(r).__name__ if isinstance(r, Exception) else "ok" for r in results)
