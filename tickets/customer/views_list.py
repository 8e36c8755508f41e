"""Mis tickets: mine and my company's, by whose turn it is, with search (M16)."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from tickets.customer import my_tickets
from tickets.customer.views_common import PersonView


class MyTickets(PersonView):
    """The customer's list: five queries, whatever he owns."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show a tab, or what a search found."""
        query = request.GET.get("q", "").strip()[: my_tickets.MAX_QUERY].replace("\0", "")
        view = self.view_asked()
        cursor = my_tickets.NEWEST_FIRST.read_from(request.GET)
        if query:
            page = my_tickets.search(self.user, query, cursor)
            groups = [my_tickets.Group(f"Resultados de «{query}»", page.rows)]
        else:
            groups, page = my_tickets.read_groups(self.user, view, cursor)
        tabs, has_any = my_tickets.read_tabs(self.user, "" if query else view)
        context = {
            "tabs": tabs,
            "is_empty": not has_any,
            "view": view,
            "query": query,
            "reader": self.user,
            "groups": [group for group in groups if group.tickets],
            "is_limited": my_tickets.is_limited(self.user),
            "is_company": not query and view.startswith(my_tickets.COMPANY),
            "wrong_number": my_tickets.has_wrong_number(query),
            **page.links({"q": query} if query else {"vista": view}),
        }
        return render(request, "tickets/list.html", context)

    def view_asked(self) -> str:
        """Return the tab in the address, or the first tab when it is none of this person's."""
        view = self.request.GET.get("vista", "")
        if view not in my_tickets.VIEWS or (view.startswith(my_tickets.COMPANY) and my_tickets.is_limited(self.user)):
            return my_tickets.ACTIVE
        return view
