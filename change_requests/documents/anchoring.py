"""Find the line of the latest anchor that says where a chain ended that day (M26)."""

import json
from typing import Any

from factureya.core.record import anchors


def find_anchor_line(chain: str) -> dict[str, Any] | None:
    """Return the latest anchor's day, number and hash with its line about this chain; None if there is no such line.

    The line is as the anchor's file writes it. An unreadable file gives None: the command `verify_audit` reports it.
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
