"""*Cambio* of sensitive data: the company's RFC, name, address, phone, registered mail or representative (M19)."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms

from accounts.models import Representative
from change_requests.kinds import people, representative
from change_requests.kinds.base import Draft, RowsForm
from change_requests.kinds.change import ChangeKind
from change_requests.kinds.fields import (
    CHANGE_FIELDS,
    FISCAL_ADDRESS,
    LEGAL_NAME,
    MAX_ADDRESS,
    PHONE,
    REGISTERED_EMAIL,
    REPRESENTATIVE,
    RFC,
    STATUS,
    SensitiveField,
    find_row,
)
from change_requests.kinds.inputs import Tick
from change_requests.kinds.values import Errors, Item, WrongValue, clean_line, make_item
from change_requests.models import FormalRequest

MOST_REPRESENTATIVES = 200
MISSING_ANY = "Marque al menos un dato y escriba su valor nuevo"
MISSING_IDENTITY = "Escriba el RFC nuevo, la razón social nueva, o ambos"
PLAIN_FIELDS = {row.code: row for row in CHANGE_FIELDS if row not in (REPRESENTATIVE, STATUS)}


@dataclass(frozen=True)
class Box:
    """A card of the page: a box to tick, which opens the inputs of these rows."""

    name: str
    label: str
    rows: tuple[SensitiveField, ...]

    @property
    def inputs(self) -> dict[str, forms.Field]:
        """Return, by name, the form's inputs that appear when this box is ticked."""
        return {name: row_input for field in self.rows for name, row_input in field.inputs.items()}


ADDRESS = Box("c_address", "Domicilio fiscal", (FISCAL_ADDRESS,))
BOXES = (
    ADDRESS,
    Box("c_phone", "Teléfono", (PHONE,)),
    Box("c_email", "Correo registrado", (REGISTERED_EMAIL,)),
    Box("c_identity", "RFC o razón social", (RFC, LEGAL_NAME)),
    Box("c_representative", "Representante legal", (REPRESENTATIVE,)),
)


class DataForm(RowsForm):
    """Ask for new values, in step 2 of a cambio; only the inputs of a ticked box count."""

    row_inputs = {
        name: row_input
        for box in BOXES
        for name, row_input in {box.name: Tick(label=box.label, required=False), **box.inputs}.items()
    }

    def __init__(self, *args: Any, representatives: Iterable[Representative] = (), **options: Any) -> None:
        super().__init__(*args, **options)
        replaces: Any = self.fields[representative.REPLACES]
        replaces.choices = [
            *((row.email, str(row)) for row in representatives),
            ("", "A nadie: se agrega como otro representante"),
        ]
        for name in self._list_unused_inputs():  # those of boxes without a tick
            self.fields[name].required = False

    def full_clean(self) -> None:
        """Validate the new values of the company, and drop the errors of inputs whose box was not ticked."""
        super().full_clean()
        for name in self._list_unused_inputs():
            self.errors.pop(name, None)

    def _list_unused_inputs(self) -> list[str]:
        """Return the names of the inputs whose box was not ticked in the posted form: their values are ignored."""
        unticked = [box for box in BOXES if self.is_bound and not self.data.get(box.name)]
        return [name for box in unticked for name in box.inputs]

    def clean_zip(self) -> str:
        """Return the postal code (código postal): empty or five digits."""
        text: str = self.cleaned_data["zip"]
        if text and not re.fullmatch(r"[0-9]{5}", text):
            raise forms.ValidationError("El código postal tiene 5 números")
        return text

    def clean(self) -> dict[str, Any]:
        """Check that a box is ticked, the address is not too long, and the box of RFC and name has one of them."""
        data = super().clean() or self.cleaned_data
        if not any(data.get(box.name) for box in BOXES):
            self.add_error(None, MISSING_ANY)
        address = {name: data.get(name, "") for name in ADDRESS.inputs}
        if data.get(ADDRESS.name) and (length := len(join_address(**address))) > MAX_ADDRESS:
            self.add_error(
                "street", f"El domicilio completo tiene hasta {MAX_ADDRESS} caracteres; son {length}. Acórtelo."
            )
        # A wrong RFC or name is not in `data`, but it was filled in: its own error is enough.
        is_filled_in = any(data.get(name) or name in self.errors for name in ("rfc", "legal_name"))
        if data.get("c_identity") and not is_filled_in:
            self.add_error("rfc", MISSING_IDENTITY)
        return data

    def answers(self) -> Draft:
        """Return what this step puts into the draft: the new values of the ticked boxes, by field.

        RFC and legal name have one box: the one that is empty does not change. The address is also kept in its parts,
        to fill the form again.
        """
        data: dict[str, Any] = self.cleaned_data
        items: dict[str, str] = {}
        for box in BOXES:
            if data[box.name] and box is not ADDRESS:
                items |= {name: str(data[name] or "") for name in box.inputs}
        for name in ("rfc", "legal_name"):
            if items.get(name) == "":
                del items[name]
        address = {name: data[name] for name in ADDRESS.inputs} if data[ADDRESS.name] else {}
        if address:
            items[FISCAL_ADDRESS.code] = join_address(**address)
        return {"items": items, "address": address}


def join_address(*, street: str, zip: str, suburb: str, city: str) -> str:
    """Return an address as one text, «Calle 3, Col. Las Ánimas, 72190 Puebla»; «Col.» is added where it is missing."""
    colonia = suburb if suburb.lower().startswith(("col.", "col ", "fracc")) else f"Col. {suburb}"  # fraccionamiento
    return f"{street}, {colonia}, {zip} {city}"


class SensitiveData(ChangeKind):
    """Correct or update data of the company; each listed field is asked once and really changes."""

    code = FormalRequest.Kind.CHANGE
    choice = "Cambio: corregir o actualizar datos registrados de la empresa"
    noun = "un cambio de datos"
    step_template = "step_data.html"
    error_places = {FISCAL_ADDRESS.code: "street"}
    pdf_value = "Cambio"
    pdf_label = "Cambio de datos"
    pdf_hint = "llene las secciones 3 o 4"

    def title(self, items: Sequence[Item]) -> str:
        """Return the request's title with the fields that change, such as «Cambio de RFC, teléfono y correo»."""
        labels = [find_row(item["field"]).label for item in items] or ["información"]
        names = [label if label.isupper() else label[0].lower() + label[1:] for label in labels]  # RFC keeps capitals
        *first_names, last_name = names
        return "Cambio de " + (f"{', '.join(first_names)} y {last_name}" if first_names else last_name)

    def draft_title(self, draft: Draft) -> str:
        """Return the draft's title with the fields that it changes so far; a representative's parts are one field."""
        answers = draft.get("items") or {}
        codes = [name for name in answers if not name.startswith(representative.CODE)]
        if len(codes) < len(answers):  # parts of a representative were left out
            codes.append(representative.CODE)
        return self.title([make_item("", code, "", "") for code in codes])

    def step_form(self, request: FormalRequest, *args: Any, **options: Any) -> DataForm:
        representatives = people.find_open_representatives(request.customer).order_by("pk")[:MOST_REPRESENTATIVES]
        return DataForm(*args, representatives=list(representatives), **options)

    def step_initial(self, request: FormalRequest) -> dict[str, Any]:
        """Return the values that the form shows at first: the draft's new values, and their boxes ticked.

        As the representative to be replaced it shows the requester, if the draft names nobody. An address from a PDF
        form has no parts, so all of it is shown in the street.
        """
        items: dict[str, str] = request.draft.get("items") or {}
        initial: dict[str, Any] = {representative.REPLACES: request.requester.email, **items}
        if whole := items.get(FISCAL_ADDRESS.code):
            initial |= request.draft.get("address") or {"street": whole}
        for box in BOXES:
            initial[box.name] = any(name in items for name in box.inputs)
        initial[ADDRESS.name] = FISCAL_ADDRESS.code in items
        return initial

    def read_pdf(self, person: Draft, items: Draft) -> Draft:
        return {"items": items}

    def find_items(self, request: FormalRequest, errors: Errors) -> list[Item]:
        """Return one item (change) for each field of the draft, and one for a representative. Fill `errors`."""
        answers = {name: clean_line(new) for name, new in (request.draft.get("items") or {}).items()}
        parts = {name: new for name, new in answers.items() if name.startswith(representative.PREFIX)}
        items: list[Item] = []
        for name, new in answers.items():
            if name in PLAIN_FIELDS:
                items.append(_make_change(request, PLAIN_FIELDS[name], new, errors))
            elif name not in parts:  # neither a plain field nor a part of the representative
                errors[name] = "Ese dato no se cambia con esta solicitud."
        if parts:
            items += representative.find_changes(request, parts, errors)
        if not answers:
            errors["items"] = "Elija al menos un dato que cambie."
        return items


def _make_change(request: FormalRequest, field: SensitiveField, new: str, errors: Errors) -> Item:
    """Return the item (change) that gives a field of the company the value `new`. Add to `errors` what is wrong."""
    customer, code = request.customer, field.code
    try:
        new = field.clean(new)
    except WrongValue as problem:
        errors[code] = str(problem)
    old = str(getattr(customer, code))
    if not new:
        errors.setdefault(code, "Escriba el dato nuevo.")
    elif len(new) > field.max_length:
        errors[code] = f"Tiene más de {field.max_length} caracteres; acórtelo."
    elif new == old:
        errors[code] = representative.SAME_AS_TODAY
    elif field.is_taken and field.is_taken(customer, new):
        errors[code] = "Ese RFC ya es de una empresa verificada."
    return make_item(field.asset, code, old, new)
