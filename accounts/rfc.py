"""Clean and check an RFC as people type it; python-stdnum knows its form."""

from dataclasses import dataclass

from stdnum.exceptions import InvalidComponent, InvalidFormat, InvalidLength, ValidationError
from stdnum.mx import rfc as stdnum_rfc

GENERIC = {"XAXX010101000": "público en general", "XEXX010101000": "residentes en el extranjero"}


class BadRFC(ValueError):
    """Say that the RFC cannot be a taxpayer's; the text says what to do."""


@dataclass(frozen=True)
class RFC:
    """Hold a usable RFC; `check_failed` is True if its check digit is wrong, as in some that the SAT issued."""

    value: str
    check_failed: bool

    @property
    def is_company(self) -> bool:
        """Return True for a persona moral (12 characters), False for a persona física (13)."""
        return len(self.value) == 12


def parse_rfc(text: str) -> RFC:
    """Return the taxpayer's RFC that a person typed, without spaces, hyphens and dots, in upper case.

    Raises BadRFC with what to do, in Spanish. A wrong check digit is only noted, because the SAT issued such RFCs.
    """
    value = stdnum_rfc.compact(text).replace(".", "")
    if value in GENERIC:
        raise BadRFC(f"{value} es el RFC genérico para {GENERIC[value]}; escriba el de su empresa o el suyo.")
    if len(value) == 10:
        raise BadRFC("Escriba el RFC completo, con homoclave: faltan los 3 últimos caracteres.")
    try:
        stdnum_rfc.validate(value)
    except InvalidLength:
        raise BadRFC(
            f"El RFC tiene 12 caracteres (persona moral) o 13 (persona física); escribió {len(value)}."
        ) from None
    except InvalidFormat:
        raise BadRFC("Revise el RFC: lleva letras, luego 6 números de la fecha y 3 caracteres de homoclave.") from None
    except InvalidComponent:
        raise BadRFC("Revise el RFC: la fecha que lleva no existe.") from None
    return RFC(value, check_failed=not _check_digit_matches(value))


def _check_digit_matches(value: str) -> bool:
    """Return True if the last character of the RFC is the check digit computed from the other characters."""
    try:
        stdnum_rfc.validate(value, validate_check_digits=True)
    except ValidationError:
        return False
    return True
