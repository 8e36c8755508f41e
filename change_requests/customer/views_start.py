"""Serve the first of the five steps, which creates the draft and its folio (M7, M19)."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from accounts.web.form_memory import FormKey
from accounts.web.mixins import PostingForm
from change_requests import operations
from change_requests.customer import forms, steps
from change_requests.customer.views_common import RequesterView
from change_requests.kinds.registry import list_kinds
from change_requests.models import FormalRequest
from factureya.core.forms import PortalForm

PAGES = "change_requests/customer/"


class NewRequest(RequesterView, PostingForm):
    """Ask what is requested, and create the draft; a double click creates one."""

    http_method_names = ["get", "head", "post"]
    needs_service = True
    form_kind = ""  # FormalRequest.Form

    def form_name(self) -> str:
        """Return the name of the form's one-time key."""
        return f"nueva:{self.form_kind}"

    def get(self, request: HttpRequest) -> HttpResponse:
        """Return the page with the choice."""
        return self.show_form()

    def post(self, request: HttpRequest) -> HttpResponse:
        """Create the draft and redirect to the second step."""
        return self.receive_form()

    def form(self, *args: Any, **options: Any) -> forms.KindForm:
        """Return the form with the kinds of this form."""
        return forms.KindForm(*args, form=self.form_kind, **options)

    def perform(self, form: PortalForm, key: FormKey) -> str:
        """Create the draft and return the address of its second step."""
        kind = form.cleaned_data["kind"]
        formal = operations.create_draft(
            actor=self.user, customer=self.customer, form=self.form_kind, key=key.key, kind=kind
        )
        return reverse("requests:data", args=[formal.folio])

    def page(self, form: PortalForm, key: FormKey, *, kept: Sequence[Any] = (), why: str = "") -> HttpResponse:
        """Return the page of the first step with this form."""
        is_access = self.form_kind == FormalRequest.Form.ACCESS
        context = {
            "form": form,
            "key": key.token,
            "why": why,
            "formal": None,
            "saved_at": None,
            "back_url": "",
            "document": FormalRequest.Form(self.form_kind).label,
            "button": "Continuar",
            "steps": steps.list_steps(list_kinds(self.form_kind)[0].step_label, steps.KIND),
            "blank_url": reverse("requests:form_access" if is_access else "requests:form_change"),
            "mailbox": settings.SUPPORT_EMAIL if is_access else settings.CONTROL_DESK_EMAIL,
        }
        return render(self.request, PAGES + "step_kind.html", context)
