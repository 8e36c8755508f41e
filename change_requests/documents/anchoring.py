"""Find the line of the latest anchor that says where a chain ended that day (M26)."""

import json
from typing import Any

from factureya.core.record import anchors


def find_anchor_line(chain: str) -> dict[str, Any] | None:
    """Return the latest anchor's day, number and hash with its line about this chain; None if no anchor sealed it.

    The line is as the anchor's file writes it. A file that cannot be read gives None: `verify_audit` tells of it.
    """
    if (anchor := anchors.latest_anchor()) is None:
        return None
    try:
        head = next((head for head in anchors.read_heads(anchors.find_path(anchor)) if head.chain == chain), None)
    except (OSError, ValueError):
        return None
    if head is None:
        return None
    line = json.dumps([head.chain, head.seq, head.hash], ensure_ascii=False, separators=(",", ":"))
    return {"line": line, "day": anchor.day.isoformat(), "seq": anchor.seq, "hash": anchor.hash}
