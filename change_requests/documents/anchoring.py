"""Find the line of the latest anchor that says where a chain ended that day (M26)."""

from typing import Any


def find_anchor_line(chain: str) -> dict[str, Any] | None:
    """Return the latest anchor's day, number and hash with its line about this chain; None if no anchor sealed it."""
    return None
