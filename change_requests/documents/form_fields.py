"""What the two forms ask, field by field: one list for drawing them and for reading what comes back (M7, M20).

A change of this list is a new VERSION: a form of another version is not read, because it asked other things.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from factureya.core import signing

ACCESS, CHANGE = "access", "change"
TITLES = {
    ACCESS: "Solicitud de Control de Acceso",
    CHANGE: "Solicitud de Baja o Cambio de Información Sensible",
}
# As the field `form` and the file's name say it.
SLUGS = {ACCESS: "control-de-acceso", CHANGE: "baja-o-cambio"}
FILE_NAMES = {form: f"{slug}.pdf" for form, slug in SLUGS.items()}
FOLIO_PREFIXES = {ACCESS: "SA", CHANGE: "SC"}
VERSION = "2026-11"
SALT = "change_requests.form-seal"
LONG = 300  # characters of the longest value on file
MAX_REASON = 2000
# The export values of the radio buttons, which screen readers say aloud; and what they mean here.
KINDS = {
    ACCESS: {"Alta": "alta", "Baja": "baja", "Clave": "clave"},
    CHANGE: {"Cambio": "change", "Baja": "baja"},
}
UNCHOSEN = "Elija"
POWERS = {"Representante legal": "legal_representative", "Apoderado": "attorney"}


@dataclass(frozen=True)
class Field:
    """A place to write: its name in the PDF, what is printed over it, and what a screen reader says."""

    name: str
    label: str
    hint: str = ""
    lines: int = 1
    max_length: int = 120
    is_fixed: bool = False  # filled by us, read-only in the form
    choices: tuple[str, ...] = field(default=())

    @property
    def spoken(self) -> str:
        """The accessible name: label, then the hint."""
        return f"{self.label}. {self.hint}" if self.hint else self.label


FORM, FORM_VERSION = (
    Field("form", "Formato", is_fixed=True),
    Field("version", "Versión", is_fixed=True),
)
FOLIO = Field("folio", "Folio", "Lo pone Factureya cuando inicia la solicitud en el portal", is_fixed=True)
SEAL = Field("seal", "Sello", "Lo pone Factureya; comprueba que el folio es de su empresa", is_fixed=True)
RFC = Field("rfc", "RFC de su empresa", "12 o 13 caracteres, con homoclave", max_length=13)
LEGAL_NAME = Field("legal_name", "Razón social", max_length=254)
KIND = Field("kind", "Qué solicita", "Elija una opción")

PERSON = (
    Field(
        "person_full_name",
        "Nombre completo",
        "De la persona que recibe o pierde el acceso",
        max_length=150,
    ),
    Field(
        "person_email",
        "Correo de la persona",
        "En la baja y en el cambio de clave, el que ya usa",
        max_length=254,
    ),
    Field("person_phone", "Teléfono (opcional)", "Solo en el alta", max_length=30),
    Field("person_position", "Puesto (opcional)", "Solo en el alta", max_length=100),
)
NEW_VALUES = (
    Field("new_rfc", "RFC", max_length=13),
    Field("new_legal_name", "Razón social", lines=2, max_length=254),
    Field("new_fiscal_address", "Domicilio fiscal", lines=4, max_length=LONG),
    Field("new_phone", "Teléfono", max_length=30),
    Field("new_registered_email", "Correo registrado", max_length=254),
)
NEW_REPRESENTATIVE = (
    Field("new_representative_name", "Nombre completo", max_length=150),
    Field("new_representative_rfc", "RFC", "13 caracteres", max_length=13),
    Field(
        "new_representative_email",
        "Su correo",
        max_length=254,
    ),
    Field("new_representative_power", "Carácter", choices=(UNCHOSEN, *POWERS)),
    Field(
        "new_representative_instrument",
        "Escritura o poder",
        "Número, fecha y notaría",
        max_length=200,
    ),
    Field("new_representative_valid_from", "Vigente desde", "Día, mes y año", max_length=10),
    Field(
        "new_representative_valid_until",
        "Hasta (opcional)",
        "Día, mes y año; en blanco si no vence",
        max_length=10,
    ),
)
REASON = Field(
    "reason",
    "Motivo",
    "Explique por qué lo solicita; quien aprueba evalúa estas razones",
    lines=4,
    max_length=MAX_REASON,
)
EFFECTIVE = Field(
    "effective_date",
    "Fecha en que debe aplicarse (opcional)",
    "Día, mes y año: 31/12/2026",
    max_length=10,
)
SIGNER = (
    Field("signer_name", "Nombre de quien solicita", max_length=150),
    Field("signer_power", "Carácter", choices=(UNCHOSEN, *POWERS)),
    Field(
        "signer_email",
        "Correo registrado de la empresa",
        "Desde él se envía este formato",
        max_length=254,
    ),
)
OATH = Field(
    "oath",
    "Bajo protesta de decir verdad, declaro que los datos son ciertos y que mi mandato no ha sido modificado "
    "ni revocado.",
)

FIELDS = {
    ACCESS: (FORM, FORM_VERSION, FOLIO, SEAL, RFC, LEGAL_NAME, KIND, *PERSON, REASON, *SIGNER, OATH),
    CHANGE: (
        FORM,
        FORM_VERSION,
        FOLIO,
        SEAL,
        RFC,
        LEGAL_NAME,
        KIND,
        *NEW_VALUES,
        *NEW_REPRESENTATIVE,
        REASON,
        EFFECTIVE,
        *SIGNER,
        OATH,
    ),
}


def named(form: str) -> dict[str, Field]:
    """The fields of a form by name."""
    return {one.name: one for one in FIELDS[form]}


def seal(form: str, folio: str, customer: int) -> str:
    """What only we can write beside a folio: it binds form, version, folio and company (HMAC-SHA-256)."""
    return signing.digest(SALT, _sealed(form, folio, customer))


def is_sealed(form: str, folio: str, customer: int, claimed: str) -> bool:
    """Whether `claimed` is the seal of this folio, under the present key or one that is being retired."""
    return signing.matches(SALT, _sealed(form, folio, customer), claimed)


def labels(form: str) -> Iterator[tuple[str, str]]:
    """Name and label of everything a person fills."""
    return ((one.name, one.label) for one in FIELDS[form] if not one.is_fixed)


def _sealed(form: str, folio: str, customer: int) -> str:
    return "\n".join((form, VERSION, folio, str(customer)))
