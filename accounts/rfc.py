"""The RFC as people type it: cleaned, told apart and refused in words (python-stdnum knows its form)."""

from dataclasses import dataclass

from stdnum.exceptions import InvalidComponent, InvalidFormat, InvalidLength, ValidationError
from stdnum.mx import rfc as stdnum_rfc

GENERIC = {"XAXX010101000": "público en general", "XEXX010101000": "residentes en el extranjero"}


class BadRFC(ValueError):
    """The RFC cannot be a taxpayer's; the text says what to do."""


@dataclass(frozen=True)
class RFC:
    """A usable RFC. `check_failed`: its check digit is wrong, as some that the SAT gave out are; staff looks at it."""

    value: str
    check_failed: bool

    @property
    def is_company(self) -> bool:
        """Persona moral (12 characters) rather than persona física (13)."""
        return len(self.value) == 12


def parse(text: str) -> RFC:
    """Clean (upper case, no spaces, hyphens or dots) and check an RFC. Raises BadRFC with its own text per reason."""
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
    try:
        stdnum_rfc.validate(value, validate_check_digits=True)
    except ValidationError:
        return False
    return True
