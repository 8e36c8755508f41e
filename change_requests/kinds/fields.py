"""The fields that a request may change: one row each, with all that the house knows about a field.

From these rows come the wizard's inputs, the PDF forms, the checks, the words, the execution, and the guards of the
database. The owners of the assets are rows of `InformationAsset`, made by migrations with the same codes.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django import forms

from accounts.models import Customer, User
from change_requests.kinds import representative
from change_requests.kinds.inputs import Line, Mail, PdfField
from change_requests.kinds.representative import UPPER_CASE
from change_requests.kinds.values import MAX_EMAIL, Item, clean_mail, clean_rfc, find_first_instant, keep
from change_requests.models import ACCESS, FormalRequest
from factureya.core import clock

MAX_ADDRESS: int = Customer._meta.get_field("fiscal_address").max_length or 0
# In which capacity we write to the mailbox that loses something (`recipients.Role`).
OLD_MAIL, LEAVING, PERSON = "old_mail", "leaving", "person"


@dataclass(frozen=True)
class SensitiveField:
    """A field of the payload: what it is called, how it is asked, checked, shown and applied."""

    code: str
    label: str
    asset: str  # code of the InformationAsset whose owner decides
    max_length: int = 254
    # -- How it is asked and checked
    inputs: Mapping[str, forms.Field] = field(default_factory=dict)  # of the wizard, by name
    pdf: PdfField | None = None
    clean: Callable[[str], str] = keep  # raises WrongValue
    is_taken: Callable[[Customer, str], bool] | None = None  # whether the value belongs to another company
    needs_evidence: bool = False
    # -- How it is shown
    warning: str = ""  # why a false change gives the account away; the execution of such a change waits
    show: Callable[[str], str] = keep  # a value in words
    show_short: Callable[[str], str] | None = None  # the same in a mail
    customer_old: str = "{}"  # the old value as the customer reads it
    customer_new: str = ""  # what the customer reads where the payload has no new value
    staff_new: str = ""  # the same for mesa de control
    # -- How it is applied
    is_column: bool = False  # of Customer; once the company is verified only an execution writes it
    more_columns: Callable[[str, str], dict[str, Any]] | None = None  # what changes with it: new value, effective date
    replace: Callable[[FormalRequest, str, str, User], None] | None = None  # of a field that is no column
    # -- Whom the change takes something from
    loser: str = ""
    find_loser: Callable[[str], str] = keep  # the mail address in the old value

    @property
    def is_risky(self) -> bool:
        """Return True if a false change of the field gives the account away."""
        return bool(self.warning)


def _belongs_to_another(customer: Customer, rfc: str) -> bool:
    """Return True if another verified company has this RFC."""
    return Customer.objects.verified_with(rfc).exclude(pk=customer.pk).exists()


def _show_status(status: str) -> str:
    """Return the status of the service in words."""
    return dict(Customer.Status.choices).get(status, status)


def _make_status_columns(status: str, effective_date: str) -> dict[str, Any]:
    """Return {"suspended_at": instant} for the company: when its suspension begins, or None for the status «active».

    The suspension begins with the effective date, but never before now.
    """
    if status == Customer.Status.ACTIVE:
        return {"suspended_at": None}
    now, start = clock.now(), find_first_instant(effective_date)  # None without an effective date
    return {"suspended_at": max(now, start or now)}


RFC = SensitiveField(
    "rfc",
    "RFC",
    "identity",
    inputs={"rfc": Line(label="RFC nuevo (opcional)", required=False, most=20, attrs=UPPER_CASE)},
    pdf=PdfField("new_rfc", "RFC", max_length=13),
    clean=clean_rfc,
    is_taken=_belongs_to_another,
    needs_evidence=True,
    is_column=True,
)
LEGAL_NAME = SensitiveField(
    "legal_name",
    "Razón social",
    "identity",
    inputs={"legal_name": Line(label="Razón social nueva (opcional)", required=False)},
    pdf=PdfField("new_legal_name", "Razón social", lines=2, max_length=254),
    needs_evidence=True,
    is_column=True,
)
FISCAL_ADDRESS = SensitiveField(
    "fiscal_address",
    "Domicilio fiscal",
    "location",
    max_length=MAX_ADDRESS,
    inputs={
        "street": Line(
            label="Calle y número",
            missing="Escriba la calle y el número",
            most=150,
            attrs={"autocomplete": "address-line1"},
        ),
        "zip": Line(
            label="Código postal",
            missing="Escriba el código postal",
            most=10,
            attrs={"autocomplete": "postal-code", "inputmode": "numeric"},
        ),
        "suburb": Line(label="Colonia", missing="Escriba la colonia", most=80),
        "city": Line(label="Municipio y estado", missing="Escriba el municipio y el estado", most=80),
    },
    pdf=PdfField("new_fiscal_address", "Domicilio fiscal", lines=4, max_length=MAX_ADDRESS),
    is_column=True,
)
PHONE = SensitiveField(
    "phone",
    "Teléfono",
    "location",
    max_length=30,
    inputs={
        "phone": Line(
            label="Teléfono nuevo",
            missing="Escriba el teléfono nuevo",
            most=30,
            attrs={"autocomplete": "tel", "inputmode": "tel"},
        )
    },
    pdf=PdfField("new_phone", "Teléfono", max_length=30),
    is_column=True,
)
REGISTERED_EMAIL = SensitiveField(
    "registered_email",
    "Correo registrado",
    "registered_email",
    max_length=MAX_EMAIL,
    inputs={
        "registered_email": Mail(
            label="Correo nuevo",
            help_text="Le enviaremos ahí un código, que usted escribe en la página de su solicitud.",
            missing="Escriba el correo nuevo",
        )
    },
    pdf=PdfField("new_registered_email", "Correo registrado", max_length=254),
    clean=clean_mail,
    warning="Desde ese correo se autentica al cliente: un cambio falso entrega la cuenta.",
    is_column=True,
    loser=OLD_MAIL,
)
REPRESENTATIVE = SensitiveField(
    representative.CODE,
    "Representante legal",
    "representative",
    inputs=representative.INPUTS,  # in the PDF form each of its parts is a field
    needs_evidence=True,
    warning="Quien tiene el poder pide todo lo demás: un cambio falso entrega la cuenta.",
    show=representative.show,
    show_short=representative.show_name,
    replace=representative.replace,
    loser=LEAVING,
    find_loser=representative.find_mail,
)
STATUS = SensitiveField(
    "status", "Estado del servicio", "service", show=_show_status, is_column=True, more_columns=_make_status_columns
)
FULL_NAME = SensitiveField(
    "full_name",
    "Nombre completo",
    ACCESS,
    max_length=150,
    inputs={"full_name": Line(label="Nombre completo", missing="Escriba el nombre de la persona", most=150)},
    pdf=PdfField("person_full_name", "Nombre completo", "De la persona que recibe o pierde el acceso", max_length=150),
)
EMAIL = SensitiveField(
    "email",
    "Correo",
    ACCESS,
    max_length=MAX_EMAIL,
    inputs={
        "email": Mail(
            label="Correo de la persona",
            help_text="Ahí recibe el enlace para elegir su contraseña; será su correo registrado.",
            missing="Escriba el correo de la persona",
        )
    },
    pdf=PdfField(
        "person_email", "Correo de la persona", "En la baja y en el cambio de clave, el que ya usa", max_length=254
    ),
    clean=clean_mail,
)
POSITION = SensitiveField(
    "position",
    "Puesto",
    ACCESS,
    max_length=100,
    inputs={"position": Line(label="Puesto", missing="Escriba el puesto de la persona", most=100)},
    pdf=PdfField("person_position", "Puesto (opcional)", "Solo en el alta", max_length=100),
)
PERSON_PHONE = SensitiveField(
    "phone",
    "Teléfono",
    ACCESS,
    max_length=30,
    inputs={
        "phone": Line(label="Teléfono (opcional)", most=30, required=False, attrs={"inputmode": "tel", "type": "tel"})
    },
    pdf=PdfField("person_phone", "Teléfono (opcional)", "Solo en el alta", max_length=30),
)
CONTACT = SensitiveField(
    "contact",
    "Acceso de la persona",
    ACCESS,
    customer_new="Sin acceso",
    staff_new="Sin acceso; sus sesiones terminan",
    loser=PERSON,
)
PASSWORD = SensitiveField(
    "password",
    "Clave de acceso",
    ACCESS,
    customer_old="La de hoy de {}",
    customer_new="Otra, que la persona elige con un enlace",
    staff_new="La que la persona elija con un enlace de un solo uso",
    loser=PERSON,
)

# Of a change of information, in the order of the PDF form and of the guards; and of an access request.
CHANGE_FIELDS = (RFC, LEGAL_NAME, FISCAL_ADDRESS, PHONE, REGISTERED_EMAIL, REPRESENTATIVE, STATUS)
ACCESS_FIELDS = (FULL_NAME, EMAIL, PERSON_PHONE, POSITION, CONTACT, PASSWORD)
BY_CODE: dict[str, SensitiveField] = {row.code: row for row in (*ACCESS_FIELDS, *CHANGE_FIELDS)}
COLUMNS = tuple(row.code for row in CHANGE_FIELDS if row.is_column)
RISKY_ASSETS = frozenset(row.asset for row in CHANGE_FIELDS if row.is_risky)
ASSETS_WITH_EVIDENCE = frozenset(row.asset for row in CHANGE_FIELDS if row.needs_evidence)


def find_row(code: str) -> SensitiveField:
    """Return the row of a field's code. For an unknown code make a row whose label is the code itself."""
    return BY_CODE.get(code) or SensitiveField(code, code, "")


def touches_risky(items: Iterable[Item]) -> bool:
    """Return True if one of the items changes what the customer is recognised by: registered mail, representative."""
    return any(item["asset"] in RISKY_ASSETS for item in items)
