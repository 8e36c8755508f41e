"""Step 2 of a cambio: which data change, each with today's value beside the new one (M19).

The form asks; `change_requests.kinds.content` judges, as it does for a PDF. The inputs are called as the draft's items.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django import forms

from accounts.models import Customer, Representative
from change_requests.customer.forms import Choice, Day, Line, Mail, Tick
from factureya.core.forms import PortalForm

MAX_ADDRESS: int = Customer._meta.get_field("fiscal_address").max_length or 0
MISSING_ANY = "Marque al menos un dato y escriba su valor nuevo"
MISSING_IDENTITY = "Escriba el RFC nuevo, la razón social nueva, o ambos"
MONO = {
    "class": "textinput form-control fy-mono",
    "autocapitalize": "characters",
    "spellcheck": "false",
}


@dataclass(frozen=True)
class Group:
    """A card of the page: its box, and the inputs that it opens."""

    box: str
    inputs: tuple[str, ...]


ADDRESS = Group("c_address", ("street", "zip", "suburb", "city"))
REPRESENTATIVE = Group(
    "c_representative",
    (
        "representative_replaces",
        "representative_name",
        "representative_email",
        "representative_rfc",
        "representative_power",
        "representative_instrument",
        "representative_valid_from",
        "representative_valid_until",
    ),
)
GROUPS = (
    ADDRESS,
    Group("c_phone", ("phone",)),
    Group("c_email", ("registered_email",)),
    Group("c_identity", ("rfc", "legal_name")),
    REPRESENTATIVE,
)


class DataForm(PortalForm):
    """A box for each datum; only the inputs of a ticked box count, so a forgotten text changes nothing."""

    c_address = Tick(label="Domicilio fiscal", required=False)
    street = Line(
        label="Calle y número",
        missing="Escriba la calle y el número",
        most=150,
        attrs={"autocomplete": "address-line1"},
    )
    zip = Line(
        label="Código postal",
        missing="Escriba el código postal",
        most=10,
        attrs={"autocomplete": "postal-code", "inputmode": "numeric"},
    )
    suburb = Line(label="Colonia", missing="Escriba la colonia", most=80)
    city = Line(label="Municipio y estado", missing="Escriba el municipio y el estado", most=80)
    c_phone = Tick(label="Teléfono", required=False)
    phone = Line(
        label="Teléfono nuevo",
        missing="Escriba el teléfono nuevo",
        most=30,
        attrs={"autocomplete": "tel", "inputmode": "tel"},
    )
    c_email = Tick(label="Correo registrado", required=False)
    registered_email = Mail(
        label="Correo nuevo",
        help_text="Le enviaremos ahí un código, que usted escribe en la página de su solicitud.",
        missing="Escriba el correo nuevo",
    )
    c_identity = Tick(label="RFC o razón social", required=False)
    rfc = Line(label="RFC nuevo (opcional)", required=False, most=20, attrs=MONO)
    legal_name = Line(label="Razón social nueva (opcional)", required=False)
    c_representative = Tick(label="Representante legal", required=False)
    representative_replaces = Choice(
        label="¿A quién sustituye?",
        required=False,
        is_list=True,
        missing="Elija de la lista a quién sustituye",
    )
    representative_name = Line(label="Nombre", missing="Escriba el nombre del representante", most=150)
    representative_email = Mail(
        label="Correo del representante",
        help_text="El de una persona que ya tiene acceso al portal; si no lo tiene, pida antes su alta.",
        missing="Escriba el correo del representante",
    )
    representative_rfc = Line(
        label="RFC del representante",
        missing="Escriba el RFC del representante",
        most=20,
        attrs=MONO,
    )
    representative_power = Choice(
        label="Carácter",
        choices=[("", "Elija una opción"), *Representative.Power.choices],
        is_list=True,
        missing="Elija si es representante legal o apoderado",
    )
    representative_instrument = Line(
        label="Escritura o poder",
        help_text="Número, fecha y notaría. Adjúntelo como evidencia en el paso siguiente.",
        missing="Escriba los datos de la escritura o del poder",
        most=200,
    )
    representative_valid_from = Day(label="Facultades desde", missing="Escriba desde qué día tiene facultades")
    representative_valid_until = Day(label="Facultades hasta (opcional)", required=False)

    def __init__(self, *args: Any, representatives: Iterable[Representative] = (), **options: Any) -> None:
        """`representatives`: those who may be replaced."""
        super().__init__(*args, **options)
        field: Any = self.fields["representative_replaces"]
        field.choices = [
            *((r.email, str(r)) for r in representatives),
            ("", "A nadie: se agrega como otro representante"),
        ]
        for group in GROUPS if self.is_bound else ():
            if not self.data.get(group.box):
                for name in group.inputs:
                    self.fields[name].required = False

    def full_clean(self) -> None:
        """What stands in a box that is not ticked is nobody's business: no error of it."""
        super().full_clean()
        for group in GROUPS if self.is_bound else ():
            if not self.data.get(group.box):
                for name in group.inputs:
                    self.errors.pop(name, None)

    def clean_zip(self) -> str:
        """Five digits."""
        text: str = self.cleaned_data["zip"]
        if text and not re.fullmatch(r"[0-9]{5}", text):
            raise forms.ValidationError("El código postal tiene 5 números")
        return text

    def clean(self) -> dict[str, Any]:
        """Something changes."""
        data = super().clean() or self.cleaned_data
        if not any(data.get(group.box) for group in GROUPS):
            self.add_error(None, MISSING_ANY)
        address = {name: data.get(name, "") for name in ADDRESS.inputs}
        if data.get("c_address") and (length := len(whole_address(**address))) > MAX_ADDRESS:
            self.add_error(
                "street",
                f"El domicilio completo tiene hasta {MAX_ADDRESS} caracteres; son {length}. Acórtelo.",
            )
        is_named = data.get("rfc") or data.get("legal_name") or {"rfc", "legal_name"} & set(self.errors)
        if data.get("c_identity") and not is_named:
            self.add_error("rfc", MISSING_IDENTITY)
        return data

    def answers(self) -> dict[str, Any]:
        """The items, and the parts of the address as they were typed."""
        data: dict[str, Any] = self.cleaned_data
        items: dict[str, str] = {}
        for group in GROUPS:
            if data[group.box] and group is not ADDRESS:
                items |= {name: _text(data[name]) for name in group.inputs}
        for name in ("rfc", "legal_name"):
            if name in items and not items[name]:
                del items[name]
        address = {name: data[name] for name in ADDRESS.inputs} if data["c_address"] else {}
        if address:
            items["fiscal_address"] = whole_address(**address)
        return {"items": items, "address": address}


def initial_of(draft: dict[str, Any], requester_mail: str) -> dict[str, Any]:
    """The form of a draft. An address that came by mail has no parts: it stands whole in the first."""
    items: dict[str, str] = draft.get("items") or {}
    initial: dict[str, Any] = {"representative_replaces": requester_mail, **items}
    if whole := items.get("fiscal_address"):
        initial |= draft.get("address") or {"street": whole}
    for group in GROUPS:
        initial[group.box] = any(name in items for name in group.inputs)
    initial[ADDRESS.box] = "fiscal_address" in items
    return initial


def whole_address(*, street: str, zip: str, suburb: str, city: str) -> str:
    """«Blvd. Atlixco 3505, int. 4, Col. Las Ánimas, 72190 Puebla, Puebla»."""
    colonia = suburb if suburb.lower().startswith(("col.", "col ", "fracc")) else f"Col. {suburb}"
    return f"{street}, {colonia}, {zip} {city}"


def _text(value: Any) -> str:
    """A date as YYYY-MM-DD, nothing as an empty text."""
    return str(value) if value else ""
