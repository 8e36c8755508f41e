"""Mis tickets: mine and my company's, by whose turn it is, with search (M16)."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.http import urlencode

from tickets import lists
from tickets.lists import Cursor, Page
from tickets.views_common import PersonView


class MyTickets(PersonView):
    """The customer's list: five queries, whatever he owns."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest) -> HttpResponse:
        """A tab, or what a search found."""
        query = request.GET.get("q", "").strip()[: lists.MAX_QUERY].replace("\0", "")
        view, cursor = self.view_asked(), self.cursor_asked()
        if query:
            page = lists.search(self.user, query, cursor)
            groups = [lists.Group(f"Resultados de «{query}»", page.tickets)]
        else:
            groups, page = lists.groups(self.user, view, cursor)
        tabs, has_any = lists.tabs(self.user, "" if query else view)
        context = {
            "tabs": tabs, "is_empty": not has_any, "view": view, "query": query, "reader": self.user,
            "groups": [group for group in groups if group.tickets], "is_limited": lists.is_limited(self.user),
            "is_company": not query and view.startswith(lists.COMPANY),
            "wrong_number": lists.has_wrong_number(query), **_pager(page, view, query),
        }  # fmt: skip
        return render(request, "tickets/list.html", context)

    def view_asked(self) -> str:
        """The tab in the address; the first one when it is none of this person's."""
        view = self.request.GET.get("vista", "")
        if view not in lists.VIEWS or (
            view.startswith(lists.COMPANY) and lists.is_limited(self.user)
        ):
            return lists.ACTIVE
        return view

    def cursor_asked(self) -> Cursor | None:
        """Where the page starts or ends."""
        after = lists.decode(self.request.GET.get("despues", ""))
        return after or lists.decode(self.request.GET.get("antes", ""), is_back=True)


def _pager(page: Page, view: str, query: str) -> dict[str, str]:
    base = {"q": query} if query else {"vista": view}
    return {
        "previous_url": "?" + urlencode({**base, "antes": page.before}) if page.before else "",
        "next_url": "?" + urlencode({**base, "despues": page.after}) if page.after else "",
    }
