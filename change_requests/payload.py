"""The content of a request as bytes: what is hashed, approved and executed (M21). Pure functions."""

import hashlib
import json
import unicodedata
from collections.abc import Iterable
from typing import Any

VERSION = 1


def build(
    *,
    folio: str,
    form: str,
    kind: str,
    customer_rfc: str,
    requester: str,
    items: Iterable[dict[str, str]],
    reason: str,
    effective_date: str = "",
    evidence: Iterable[dict[str, Any]] = (),
) -> dict[str, Any]:
    """The content as a dictionary, with items (asset, field, old, new) and evidence (name, sha256, size) in order.

    `requester` is the mail of who asks; `effective_date` is YYYY-MM-DD, or empty for *on execution*.
    """
    return {
        "version": VERSION,
        "folio": folio,
        "form": form,
        "kind": kind,
        "customer_rfc": customer_rfc,
        "requester": requester,
        "items": sorted(items, key=lambda item: (item["asset"], item["field"])),
        "reason": reason,
        "effective_date": effective_date,
        "evidence": sorted(evidence, key=lambda file: (file["sha256"], file["name"])),
    }


def canonical(content: dict[str, Any]) -> bytes:
    """The one way to write the content: JSON with sorted keys and no spaces, every text in NFC, UTF-8.

    Lists keep their order. Raises TypeError for a float or anything that JSON does not know.
    """
    text = json.dumps(_composed(content), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.encode()


def digest(data: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def text_digest(text: str) -> str:
    """SHA-256 of what a person wrote: an event that names it holds the text, without repeating it."""
    return digest(text.encode())


def _composed(value: Any) -> Any:
    """The value with every text in NFC; floats are refused, as they have no one way to be written."""
    if isinstance(value, str):
        return unicodedata.normalize("NFC", value)
    if isinstance(value, dict):
        return {_composed(key): _composed(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_composed(part) for part in value]
    if isinstance(value, float):
        raise TypeError(f"a request holds no float: {value}")
    return value
