"""Serve the list of a company's requests, the newest first (M7, M19)."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from change_requests import policy
from change_requests.customer import wording
from change_requests.customer.views_common import RequesterView
from change_requests.models import FormalRequest, RequestRevision, read_folio
from factureya.core import keyset

PAGE = 25
NEWEST_FIRST = keyset.Order(name="folio", read_key=read_folio, is_descending=True)
VIEWS = ("vigentes", "terminadas")
OPEN = (*FormalRequest.EDITABLE, *FormalRequest.WITH_PEOPLE, FormalRequest.Status.FAILED)


class MyRequests(RequesterView):
    """List the company's requests in two views: open and finished."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest) -> HttpResponse:
        """Return a page of the list, which goes on after the folio in `desde`; nothing is counted."""
        view = request.GET.get("vista", VIEWS[0])
        view = view if view in VIEWS else VIEWS[0]
        visible = policy.visible_to(self.user).select_related("implementer")
        is_open = view == VIEWS[0]
        wanted = visible.filter(status__in=OPEN) if is_open else visible.exclude(status__in=OPEN)
        page = keyset.page(NEWEST_FIRST, NEWEST_FIRST.read_from(request.GET), wanted, size=PAGE)
        shown = page.rows
        context: dict[str, Any] = {
            "view": view,
            "rows": _describe_rows(shown),
            "customer": self.customer,
            **page.links({"vista": view}),
            "is_empty": not shown and not visible.exists(),
        }
        return render(request, "change_requests/customer/list.html", context)


def _describe_rows(shown: list[FormalRequest]) -> list[dict[str, Any]]:
    """Return each request with its chip, title and note; one query reads all contents."""
    revisions = RequestRevision.objects.filter(request__in=[formal.pk for formal in shown])
    contents = {(r.request_id, r.no): r.payload for r in revisions.only("request", "no", "payload")}
    return [
        {
            "formal": formal,
            "chip": wording.chip(formal),
            "title": wording.title(formal, contents.get((formal.pk, formal.revision_no), "")),
            "is_due": wording.waits_for_company(formal),
            "note": wording.note(formal),
        }
        for formal in shown
    ]
