"""The refusals of formal requests beside those of `core.refusals`."""

from collections.abc import Sequence

from factureya.core.refusals import Refused, Stale, WrongStatus


class StaleContent(Stale):
    """Say that the content is not the one that the person saw, and must be read again before it is decided."""

    def __init__(self) -> None:
        super().__init__("La solicitud cambió desde que abrió esta página. Lea el contenido nuevo antes de decidir.")


class AlteredEvidence(WrongStatus):
    """Say that stored files are missing or are not those that were sent; that they were found so is committed."""

    def __init__(self, names: Sequence[str]) -> None:
        listed = ", ".join(f"«{name}»" for name in dict.fromkeys(names))
        super().__init__(
            f"La evidencia no es la que se envió: {listed}. No se registró nada y avisamos a Seguridad Informática."
        )


class NoPeople(Refused):
    """Say that no lawful set of people could decide and apply the request; the text names the missing office."""


class SentBack(Refused):
    """Say that the execution was refused and the request is in approval again, and why.

    It is raised after that was committed, so an outer transaction must not be rolled back because of it.
    """
