"""Serve the list of a company's requests, the newest first (M7, M19)."""

from typing import Any

from django.db.models import Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from change_requests import policy
from change_requests.customer import wording
from change_requests.customer.views_common import RequesterView
from change_requests.kinds.folios import find_folio
from change_requests.models import FormalRequest, RequestRevision

PAGE = 25
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
        if after := find_folio(request.GET.get("desde", "")):
            last = visible.filter(folio=after).values("pk")[:1]
            wanted = wanted.filter(pk__lt=Subquery(last))
        found = list(wanted.order_by("-pk")[: PAGE + 1])
        shown = found[:PAGE]
        context: dict[str, Any] = {
            "view": view,
            "rows": _describe_rows(shown),
            "customer": self.customer,
            "next_url": f"?vista={view}&desde={shown[-1].folio}" if len(found) > PAGE else "",
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
