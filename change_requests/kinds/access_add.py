"""*Alta*: a person of the company gets access to the portal (M7)."""

from collections.abc import Sequence
from typing import Any

from accounts import operations as accounts
from accounts.models import Contact, User
from change_requests.kinds.access import AccessKind
from change_requests.kinds.base import Draft, RowsForm
from change_requests.kinds.fields import EMAIL, FULL_NAME, PERSON_PHONE, POSITION
from change_requests.kinds.values import Errors, Item, WrongValue, clean_line, make_item
from change_requests.models import FormalRequest


class PersonForm(RowsForm):
    """Ask who gets access, in step 2 of an alta."""

    row_inputs = {**FULL_NAME.inputs, **EMAIL.inputs, **POSITION.inputs, **PERSON_PHONE.inputs}

    def answers(self) -> Draft:
        return {"person": dict(self.cleaned_data)}


class AccessAdd(AccessKind):
    """Give access to a person, who must not be in the company yet."""

    code = FormalRequest.Kind.ALTA
    choice = "Alta: dar acceso a una persona de la empresa"
    noun = "un alta"
    step_template = "step_person.html"
    changes_heading = "A quién se da acceso"
    pdf_value = "Alta"
    pdf_label = "Alta"
    pdf_hint = "la persona recibe un enlace para crear su acceso"

    def title(self, items: Sequence[Item]) -> str:
        names = [item["new"] for item in items if item["field"] == FULL_NAME.code]
        return f"Alta de {names[0]}" if names else "Alta"

    def draft_title(self, draft: Draft) -> str:
        name = (draft.get("person") or {}).get("full_name")
        return self.title([make_item(FULL_NAME.asset, FULL_NAME.code, "", name)] if name else [])

    def step_form(self, request: FormalRequest, *args: Any, **options: Any) -> PersonForm:
        return PersonForm(*args, **options)

    def step_initial(self, request: FormalRequest) -> dict[str, Any]:
        return dict(request.draft.get("person") or {})

    def read_pdf(self, person: Draft, items: Draft) -> Draft:
        return {"person": person}

    def find_items(self, request: FormalRequest, errors: Errors) -> list[Item]:
        """Return one item (change) for each filled answer about the new person; add to `errors` what is wrong.

        Phone and position may be empty. If one of them is too long, its end is dropped.
        """
        person = request.draft.get("person") or {}
        name, email = clean_line(person.get("full_name")), clean_line(person.get("email")).lower()
        if not name or len(name) > FULL_NAME.max_length:
            errors["full_name"] = "Escriba el nombre de la persona, de 150 caracteres a lo más."
        try:
            EMAIL.clean(email)
        except WrongValue as problem:
            errors["email"] = str(problem)
        else:
            if Contact.objects.filter(customer=request.customer_id, user__email=email).exists():
                errors["email"] = "Esa persona ya está en su empresa."
        values = [(FULL_NAME, name), (EMAIL, email)]
        optional = (PERSON_PHONE, POSITION)
        values += [(field, clean_line(person.get(field.code))[: field.max_length]) for field in optional]
        return [make_item(field.asset, field.code, "", value) for field, value in values if value]

    def apply(self, request: FormalRequest, payload: dict[str, Any], actor: User) -> None:
        """Mail the new person an invitation to the portal; with it he makes his own account."""
        email = next(item["new"] for item in payload["items"] if item["field"] == EMAIL.code)
        accounts.invite_by_request(
            request.customer, email=email, folio=request.folio, invited_by=request.requester, actor=actor
        )
