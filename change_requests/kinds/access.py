"""What the three kinds of the *Solicitud de Control de Acceso* share (M7)."""

from collections.abc import Sequence
from typing import Any

from django.db.models import Exists, OuterRef

from accounts.models import Contact, Customer, Representative, User
from change_requests.kinds import people
from change_requests.kinds.base import Draft, RequestKind
from change_requests.kinds.fields import CONTACT, EMAIL, PASSWORD, SensitiveField
from change_requests.kinds.inputs import Choice
from change_requests.kinds.values import Errors, Item, make_item
from change_requests.models import FormalRequest
from factureya.core.forms import PortalForm

MOST_PEOPLE = 200


class AccessKind(RequestKind):
    """A request about one person's access to the portal."""

    form = FormalRequest.Form.ACCESS
    step_label = "Persona"
    min_reason = 10

    def read_pdf(self, person: Draft, items: Draft) -> Draft:
        """Return the draft of a request that came as a PDF form. It names nobody yet: `inbound` adds the person."""
        return {"person": {}}

    def find_value_today(self, customer: Customer, item: Item) -> str:
        """Return the value that the item's field has today. If it is not the item's old value, nothing is executed.

        - A person who loses the access or sets a new password: his mail address, or "" if he has no active account. But
          a person with powers must not lose the access: then it is «(tiene poderes)», which is no old value.
        - A new person's mail: "", as he has none yet; or «(ya está)» if a contact of the company has it already.
        - Any other field: "".
        """
        if item["field"] in (CONTACT.code, PASSWORD.code):
            powers = Representative.objects.filter(customer=customer, user=OuterRef("pk")).in_force()
            colleagues = people.find_active_people(customer).filter(email=item["old"].lower())
            mail_and_powers = colleagues.annotate(has_powers=Exists(powers)).values_list("email", "has_powers").first()
            email, has_powers = mail_and_powers or ("", False)
            return "(tiene poderes)" if has_powers and item["field"] == CONTACT.code else email
        if item["field"] != EMAIL.code:
            return ""
        is_inside = Contact.objects.filter(customer=customer, user__email=item["new"]).exists()
        return "(ya está)" if is_inside else ""


class ColleagueForm(PortalForm):
    """Ask for one of the company's people, by mail address, in step 2 of a baja or cambio de clave."""

    person = Choice(label="¿De quién?", missing="Elija a la persona, de la lista")

    def __init__(self, *args: Any, people: Sequence[tuple[int, str, str]] = (), **options: Any):
        super().__init__(*args, **options)
        self.keys = {mail: key for key, _, mail in people}
        person: Any = self.fields["person"]
        person.choices = [(mail, f"{name} · {mail}") for _, name, mail in people]

    def answers(self) -> Draft:
        return {"person": {"user": self.keys[self.cleaned_data["person"]]}}


class ColleagueKind(AccessKind):
    """A request about a person who already has access; its only item has the person's mail as old value."""

    field: SensitiveField
    step_template = "step_who.html"
    error_places = {"user": "person"}
    names_colleague = True
    includes_requester = True  # whether the requester may name himself
    # The page of step 2.
    question = ""
    consequence = ""
    title_prefix = ""

    def title(self, items: Sequence[Item]) -> str:
        """Return the request's title, «Baja de acceso de beto@ejemplo.mx»; no mail while no person is chosen."""
        mails = [item["old"] for item in items if item["field"] == self.field.code]
        return f"{self.title_prefix} de {mails[0]}" if mails else self.title_prefix

    def step_form(self, request: FormalRequest, *args: Any, **options: Any) -> ColleagueForm:
        return ColleagueForm(*args, people=self.find_people(request), **options)

    def step_initial(self, request: FormalRequest) -> dict[str, Any]:
        mails = {key: mail for key, _, mail in self.find_people(request)}
        return {"person": mails.get(self._find_person_key(request))}

    def find_people(self, request: FormalRequest) -> list[tuple[int, str, str]]:
        """Return key, name and mail of the contacts who can be chosen, by name; in some kinds not the requester."""
        contacts = Contact.objects.filter(customer=request.customer, user__is_active=True)
        if not self.includes_requester:
            contacts = contacts.exclude(user=request.requester_id)
        contacts = contacts.select_related("user").order_by("user__full_name", "pk")[:MOST_PEOPLE]
        return [(contact.user_id, contact.user.get_full_name(), contact.user.email) for contact in contacts]

    def find_items(self, request: FormalRequest, errors: Errors) -> list[Item]:
        """Return one item (change): the old value is the chosen person's mail, there is no new one. Fill `errors`."""
        person = people.find_active_people(request.customer).filter(pk=self._find_person_key(request)).first()
        if person is None:
            errors["user"] = "Elija a la persona de su empresa."
            return []
        self.check_person(request, person, errors)
        return [make_item(self.field.asset, self.field.code, person.email, "")]

    def _find_person_key(self, request: FormalRequest) -> int:
        """Return the database key of the person in the draft; 0, which nobody has, if it is not a number."""
        key = str((request.draft.get("person") or {}).get("user"))
        return int(key) if key.isdecimal() and len(key) < 19 else 0  # longer ones are too big for the database

    def check_person(self, request: FormalRequest, person: User, errors: Errors) -> None:
        """Add to `errors` why the request cannot be about this person. Here everybody may be; a kind may refuse."""

    def apply(self, request: FormalRequest, payload: dict[str, Any], actor: User) -> User | None:
        """Do what was approved for the person of the only item. Return him if we must mail a link for a password."""
        person = people.find_person(request.customer, payload["items"][0]["old"])
        assert person is not None  # the execution compared the item with `find_value_today` before
        return self.apply_to(person, request, actor)

    def apply_to(self, person: User, request: FormalRequest, actor: User) -> User | None:
        """Change the person's access; return the person if a link to set a password follows."""
        raise NotImplementedError
