"""Folios of formal requests in addresses and searches: forgiving, and told apart by their check character (M10)."""

from change_requests.models import FormalRequest
from factureya.core import numbers

PREFIXES = tuple(FormalRequest.PREFIXES.values())


def read_folio(text: str) -> str:
    """Return «SC-5R8T-2NW2» for what a person typed. Raises InvalidNumber when it is no folio of a request."""
    return numbers.parse_any_number(PREFIXES, text)


def find_folio(text: str) -> str | None:
    """Return the folio that a person typed, or None when it is no folio of a request."""
    try:
        return read_folio(text)
    except numbers.InvalidNumber:
        return None


class FolioConverter(numbers.NumberConverter):
    """Read the folio in an address of the customer's pages."""

    prefixes = PREFIXES
