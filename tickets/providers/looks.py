"""Record every page and file of a ticket that a third party's agent opens, before it is sent (M3, M26)."""

from typing import Any

from django.http import HttpRequest

from tickets import policy
from tickets.models import Ticket, TicketFile
from tickets.providers import operations

STAFF_PAGES = "/admin/tickets/"
FILE_ARGUMENT = "token"
TICKET_PAGE = "tickets_ticket_"


def record_look(request: HttpRequest) -> None:
    """Record what a request showed, if the reader is an agent of a third party: each time, also after a post (M3)."""
    match = request.resolver_match
    if match is None or not (FILE_ARGUMENT in match.kwargs or request.path_info.startswith(STAFF_PAGES)):
        return
    if policy.is_third_party(request.user):
        _record(request, request.user)


def _record(request: HttpRequest, agent: Any) -> None:
    """Record the view in the chain of the ticket that was shown, or in the agent's own for a list of tickets."""
    match = request.resolver_match
    assert match is not None
    page = match.url_name or ""
    if token := match.kwargs.get(FILE_ARGUMENT):
        shown = TicketFile.objects.select_related("ticket", "attachment").filter(attachment__token=token).first()
        if shown is not None:
            operations.record_view(shown.ticket, agent=agent, page=page, file=shown.attachment.name)
    elif (key := match.kwargs.get("pk")) and page.startswith(TICKET_PAGE):
        if ticket := Ticket.objects.filter(pk=key).first():
            operations.record_view(ticket, agent=agent, page=page)
    else:
        operations.record_list(agent, page=page, query=request.META.get("QUERY_STRING", "")[:200])
