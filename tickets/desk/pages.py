"""What the agent's pages share: their context, and who may open them."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest
from django.shortcuts import get_object_or_404
from django.urls import reverse

from accounts.models import User
from tickets.desk.queue import Place
from tickets.models import Ticket


def require_agent(request: HttpRequest) -> User:
    """Return the person at the desk. Raises PermissionDenied for anybody without a desk office (M3)."""
    user = request.user
    if not isinstance(user, User) or not user.desk_provider_ids:
        raise PermissionDenied
    return user


def page_context(request: HttpRequest, title: str, **more: Any) -> dict[str, Any]:
    """Return the admin's own context with a title and what the page shows."""
    return {**admin.site.each_context(request), "title": title, "subtitle": "", **more}


def ticket_or_404(request: HttpRequest, pk: int) -> Ticket:
    """Return the ticket if this person works at its provider's desk, else answer 404 (M3)."""
    user = request.user
    if not isinstance(user, User) or not user.desk_provider_ids:
        raise Http404
    related = Ticket.objects.select_related(
        "customer", "requester__contact", "assignee", "provider", "follows", "reminder"
    )
    return get_object_or_404(related.visible_to(user), pk=pk)


def workspace_url(pk: int, place: Place, anchor: str = "") -> str:
    """Return the address of the ticket's page, with the list the agent came from and the place in it."""
    address = reverse("admin:tickets_ticket_change", args=[pk])
    return address + (f"?{place.query}" if place.query else "") + anchor


def queue_url(place: Place) -> str:
    """Return the address of the queue at this place."""
    query = place.page.query
    return reverse("admin:tickets_ticket_changelist") + (f"?{query}" if query else "")
