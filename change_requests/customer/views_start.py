"""The first of the five steps: what is asked. POST makes the draft and its folio (M7, M19)."""

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
from change_requests.models import FormalRequest
from factureya.core.forms import STALE_FORM, PortalForm

PAGES = "change_requests/customer/"


class NewRequest(KeyedForm, RequesterView):
    """Step 1: what is asked. POST makes the draft and its folio; a double click makes one."""

    http_method_names = ["get", "head", "post"]
    needs_service = True
    form_kind = ""  # FormalRequest.Form
    form_class: type[PortalForm] = PortalForm

    def form_name(self, **kwargs: Any) -> str:
        """One per form."""
        return f"nueva:{self.form_kind}"

    def get(self, request: HttpRequest) -> HttpResponse:
        """The choice."""
        found = form_memory.find_draft(request.session, self.user, self.form_name())
        key, fields, why = found or (form_memory.new_key(self.user, self.form_name()), {}, "")
        return self.page(self.form_class(initial=fields), key, why)

    def post(self, request: HttpRequest) -> HttpResponse:
        """Make the draft, and on to the second step."""
        key, is_ours = self.posted_key(self.user, self.form_name())
        form = self.form_class(request.POST)
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
        """The first of five steps."""
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
            "steps": steps.line(self.form_kind, "", steps.KIND),
            "blank_url": reverse("requests:form_access" if is_access else "requests:form_change"),
            "mailbox": settings.SUPPORT_EMAIL if is_access else settings.CONTROL_DESK_EMAIL,
        }
        return render(self.request, PAGES + "step_kind.html", context)


class NewAccess(NewRequest):
    """«Solicitud de Control de Acceso» (M7)."""

    form_kind = FormalRequest.Form.ACCESS
    form_class = forms.AccessKindForm


class NewChange(NewRequest):
    """«Solicitud de Baja o Cambio de Información Sensible» (M19)."""

    form_kind = FormalRequest.Form.CHANGE
    form_class = forms.ChangeKindForm
