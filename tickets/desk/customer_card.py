"""Show a company's tickets on its page in the admin, which is of accounts and names this card in a setting (M3, M5)."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from accounts.models import Customer
from accounts.web.mixins import get_person
from factureya.core import clock
from tickets import sql
from tickets.desk.pages import queue_url, workspace_url
from tickets.desk.queue import COUNT_CAP, NOWHERE, SEARCH, Place
from tickets.desk.wording import Goal, describe_goal
from tickets.models import Ticket

MAX_TICKETS, MAX_CLOSED = 4, 3


@dataclass(frozen=True)
class Row:
    """Hold one ticket of the company as the card shows it."""

    ticket: Ticket
    url: str
    goal: Goal


def render_tickets(request: HttpRequest, customer: Customer) -> SafeString:
    """Return the card with the company's open tickets and the last closed ones that the reader may see."""
    visible = Ticket.objects.visible_to(get_person(request)).unmerged().filter(customer=customer)
    active = visible.exclude(status=Ticket.Status.CLOSED)
    closed = visible.filter(status=Ticket.Status.CLOSED).order_by("-closed_at", "-pk")
    ours = active.filter(status=Ticket.Status.OPEN)
    counts = sql.ask_all({"total": sql.capped_count(active, COUNT_CAP), "ours": sql.capped_count(ours, COUNT_CAP)})
    context: dict[str, Any] = {
        "rows": _build_rows(active.select_related("assignee").order_by("queue_at", "pk")[:MAX_TICKETS]),
        "closed": _build_rows(closed[:MAX_CLOSED]),
        "total": sql.show_count(counts["total"], COUNT_CAP),
        "others": counts["total"] > MAX_TICKETS,
        "ours": counts["ours"],
        "ours_shown": sql.show_count(counts["ours"], COUNT_CAP),
        "all_url": queue_url(Place(view=SEARCH, search=customer.rfc)),
    }
    return SafeString(render_to_string("admin/tickets/customer_card.html", context, request))


def _build_rows(tickets: Any) -> list[Row]:
    """Return these tickets as the card shows them."""
    instant = clock.now()
    return [Row(ticket, workspace_url(ticket.pk, Place(NOWHERE)), describe_goal(ticket, instant)) for ticket in tickets]
