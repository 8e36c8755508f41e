"""The content of a request as bytes: what is hashed, approved and executed (M21). Pure functions."""

import hashlib
import json
import unicodedata
from collections.abc import Iterable
from typing import Any

VERSION = 1


def build_content(
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
    """Return the content of a revision as a dictionary, which is what people approve and the execution applies.

    `items` have the keys asset, field, old and new; `evidence` has name, sha256 and size; both are sorted. `requester`
    is the mail of who asks; `effective_date` is YYYY-MM-DD, or empty for *on execution*.
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


def write_canonical(content: dict[str, Any]) -> bytes:
    """Return the content as the bytes that are hashed: UTF-8 JSON, sorted keys, no spaces, texts in Unicode NFC."""
    text = json.dumps(_normalize_texts(content), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.encode()


def hash_bytes(data: bytes) -> str:
    """Return the SHA-256 of the bytes in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def _normalize_texts(value: Any) -> Any:
    """Return the JSON value with all texts in Unicode NFC. Raises TypeError for a float: it has no single notation."""
    if isinstance(value, str):
        return unicodedata.normalize("NFC", value)
    if isinstance(value, dict):
        return {_normalize_texts(key): _normalize_texts(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_normalize_texts(part) for part in value]
    if isinstance(value, float):
        raise TypeError(f"a request holds no float: {value}")
    return value
