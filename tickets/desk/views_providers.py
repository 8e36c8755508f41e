"""Serve the pages of the providers: agents, tickets, what they looked at; move tickets between them (M3)."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse

from accounts.models import Provider, User
from factureya.core.refusals import Refused
from tickets import operations, policy
from tickets.desk import providers
from tickets.desk.pages import page_context, require_reader
from tickets.desk.queue import may_be_key
from tickets.models import Ticket

TITLE = "Prestadores"


def list_providers(request: HttpRequest) -> HttpResponse:
    """Show every provider with its agents and how many tickets it has; for supervisors and who reads all (M3, M26)."""
    require_overseer(request)
    context = page_context(request, TITLE, rows=providers.list_providers())
    return TemplateResponse(request, "admin/tickets/providers.html", context)


def show_provider(request: HttpRequest, provider: int) -> HttpResponse:
    """Show one provider: its agents, its open tickets, and the last tickets and files that its agents saw (M3)."""
    reader = require_overseer(request)
    shown = get_object_or_404(Provider, pk=provider)
    context = page_context(
        request,
        shown.name,
        provider=shown,
        agents=providers.list_agents(shown),
        rows=providers.list_tickets(shown, reader),
        most=providers.MAX_TICKETS,
        views=providers.list_views(shown),
        others=Provider.objects.exclude(pk=shown.pk).order_by("-is_own", "name"),
        may_move=bool(reader.desk_provider_ids),
    )
    return TemplateResponse(request, "admin/tickets/provider.html", context)


def move_tickets(request: HttpRequest, provider: int) -> HttpResponse:
    """Give the chosen tickets of a provider to another, or take them back (POST), one by one (M3)."""
    supervisor = require_overseer(request)
    if not supervisor.desk_provider_ids:
        raise PermissionDenied  # Auditoría only reads (M26)
    back = redirect("admin:tickets_ticket_provider", get_object_or_404(Provider, pk=provider).pk)
    target = _read_target(request.POST.get("a_quien", ""))
    keys = [int(key) for key in request.POST.getlist("elegido") if may_be_key(key)][: providers.MAX_TICKETS]
    chosen = list(Ticket.objects.visible_to(supervisor).filter(pk__in=keys, provider=provider).only("number"))
    if target is None or not chosen:
        missing = "a quién se turnan." if target is None else "al menos un ticket."
        messages.warning(request, f"Elija {missing}")
        return back
    refused = [outcome for outcome in (_move(ticket, supervisor, target) for ticket in chosen) if outcome]
    if done := len(chosen) - len(refused):
        messages.success(request, f"{done} ticket{'s' if done > 1 else ''} ahora de {target}, por asignar.")
    if refused:
        messages.warning(request, "No se pudo turnar " + " ".join(refused))
    return back


def require_overseer(request: HttpRequest) -> User:
    """Return who may see the providers. Raises Http404 for other agents, PermissionDenied for anybody else (M3)."""
    reader = require_reader(request)
    if not policy.may_see_providers(reader):
        raise Http404
    return reader


def _read_target(key: str) -> Provider | None:
    """Return the provider that was chosen in the list, or None."""
    return Provider.objects.filter(pk=int(key)).first() if may_be_key(key) else None


def _move(ticket: Ticket, supervisor: User, target: Provider) -> str:
    """Hand one ticket over; return "", or its number with the reason why it was refused."""
    try:
        operations.hand_over(ticket.pk, supervisor=supervisor, provider=target)
    except Refused as refusal:
        return f"{ticket.number}: {refusal}"
    return ""
