"""Serve the list of a company's requests, and the first of the five steps, which makes a new one (M7, M19)."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from accounts.web.form_memory import FormKey
from accounts.web.mixins import PostingForm
from change_requests import operations, policy
from change_requests.customer import forms, steps, wording
from change_requests.customer.views_common import RequesterView
from change_requests.kinds.registry import list_kinds
from change_requests.models import FormalRequest, RequestRevision, read_folio
from factureya.core import keyset
from factureya.core.forms import PortalForm

PAGES = "change_requests/customer/"
PAGE = 25  # rows
NEWEST_FIRST = keyset.Order(name="folio", read_key=read_folio, is_descending=True)
OPEN_VIEW, FINISHED_VIEW = "vigentes", "terminadas"
OPEN = (*FormalRequest.EDITABLE, *FormalRequest.WITH_PEOPLE, FormalRequest.Status.FAILED)


class MyRequests(RequesterView):
    """List the company's requests in two views: open and finished."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Return a page of the company's open or finished requests, newest first; the URL says where it begins."""
        view = FINISHED_VIEW if request.GET.get("vista") == FINISHED_VIEW else OPEN_VIEW
        visible = policy.visible_to(self.user).select_related("implementer")
        wanted = visible.filter(status__in=OPEN) if view == OPEN_VIEW else visible.exclude(status__in=OPEN)
        order = replace(NEWEST_FIRST, named_in=visible)  # a URL can name only a visible request as its start
        page = keyset.page(order, order.read_from(request.GET), wanted, size=PAGE)
        context: dict[str, Any] = {
            "view": view,
            "rows": _describe_rows(page.rows),
            "customer": self.customer,
            **page.links({"vista": view}),
            "is_empty": not page.rows and not visible.exists(),  # no request at all, open or finished
        }
        return render(request, PAGES + "list.html", context)


def _describe_rows(requests: list[FormalRequest]) -> list[dict[str, Any]]:
    """Return the rows of the company's list: each request with its status, title and note; in one query."""
    revisions = RequestRevision.objects.filter(request__in=[formal.pk for formal in requests])
    payloads = {(sent.request_id, sent.no): sent.payload for sent in revisions.only("request", "no", "payload")}
    return [
        {
            "formal": formal,
            "chip": wording.make_chip(formal),
            "title": wording.make_title(formal, payloads.get((formal.pk, formal.revision_no), "")),
            "is_due": wording.waits_for_company(formal),
            "note": wording.make_note(formal),
        }
        for formal in requests
    ]


class NewRequest(RequesterView, PostingForm):
    """Ask what is requested, and create the draft; a double click creates one."""

    http_method_names = ["get", "head", "post"]
    needs_service = True
    form_kind = ""  # FormalRequest.Form

    def form_name(self) -> str:
        """Return the name of the form's one-time key."""
        return f"nueva:{self.form_kind}"

    def get(self, request: HttpRequest) -> HttpResponse:
        return self.show_form()

    def post(self, request: HttpRequest) -> HttpResponse:
        """Create the draft and redirect to the second step."""
        return self.receive_form()

    def form(self, *args: Any, **options: Any) -> forms.KindForm:
        """Return the form of step 1, which offers the kinds of request for access, or those for changes."""
        return forms.KindForm(*args, form=self.form_kind, **options)

    def perform(self, form: PortalForm, key: FormKey) -> str:
        """Create the draft of the chosen kind, and return the URL of step 2; a second click creates none."""
        kind = form.cleaned_data["kind"]
        formal = operations.create_draft(
            actor=self.user, customer=self.customer, form=self.form_kind, key=key.key, kind=kind, proof=self.proof
        )
        return reverse("requests:data", args=[formal.folio])

    def render_page(
        self, form: PortalForm, key: FormKey, *, kept: Sequence[Any] = (), draft_reason: str = ""
    ) -> HttpResponse:
        """Return the page of the wizard's step 1; `draft_reason` says why unsent answers are shown, or is empty."""
        is_access = self.form_kind == FormalRequest.Form.ACCESS
        context = {
            "form": form,
            "key": key.token,
            "draft_reason": draft_reason,
            "formal": None,
            "saved_at": None,
            "back_url": "",
            "document": FormalRequest.Form(self.form_kind).label,
            "button": "Continuar",
            "steps": steps.list_steps(list_kinds(self.form_kind)[0].step_label, steps.KIND),  # no kind is chosen yet
            "blank_url": reverse("requests:form_access" if is_access else "requests:form_change"),
            "mailbox": settings.SUPPORT_EMAIL if is_access else settings.CONTROL_DESK_EMAIL,
        }
        return render(self.request, PAGES + "step_kind.html", context)
