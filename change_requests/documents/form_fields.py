"""List the fields of the two PDF forms, once for drawing them and for reading what comes back (M7, M20).

Who changes this list gives it a new VERSION: a form of another version is not read, because it asked other things.
"""

from dataclasses import replace

from change_requests.kinds import representative, values
from change_requests.kinds.fields import CHANGE_FIELDS, EMAIL, FULL_NAME, PERSON_PHONE, POSITION, SensitiveField
from change_requests.kinds.inputs import PdfField
from change_requests.kinds.registry import list_kinds
from change_requests.models import FormalRequest
from factureya.core.mail import own_links

ACCESS, CHANGE = str(FormalRequest.Form.ACCESS), str(FormalRequest.Form.CHANGE)
TITLES: dict[str, str] = {str(form): str(form.label) for form in FormalRequest.Form}
# As the field `form` and the file's name say it.
SLUGS = {ACCESS: "control-de-acceso", CHANGE: "baja-o-cambio"}
FILE_NAMES = {form: f"{slug}.pdf" for form, slug in SLUGS.items()}
VERSION = "2026-11"
SALT = "change_requests.form-seal"
# The kinds of each form by the export value of their radio button.
KINDS = {form: {kind.pdf_value: kind for kind in list_kinds(form)} for form in SLUGS}
UNCHOSEN = "Elija"
POWERS = {label: code for code, label in representative.POWERS.items()}


def _list_pdf_fields(*rows: SensitiveField) -> tuple[PdfField, ...]:
    """Return the PDF fields of these rows, without the rows that have none."""
    return tuple(row.pdf for row in rows if row.pdf is not None)


FORM, FORM_VERSION = (PdfField("form", "Formato", is_fixed=True), PdfField("version", "Versión", is_fixed=True))
FOLIO = PdfField("folio", "Folio", "Lo pone Factureya cuando inicia la solicitud en el portal", is_fixed=True)
SEAL = PdfField("seal", "Sello", "Lo pone Factureya; comprueba que el folio es de su empresa", is_fixed=True)
RFC = PdfField("rfc", "RFC de su empresa", "12 o 13 caracteres, con homoclave", max_length=13)
LEGAL_NAME = PdfField("legal_name", "Razón social", max_length=254)
KIND = PdfField("kind", "Qué solicita", "Elija una opción")

PERSON = _list_pdf_fields(FULL_NAME, EMAIL, PERSON_PHONE, POSITION)
NEW_VALUES = _list_pdf_fields(*CHANGE_FIELDS)
NEW_REPRESENTATIVE = tuple(
    replace(part.pdf, choices=(UNCHOSEN, *part.pdf.choices)) if part.pdf.choices else part.pdf
    for part in representative.PARTS
)
REASON = PdfField(
    "reason",
    "Motivo",
    "Explique por qué lo solicita; quien aprueba evalúa estas razones",
    lines=4,
    max_length=values.MAX_REASON,
)
EFFECTIVE = PdfField(
    "effective_date", "Fecha en que debe aplicarse (opcional)", "Día, mes y año: 31/12/2026", max_length=10
)
SIGNER = (
    PdfField("signer_name", "Nombre de quien solicita", max_length=150),
    PdfField("signer_power", "Carácter", choices=(UNCHOSEN, *POWERS)),
    PdfField("signer_email", "Correo registrado de la empresa", "Desde él se envía este formato", max_length=254),
)
OATH = PdfField(
    "oath",
    "Bajo protesta de decir verdad, declaro que los datos son ciertos y que mi mandato no ha sido modificado "
    "ni revocado.",
)

_FIRST = (FORM, FORM_VERSION, FOLIO, SEAL, RFC, LEGAL_NAME, KIND)
FIELDS = {
    ACCESS: (*_FIRST, *PERSON, REASON, *SIGNER, OATH),
    CHANGE: (*_FIRST, *NEW_VALUES, *NEW_REPRESENTATIVE, REASON, EFFECTIVE, *SIGNER, OATH),
}


def map_fields(form: str) -> dict[str, PdfField]:
    """Return the fields of a form by name."""
    return {field.name: field for field in FIELDS[form]}


def make_seal(form: str, folio: str, customer: int) -> str:
    """Return the seal of a folio (HMAC-SHA-256), which only we can make; it binds form, version, folio and company."""
    return own_links.make_digest(SALT, _make_sealed_text(form, folio, customer))


def is_sealed(form: str, folio: str, customer: int, claimed: str) -> bool:
    """Return True if `claimed` is the seal of this folio, made with the current key or a retired one."""
    return own_links.matches_digest(SALT, _make_sealed_text(form, folio, customer), claimed)


def _make_sealed_text(form: str, folio: str, customer: int) -> str:
    """Return the text that the seal is made of."""
    return "\n".join((form, VERSION, folio, str(customer)))
