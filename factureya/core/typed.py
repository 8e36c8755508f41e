"""Tell which fields of a posted form may be stored for the person, and which were typed as text (M17)."""

from collections.abc import Mapping
from typing import Any

# A name with one of these in it may hold a secret, or what only the page itself may say.
_NEVER_KEPT = ("csrf", "password", "token", "code", "secret", "hash", "otp")
# Buttons and hidden fields, which the page has anew.
_NOT_TYPED = frozenset({"key", "quitar", "agregar_a", "otro", "resolved", "seen", "next"})
# Chosen from a list, not written: kept, but nothing to read to anybody.
_CHOICES = frozenset(
    {
        "a_quien",
        "action",
        "after",
        "agente",
        "assignee",
        "categoria",
        "category",
        "chosen",
        "contacto",
        "decision",
        "elegido",
        "impact",
        "implementer",
        "kind",
        "note_key",
        "outcome",
        "vista",
    }
)


def kept_fields(posted: Mapping[str, Any]) -> dict[str, str]:
    """Return the fields of a posted form that may be kept: no secret, no one-time key, no button."""
    return {
        name: str(value)
        for name, value in posted.items()
        if name not in _NOT_TYPED and not any(word in name.lower() for word in _NEVER_KEPT)
    }


def texts(fields: dict[str, str]) -> list[str]:
    """Return the values that a person wrote: those with a letter that were not chosen from a list."""
    return [
        value
        for name, value in fields.items()
        if name not in _CHOICES and not name.endswith("_was") and any(character.isalpha() for character in value)
    ]
