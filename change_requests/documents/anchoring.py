"""Find the line of the latest anchor that says where a chain ended that day (M26)."""

import json
from importlib import import_module
from importlib.util import find_spec
from typing import Any

_ANCHORS = "factureya.core.record.anchors"


def find_anchor_line(chain: str) -> dict[str, Any] | None:
    """Return the latest anchor's day, number and hash with its line about this chain; None if no anchor sealed it.

    The line is as the anchor's file writes it. A file that cannot be read gives None: `verify_audit` tells of it.
    """
    if find_spec(_ANCHORS) is None:
        return None
    anchors: Any = import_module(_ANCHORS)
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
