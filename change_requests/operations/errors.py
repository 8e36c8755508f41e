"""Why an operation refused. Nothing was written; the text of each is for the person who asked."""

from collections.abc import Mapping, Sequence


class Refused(Exception):
    """The operation does not apply, or not like this; `field` is what the text is about, or empty."""

    def __init__(self, text: str, field: str = "") -> None:
        super().__init__(text)
        self.field = field


class NotAllowed(Refused):
    """Not by this person."""


class WrongStatus(Refused):
    """The verb does not apply to the request as it is now."""


class StaleContent(WrongStatus):
    """The content is not the one that was seen; it must be read again before it is decided."""

    def __init__(self) -> None:
        super().__init__("La solicitud cambió desde que abrió esta página. Lea el contenido nuevo antes de decidir.")


class AlteredEvidence(WrongStatus):
    """A stored file is missing or not the one that was sent; that this was found is committed."""

    def __init__(self, names: Sequence[str]) -> None:
        listed = ", ".join(f"«{name}»" for name in dict.fromkeys(names))
        super().__init__(
            f"La evidencia no es la que se envió: {listed}. No se registró nada y avisamos a Seguridad Informática."
        )


class Invalid(Refused):
    """What was asked is not complete or not possible; `errors` has a text for each field."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        field, text = next(iter(errors.items()))
        super().__init__(text, field)
        self.errors = dict(errors)


class NoPeople(Refused):
    """No lawful set of people could decide and execute it; the text names the office that is missing."""


class SentBack(Refused):
    """The execution was refused and the request is in approval again, which is written; the text says why.

    Raised after that was committed: an outer transaction must not be rolled back because of it.
    """
