"""What every kind of formal request says of itself; `kinds/<kind>.py` holds one class for each."""

import copy
from collections.abc import Sequence
from typing import Any, ClassVar

from django import forms

from accounts.models import Customer, User
from change_requests.kinds.values import Errors, Item
from change_requests.models import FormalRequest
from factureya.core.forms import PortalForm

Draft = dict[str, Any]


class RequestKind:
    """A kind of formal request: how it is asked, checked, shown and applied. It holds no state."""

    form: ClassVar[str]  # FormalRequest.Form
    code: ClassVar[str]  # FormalRequest.Kind

    # -- The wizard of the portal
    choice: ClassVar[str]  # in step 1
    noun: ClassVar[str]  # in «Elija si solicita …»
    step_label: ClassVar[str]  # of step 2
    step_template: ClassVar[str]
    error_places: ClassVar[dict[str, str]] = {}  # field of the content -> the input that shows what is wrong with it
    changes_heading: ClassVar[str]  # over the old and new values, before it is sent
    min_reason: ClassVar[int]
    has_date = False
    needs_date = False
    date_label = "Cuándo aplicarlo"

    # -- The PDF form
    pdf_value: ClassVar[str]  # of the radio button, which screen readers say aloud
    pdf_label: ClassVar[str]
    pdf_hint: ClassVar[str]

    # -- What differs on its way
    names_colleague = False  # the draft names a person who already has access
    blocks_all = False  # it conflicts with every open change of the company
    waits_for_date = True  # it is not executed before its effective date
    suspends_service = False
    mails_link_to_person = False  # the person gets the link to set a password instead of a warning
    person_warning = ""  # to the person who loses something; {company} is put in

    def title(self, items: Sequence[Item]) -> str:
        """Return what a request with these items is called, such as «Alta de Rosa Paredes»."""
        raise NotImplementedError

    def draft_title(self, draft: Draft) -> str:
        """Return the title of a draft, made of the answers that it has so far."""
        return self.title([])

    def step_form(self, request: FormalRequest, *args: Any, **options: Any) -> PortalForm:
        """Return the form of step 2, which has a method `answers()` with its part of the draft."""
        raise NotImplementedError

    def step_initial(self, request: FormalRequest) -> dict[str, Any]:
        """Return the initial values of step 2 from the draft."""
        raise NotImplementedError

    def read_pdf(self, person: Draft, items: Draft) -> Draft:
        """Return the draft of a request that came as a PDF form: the person and the new values written in the form."""
        raise NotImplementedError

    def find_items(self, request: FormalRequest, errors: Errors) -> list[Item]:
        """Return the changes that the draft asks for, as items; add to `errors`, by field, what is wrong with them."""
        raise NotImplementedError

    def find_value_today(self, customer: Customer, item: Item) -> str:
        """Return today's value, to be compared with the item's old value: if they differ, it is drift."""
        raise NotImplementedError

    def find_executable_value(self, customer: Customer, item: Item) -> str:
        """Return today's value, or, in brackets, why the new value cannot be written. An execution asks it first."""
        return self.find_value_today(customer, item)

    def apply(self, request: FormalRequest, payload: dict[str, Any], actor: User) -> User | None:
        """Write what was approved; return the person who gets a link to set a password, or None."""
        raise NotImplementedError


class RowsForm(PortalForm):
    """A form whose inputs come from rows of `kinds.fields`."""

    row_inputs: ClassVar[dict[str, forms.Field]] = {}

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields |= copy.deepcopy(self.row_inputs)
