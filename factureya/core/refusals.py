"""Define the one tree of refusals: why an operation did nothing.

The text of each refusal is Spanish and is shown to the person who asked. An app adds kinds of its own as subclasses.
"""

from collections.abc import Mapping


class Refused(Exception):
    """Say that an operation did nothing, and why; `field` names the form field that the text is about, or is empty."""

    def __init__(self, text: str, field: str = "") -> None:
        super().__init__(text)
        self.field = field


class NotAllowed(Refused):
    """Say that this person may not do it."""


class WrongStatus(Refused):
    """Say that the operation does not apply to the record in the status that it has now."""


class Stale(WrongStatus):
    """Say that the record changed after the person opened the page; the new content must be read first."""


class Invalid(Refused):
    """Say that the data is incomplete or not possible; `errors` maps each form field to its text."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        field, text = next(iter(errors.items()))
        super().__init__(text, field)
        self.errors = dict(errors)


def require(allowed: bool, text: str) -> None:
    """Raise Refused with `text` unless `allowed` is true."""
    if not allowed:
        raise Refused(text)
