"""Define the refusals: why an operation did nothing, in Spanish for the person who asked. Apps add subclasses."""

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


class FormUsed(WrongStatus):
    """Say that the one-time key of a form was used before for something else; the text must be sent with a new form."""

    def __init__(self) -> None:
        super().__init__("Este formulario ya se había enviado. Revise lo que llegó y envíe su texto de nuevo.")


class FilesGone(Refused):
    """Say that a file of the form was removed or taken by another form meanwhile; it must be uploaded again."""


def require(allowed: bool, text: str) -> None:
    """Raise Refused with `text`, which the person reads, unless `allowed` is true."""
    if not allowed:
        raise Refused(text)
