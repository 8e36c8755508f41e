"""Serve the first of the five steps, which creates the draft and its folio (M7, M19)."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from accounts.web import form_memory
from accounts.web.form_memory import FormKey
from accounts.web.mixins import KeyedForm
from change_requests import operations
from change_requests.customer import forms, steps
from change_requests.customer.views_common import REFUSALS, RequesterView
from change_requests.kinds.registry import list_kinds
from change_requests.models import FormalRequest
from factureya.core.forms import STALE_FORM, PortalForm

PAGES = "change_requests/customer/"


class NewRequest(KeyedForm, RequesterView):
    """Ask what is requested, and create the draft; a double click creates one."""

    http_method_names = ["get", "head", "post"]
    needs_service = True
    form_kind = ""  # FormalRequest.Form

    def form_name(self, **kwargs: Any) -> str:
        """Return the name of the form's one-time key."""
        return f"nueva:{self.form_kind}"

    def get(self, request: HttpRequest) -> HttpResponse:
        """Return the page with the choice."""
        found = form_memory.find_draft(request.session, self.user, self.form_name())
        key, fields, why = found or (form_memory.new_key(self.user, self.form_name()), {}, "")
        return self.page(forms.KindForm(initial=fields, form=self.form_kind), key, why)

    def post(self, request: HttpRequest) -> HttpResponse:
        """Create the draft and redirect to the second step."""
        key, is_ours = self.posted_key(self.user, self.form_name())
        form = forms.KindForm(request.POST, form=self.form_kind)
        if not is_ours:
            form.add_error(None, STALE_FORM)
        if not form.is_valid():
            return self.page(form, key)
        try:
            formal = operations.create_draft(
                actor=self.user,
                customer=self.customer,
                form=self.form_kind,
                key=key.key,
                kind=form.cleaned_data["kind"],
            )
        except REFUSALS as refusal:
            form.add_error(None, str(refusal))
            return self.page(form, key)
        form_memory.forget_draft(request.session, key)
        return redirect("requests:data", folio=formal.folio)

    def page(self, form: PortalForm, key: FormKey, why: str = "") -> HttpResponse:
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
