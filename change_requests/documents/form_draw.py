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
    find_value,
    measure_field,
    measure_text,
)
from change_requests.kinds.inputs import PdfField
from change_requests.kinds.registry import list_kinds
from change_requests.models import FormalRequest

GAP = 14.0
FOOT = (
    "Servicios Tecnológicos Avanzados en Facturación S.A. de C.V. · 01 800 63 22 887 · 01 (222) 403 4091 · "
    "www.factureya.com"
)


@dataclass(frozen=True)
class FormData:
    """Hold what is known before the customer writes; the blank form knows nothing.

    `values` prefill the fields of `form_fields`, by name; `today` are the values on file, printed beside the new ones.
    """

    folio: str = ""
    customer: int = 0
    values: Mapping[str, str] = field(default_factory=dict)
    today: Mapping[str, str] = field(default_factory=dict)


BLANK = FormData()


def read_form_data(request: FormalRequest) -> FormData:
    """Return what prefills the PDF form of this draft; the caller has checked who may see the draft."""
    customer, representative, draft = request.customer, request.representative, request.draft
    person = dict(draft.get("person") or {})
    if pk := person.pop("user", None):  # a contact of the company: of him the form shows only the mail
        people = User.objects.filter(pk=pk, contact__customer=customer)
        person = {"email": people.values_list("email", flat=True).first() or ""}
    items = {name: _show_value(name, text) for name, text in (draft.get("items") or {}).items()}
    values = {
        "rfc": customer.rfc,
        "legal_name": customer.legal_name,
        "kind": request.kind,
        "signer_name": representative.name,
        "signer_power": representative.get_power_kind_display(),
        "signer_email": customer.registered_email,
        "reason": draft.get("reason") or "",
        "effective_date": _show_value("_date", draft.get("effective_date") or ""),  # "_date": as a date
        **{f"person_{name}": text or "" for name, text in person.items()},
        **{f"new_{name}": text or "" for name, text in items.items()},
    }
    current_values = {  # printed beside the new ones
        column.name: getattr(customer, column.name)
        for column in Customer._meta.fields
        if f"new_{column.name}" in _WITH_CURRENT_VALUE
    }
    return FormData(request.folio, customer.pk, values, current_values)


def _show_value(name: str, text: str) -> str:
    """Return a draft's value as its PDF field (`name`) shows it: a date as 31/12/2026, the kind of a power in words."""
    if name == "representative_power":
        return next((label for label, code in fields.POWERS.items() if code == text), fields.UNCHOSEN)
    if name.endswith(("_date", "_from", "_until")) and text:
        return "/".join(reversed(text.split("-")))
    return text


def render_form(form: str, data: FormData = BLANK) -> bytes:
    """Return one of the two PDF forms, blank or prefilled with `data`; `form` says which one.

    Raises KeyError for an unknown form.
    """
    sheet = Sheet(fields.TITLES[form], subject=f"Formato {form}, versión {fields.VERSION}", foot=FOOT)
    sheet.make_fillable()
    _draw_introduction(sheet, form, data)
    _draw_company(sheet, data)
    _MIDDLES[form](sheet, data)  # what is asked for; it differs between the two forms
    _draw_reason(sheet, form, data)
    _draw_signer(sheet, form, data)
    sheet.draw_note("Cómo se envía", _HOW_TO_SEND[form])
    _draw_office_use(sheet, form)
    sheet.draw_paragraph(f"Aviso de privacidad: {settings.SITE_URL}/aviso-de-privacidad/", size=8, colour=INK_2)
    return sheet.finish()


def _draw_introduction(sheet: Sheet, form: str, data: FormData) -> None:
    """Draw what the PDF form is for, and its read-only fields: folio, seal (proof that we made it), version, form."""
    sheet.draw_paragraph(_INTRODUCTIONS[form], size=9.5, colour=INK_2)
    sheet.y -= 4
    seal = fields.make_seal(form, data.folio, data.customer) if data.folio else ""
    own_fields = (
        (fields.FOLIO, data.folio, 130.0),
        (fields.SEAL, seal, 200.0),
        (fields.FORM_VERSION, fields.VERSION, 70.0),
    )
    x = LEFT
    for pdf_field, value, width in own_fields:
        sheet.draw_field(pdf_field, x=x, width=width, value=value)
        x += width + GAP
    sheet.y -= sheet.draw_field(fields.FORM, x=x, width=LEFT + INNER - x, value=fields.SLUGS[form])


def _draw_company(sheet: Sheet, data: FormData) -> None:
    """Draw the PDF form's section about the company that asks."""
    sheet.draw_section("1. Su empresa")
    _draw_row(sheet, (fields.RFC, fields.LEGAL_NAME), data, (0.28, 0.72))


def _draw_person(sheet: Sheet, data: FormData) -> None:
    """Draw the middle of the access form: the kinds of request to choose from, and the person concerned."""
    sheet.draw_section("2. Qué solicita")
    _draw_kinds(sheet, fields.ACCESS, data)
    sheet.draw_section("3. La persona")
    _draw_row(sheet, fields.PERSON[:2], data, (0.5, 0.5))
    _draw_row(sheet, fields.PERSON[2:], data, (0.5, 0.5))


def _draw_new_values(sheet: Sheet, data: FormData) -> None:
    """Draw the middle of the change form: the kinds of request, the new values and the new representative."""
    sheet.draw_section("2. Qué solicita")
    _draw_kinds(sheet, fields.CHANGE, data)
    sheet.draw_section("3. Datos que cambian")
    sheet.draw_paragraph(
        "Escriba solo los datos que cambian, como deben quedar. Lo que deje en blanco queda igual.", size=9
    )
    for pdf_field in fields.NEW_VALUES:
        _draw_old_and_new(sheet, pdf_field, data)
    sheet.reserve_height(140)
    sheet.draw_section("4. Nuevo representante legal o apoderado, si cambia")
    sheet.draw_paragraph(
        "Llene todos sus datos; ya debe ser contacto de la empresa. Adjunte el poder y una identificación.", size=9
    )
    _draw_row(sheet, fields.NEW_REPRESENTATIVE[:2], data, (0.68, 0.32))
    _draw_row(sheet, fields.NEW_REPRESENTATIVE[2:4], data, (0.68, 0.32))
    _draw_row(sheet, fields.NEW_REPRESENTATIVE[4:], data, (0.5, 0.25, 0.25))


def _draw_reason(sheet: Sheet, form: str, data: FormData) -> None:
    """Draw the box for the reason of the request and, on the change form, the effective date."""
    sheet.draw_section(f"{_SECTION_OF_REASON[form]}. Motivo")
    sheet.reserve_height(90)
    sheet.draw_text(LEFT, sheet.y - 10, f"{fields.REASON.hint}.", REGULAR, 9, INK_2)
    sheet.y -= 12
    value = find_value(data.values, "reason")
    sheet.y -= sheet.draw_field(fields.REASON, x=LEFT, width=INNER, value=value, label="") + 3
    if form == fields.CHANGE:
        _draw_row(sheet, (fields.EFFECTIVE,), data, (0.4,))
        sheet.draw_text(LEFT + INNER * 0.4 + GAP, sheet.y + 9, fields.EFFECTIVE.hint, REGULAR, 9, INK_2)


def _draw_signer(sheet: Sheet, form: str, data: FormData) -> None:
    """Draw the section about who signs the PDF form, with the oath to tick."""
    sheet.reserve_height(110)
    sheet.draw_section(f"{_SECTION_OF_REASON[form] + 1}. Quién solicita")
    _draw_row(sheet, fields.SIGNER, data, (0.36, 0.28, 0.36))
    sheet.draw_check(fields.OATH)


def _draw_office_use(sheet: Sheet, form: str) -> None:
    """Draw the boxes in which our offices sign a printed form; they are no fields of the PDF."""
    sheet.reserve_height(66)
    sheet.y -= 16
    sheet.draw_text(LEFT, sheet.y, "Uso exclusivo de Factureya", BOLD, 8.5, INK_2)
    offices = _OFFICES[form]
    width = (INNER - GAP * (len(offices) - 1)) / len(offices)
    sheet.canvas.setStrokeColor(LINE)
    for number, office in enumerate(offices):
        x = LEFT + number * (width + GAP)
        sheet.canvas.rect(x, sheet.y - 40, width, 34, stroke=1, fill=0)
        sheet.draw_text(x + 5, sheet.y - 36, office, REGULAR, 7.5, INK_2)
    sheet.y -= 44


def _draw_kinds(sheet: Sheet, form: str, data: FormData) -> None:
    """Draw a radio button for each kind of request of this form."""
    for kind in list_kinds(form):
        is_chosen = data.values.get("kind") == kind.code
        sheet.draw_radio(fields.KIND, kind.pdf_value, label=kind.pdf_label, hint=kind.pdf_hint, is_on=is_chosen)
    sheet.y -= 4


def _draw_row(sheet: Sheet, pdf_fields: Sequence[PdfField], data: FormData, shares: Sequence[float]) -> None:
    """Draw PDF fields side by side: each has its share of the width, with a gap after it except at the right edge."""
    sheet.reserve_height(36)
    x, height = LEFT, 0.0
    for pdf_field, share in zip(pdf_fields, shares, strict=True):
        # The last field of a full row ends at the right edge; 1 point of tolerance, as floats are not exact.
        width = INNER * share - (GAP if share < 1 and x + INNER * share < LEFT + INNER - 1 else 0)
        height = max(
            height, sheet.draw_field(pdf_field, x=x, width=width, value=find_value(data.values, pdf_field.name))
        )
        x += INNER * share
    sheet.y -= height + 3


def _draw_old_and_new(sheet: Sheet, pdf_field: PdfField, data: FormData) -> None:
    """Draw a PDF field for a new value. The current value, if known, stands beside the field's label.

    A current value that is too long to stand beside the label is drawn in a paragraph above it.
    """
    current_value = data.today.get(pdf_field.name.removeprefix("new_"), "")
    label, hint = f"{pdf_field.label}, nuevo valor", f"Hoy: {current_value}" if current_value else pdf_field.hint
    beside_label = LEFT + 10 + measure_text(label, BOLD, 8.5)
    sheet.reserve_height(measure_field(pdf_field) + 40)
    if current_value and beside_label + measure_text(hint, REGULAR, 8.5) <= LEFT + INNER:
        sheet.draw_text(beside_label, sheet.y - 10, hint, REGULAR, 8.5, INK_2)
    elif current_value:
        sheet.draw_paragraph(f"{pdf_field.label}, hoy: {current_value}", size=8.5, colour=INK_2)
    value = find_value(data.values, pdf_field.name)
    sheet.y -= sheet.draw_field(replace(pdf_field, hint=hint), x=LEFT, width=INNER, value=value, label=label) + 4


_SECTION_OF_REASON = {fields.ACCESS: 4, fields.CHANGE: 5}  # the number of that section of the form
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
_HOW_TO_SEND = {
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
_WITH_CURRENT_VALUE = {pdf_field.name for pdf_field in fields.NEW_VALUES}
_MIDDLES: dict[str, Callable[[Sheet, FormData], None]] = {fields.ACCESS: _draw_person, fields.CHANGE: _draw_new_values}
