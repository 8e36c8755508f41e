"""Folios in addresses and searches: forgiving, and told apart by their check character (M10)."""

from factureya.core import numbers

PREFIXES = ("SA", "SC")


def canonical(text: str) -> str | None:
    """«SC-5R8T-2NW2» for what a person typed, or None when it is no folio of a formal request."""
    prefix = text.strip()[:2].upper()
    if prefix not in PREFIXES:
        return None
    try:
        return numbers.parse_number(prefix, text)
    except numbers.InvalidNumber:
        return None
