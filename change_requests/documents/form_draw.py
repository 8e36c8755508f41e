"""Draw the two fillable PDF forms of the manual: blank, or with a draft's folio, seal and data (M7, M20).

`form_read` reads what comes back, and believes nothing of it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from django.conf import settings

from accounts.models import Customer, User
from change_requests.documents import form_fields as fields
from change_requests.documents.sheet import (
    BOLD,
    INK_2,
    INNER,
    LEFT,
    LINE,
    REGULAR,
    Sheet,
    field_height,
    values_of,
    width_of,
)
from change_requests.kinds.inputs import PdfField
from change_requests.kinds.registry import kinds_of_form
from change_requests.models import FormalRequest

GAP = 14.0
FOOT = (
    "Servicios Tecnológicos Avanzados en Facturación S.A. de C.V. · 01 800 63 22 887 · 01 (222) 403 4091 · "
    "www.factureya.com"
)


@dataclass(frozen=True)
class FormData:
    """Hold what is known before the customer writes; the blank form knows nothing.

    `values` are values of `form_fields` by name; `today` are the values on file, printed beside the new ones.
    """

    folio: str = ""
    customer: int = 0
    values: Mapping[str, str] = field(default_factory=dict)
    today: Mapping[str, str] = field(default_factory=dict)


BLANK = FormData()


def data_of(request: FormalRequest) -> FormData:
    """Return what the form of this draft is filled with; the caller has checked who may see the draft."""
    customer, representative, draft = request.customer, request.representative, request.draft
    person = dict(draft.get("person") or {})
    if pk := person.pop("user", None):
        people = User.objects.filter(pk=pk, contact__customer=customer)
        person = {"email": people.values_list("email", flat=True).first() or ""}
    items = {name: _shown(name, text) for name, text in (draft.get("items") or {}).items()}
    values = {
        "rfc": customer.rfc,
        "legal_name": customer.legal_name,
        "kind": request.kind,
        "signer_name": representative.name,
        "signer_power": representative.get_power_kind_display(),
        "signer_email": customer.registered_email,
        "reason": draft.get("reason") or "",
        "effective_date": _shown("_date", draft.get("effective_date") or ""),
        **{f"person_{name}": text or "" for name, text in person.items()},
        **{f"new_{name}": text or "" for name, text in items.items()},
    }
    today = {one.name: getattr(customer, one.name) for one in Customer._meta.fields if f"new_{one.name}" in _TODAY}
    return FormData(request.folio, customer.pk, values, today)


def _shown(name: str, text: str) -> str:
    """Return a draft's value as the form shows it: dates as people write them, the power in words."""
    if name == "representative_power":
        return next((label for label, code in fields.POWERS.items() if code == text), fields.UNCHOSEN)
    if name.endswith(("_date", "_from", "_until")) and text:
        return "/".join(reversed(text.split("-")))
    return text


def render(form: str, data: FormData = BLANK) -> bytes:
    """Return the form as a PDF, blank or filled with `data`. Raise KeyError for an unknown form."""
    sheet = Sheet(fields.TITLES[form], subject=f"Formato {form}, versión {fields.VERSION}", foot=FOOT)
    sheet.fillable()
    _head(sheet, form, data)
    _company(sheet, data)
    _BODIES[form](sheet, data)
    _reason(sheet, form, data)
    _signer(sheet, form, data)
    sheet.note("Cómo se envía", _SENDING[form])
    _office_use(sheet, form)
    sheet.paragraph(f"Aviso de privacidad: {settings.SITE_URL}/aviso-de-privacidad/", size=8, colour=INK_2)
    return sheet.as_bytes()


def _head(sheet: Sheet, form: str, data: FormData) -> None:
    """Draw what the form is for, and the fields that only we fill."""
    sheet.paragraph(_INTRODUCTIONS[form], size=9.5, colour=INK_2)
    sheet.y -= 4
    seal = fields.seal(form, data.folio, data.customer) if data.folio else ""
    ours = ((fields.FOLIO, data.folio, 130.0), (fields.SEAL, seal, 200.0), (fields.FORM_VERSION, fields.VERSION, 70.0))
    x = LEFT
    for one, value, width in ours:
        sheet.field(one, x=x, width=width, value=value)
        x += width + GAP
    sheet.y -= sheet.field(fields.FORM, x=x, width=LEFT + INNER - x, value=fields.SLUGS[form])


def _company(sheet: Sheet, data: FormData) -> None:
    """Draw the section about the company."""
    sheet.section("1. Su empresa")
    _row(sheet, (fields.RFC, fields.LEGAL_NAME), data, (0.28, 0.72))


def _person(sheet: Sheet, data: FormData) -> None:
    """Draw the sections of the access form: the kind of request and the person."""
    sheet.section("2. Qué solicita")
    _kinds(sheet, fields.ACCESS, data)
    sheet.section("3. La persona")
    _row(sheet, fields.PERSON[:2], data, (0.5, 0.5))
    _row(sheet, fields.PERSON[2:], data, (0.5, 0.5))


def _new_values(sheet: Sheet, data: FormData) -> None:
    """Draw the sections of the change form: the kind of request, the new values and the new representative."""
    sheet.section("2. Qué solicita")
    _kinds(sheet, fields.CHANGE, data)
    sheet.section("3. Datos que cambian")
    sheet.paragraph("Escriba solo los datos que cambian, como deben quedar. Lo que deje en blanco queda igual.", size=9)
    for one in fields.NEW_VALUES:
        _old_and_new(sheet, one, data)
    sheet.room(140)
    sheet.section("4. Nuevo representante legal o apoderado, si cambia")
    sheet.paragraph(
        "Llene todos sus datos; ya debe ser contacto de la empresa. Adjunte el poder y una identificación.", size=9
    )
    _row(sheet, fields.NEW_REPRESENTATIVE[:2], data, (0.68, 0.32))
    _row(sheet, fields.NEW_REPRESENTATIVE[2:4], data, (0.68, 0.32))
    _row(sheet, fields.NEW_REPRESENTATIVE[4:], data, (0.5, 0.25, 0.25))


def _reason(sheet: Sheet, form: str, data: FormData) -> None:
    """Draw the reason and, on the change form, the effective date."""
    sheet.section(f"{_NUMBERS[form]}. Motivo")
    sheet.room(90)
    sheet.text(LEFT, sheet.y - 10, f"{fields.REASON.hint}.", REGULAR, 9, INK_2)
    sheet.y -= 12
    value = values_of(data.values, "reason")
    sheet.y -= sheet.field(fields.REASON, x=LEFT, width=INNER, value=value, label="") + 3
    if form == fields.CHANGE:
        _row(sheet, (fields.EFFECTIVE,), data, (0.4,))
        sheet.text(LEFT + INNER * 0.4 + GAP, sheet.y + 9, fields.EFFECTIVE.hint, REGULAR, 9, INK_2)


def _signer(sheet: Sheet, form: str, data: FormData) -> None:
    """Draw who signs, and the box with the oath."""
    sheet.room(110)
    sheet.section(f"{_NUMBERS[form] + 1}. Quién solicita")
    _row(sheet, fields.SIGNER, data, (0.36, 0.28, 0.36))
    sheet.check(fields.OATH)


def _office_use(sheet: Sheet, form: str) -> None:
    """Draw the boxes for whoever handles a printed copy; they are no fields of the form."""
    sheet.room(66)
    sheet.y -= 16
    sheet.text(LEFT, sheet.y, "Uso exclusivo de Factureya", BOLD, 8.5, INK_2)
    offices = _OFFICES[form]
    width = (INNER - GAP * (len(offices) - 1)) / len(offices)
    sheet.canvas.setStrokeColor(LINE)
    for number, office in enumerate(offices):
        x = LEFT + number * (width + GAP)
        sheet.canvas.rect(x, sheet.y - 40, width, 34, stroke=1, fill=0)
        sheet.text(x + 5, sheet.y - 36, office, REGULAR, 7.5, INK_2)
    sheet.y -= 44


def _kinds(sheet: Sheet, form: str, data: FormData) -> None:
    """Draw a radio button for each kind of request of this form."""
    for kind in kinds_of_form(form):
        is_on = data.values.get("kind") == kind.code
        sheet.radio(fields.KIND, kind.pdf_value, label=kind.pdf_label, hint=kind.pdf_hint, is_on=is_on)
    sheet.y -= 4


def _row(sheet: Sheet, ones: Sequence[PdfField], data: FormData, shares: Sequence[float]) -> None:
    """Draw fields side by side, each with its share of the width."""
    sheet.room(36)
    x, taken = LEFT, 0.0
    for one, share in zip(ones, shares, strict=True):
        width = INNER * share - (GAP if share < 1 and x + INNER * share < LEFT + INNER - 1 else 0)
        taken = max(taken, sheet.field(one, x=x, width=width, value=values_of(data.values, one.name)))
        x += INNER * share
    sheet.y -= taken + 3


def _old_and_new(sheet: Sheet, one: PdfField, data: FormData) -> None:
    """Draw one field: its current value, if known, and a box for the new value."""
    today = data.today.get(one.name.removeprefix("new_"), "")
    label, said = f"{one.label}, nuevo valor", f"Hoy: {today}" if today else one.hint
    beside = LEFT + 10 + width_of(label, BOLD, 8.5)
    sheet.room(field_height(one) + 40)
    if today and beside + width_of(said, REGULAR, 8.5) <= LEFT + INNER:
        sheet.text(beside, sheet.y - 10, said, REGULAR, 8.5, INK_2)
    elif today:
        sheet.paragraph(f"{one.label}, hoy: {today}", size=8.5, colour=INK_2)
    value = values_of(data.values, one.name)
    sheet.y -= sheet.field(replace(one, hint=said), x=LEFT, width=INNER, value=value, label=label) + 4


_NUMBERS = {fields.ACCESS: 4, fields.CHANGE: 5}
_INTRODUCTIONS = {
    fields.ACCESS: (
        "Para dar de alta o de baja a una persona de su empresa, o cambiar su clave. Solo la presenta el representante "
        "legal o apoderado, desde el correo registrado."
    ),
    fields.CHANGE: (
        "Para cambiar RFC, razón social, domicilio, teléfono, correo registrado o representante, o suspender el "
        "servicio. Solo la presenta el representante legal o apoderado, desde el correo registrado."
    ),
}
_SENDING = {
    fields.ACCESS: (
        "1. Llene el formato en su computadora y guárdelo. No lo escanee: un formato escaneado se atiende a mano.",
        "2. Envíelo adjunto desde su correo registrado a mesadecontrol@factureya.com o a soporte@factureya.com.",
        "3. Le respondemos con un acuse y un enlace para confirmar la solicitud. También puede hacerla en el portal.",
    ),
    fields.CHANGE: (
        "1. Llene el formato en su computadora y guárdelo. No lo escanee: un formato escaneado se atiende a mano.",
        "2. Envíelo adjunto desde su correo registrado a mesadecontrol@factureya.com, con la evidencia: constancia de "
        "situación fiscal, comprobante de domicilio o poder.",
        "3. Le respondemos con un acuse y un enlace para confirmarla. Nada cambia hasta que se apruebe y se ejecute.",
    ),
}
_OFFICES = {
    fields.ACCESS: ("Mesa de control", "Responsable de Seguridad Informática", "Implementador"),
    fields.CHANGE: ("Mesa de control", "Propietario de la Información", "Responsable de Seguridad", "Implementador"),
}
_TODAY = {one.name for one in fields.NEW_VALUES}
_BODIES: dict[str, Callable[[Sheet, FormData], None]] = {fields.ACCESS: _person, fields.CHANGE: _new_values}
