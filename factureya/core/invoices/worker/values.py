"""Write the values of a CFDI as JSON holds them, each within limits (M17)."""

from datetime import datetime
from decimal import Decimal
from typing import Any

MAX_TEXT = 1_000  # characters; longer ones are cut, as in a description
MAX_DIGITS = 30  # of an amount; the SAT allows 18 and 6 decimals


class Refused(Exception):
    """Report in one word why the file is not read, and which value of it is at fault, if it is one."""

    def __init__(self, word: str, detail: str = "") -> None:
        super().__init__(word)
        self.word, self.detail = word, detail


def cut(value: Any) -> str:
    """Return a text of the file without line breaks and doubled blanks, and no longer than MAX_TEXT."""
    return " ".join(str(value or "").split())[:MAX_TEXT]


def clean_rfc(value: Any) -> str:
    """Return an RFC in capitals and without the blanks that some programs write around it."""
    return cut(value).upper()[:40]


def code(value: Any) -> str:
    """Return the code of a value of a catalogue of the SAT: «I», «MXN»."""
    return cut(getattr(value, "code", value))[:20]


def shown(value: Any) -> str:
    """Return a value of a catalogue with its meaning: «601 - General de Ley Personas Morales»."""
    return cut(value)[:200]


def first_of(values: Any, *names: str) -> Any:
    """Return the first of these values that is there, or an empty text."""
    return next((values[name] for name in names if values.get(name)), "")


def amount(value: Decimal | None, name: str) -> str | None:
    """Return a number as text, None for none. Raises Refused if it is not finite or has too many digits."""
    if value is None:
        return None
    if not value.is_finite() or abs(value.adjusted()) > MAX_DIGITS or len(value.as_tuple().digits) > MAX_DIGITS:
        raise Refused("value", name)
    return format(value, "f")


def instant(value: datetime) -> str:
    """Return a time as the file says it, without its zone."""
    return value.replace(tzinfo=None, microsecond=0).isoformat()
