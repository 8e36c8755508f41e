"""Folios of formal requests as a person types them: forgiving, and told apart by their check character (M10)."""

from change_requests.models import FormalRequest
from factureya.core import numbers


def find_folio(text: str) -> str | None:
    """Return «SC-5R8T-2NW2» for what a person typed, or None when it is no folio of a formal request."""
    prefix = text.strip()[:2].upper()
    if prefix not in FormalRequest.PREFIXES.values():
        return None
    try:
        return numbers.parse_number(prefix, text)
    except numbers.InvalidNumber:
        return None
