"""Share what the agent's pages need: their context, who may open them, and whom an agent chooses (M3, M5, M15)."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import Http404, HttpRequest, QueryDict
from django.shortcuts import get_object_or_404
from django.urls import reverse

from accounts.models import Contact, User
from tickets import policy
from tickets.desk.queue import MAX_QUERY, NOWHERE, Place, find_customers, may_be_key
from tickets.models import Ticket

MAX_COMPANIES, MAX_PEOPLE = 10, 30


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


def read_place(request: HttpRequest) -> Place:
    """Return the place in the queue that the address names."""
    return Place.parse(request.GET.dict(), NOWHERE)


def read_posted(request: HttpRequest) -> QueryDict | None:
    """Return the posted fields, or None on a GET."""
    return request.POST if request.method == "POST" else None


def contact_or_404(key: str) -> Contact:
    """Return the active contact with this key, or answer 404."""
    people = Contact.objects.select_related("user", "customer").filter(user__is_active=True)
    contact = people.filter(user=int(key)).first() if may_be_key(key) else None
    if contact is None:
        raise Http404
    return contact


def read_search(request: HttpRequest, default: str = "") -> dict[str, Any]:
    """Return what an agent searches for, as `query`, and the people it finds, as `contacts`."""
    query = " ".join(request.GET.get("q", default).replace("\0", "").split())[:MAX_QUERY]
    return {"query": query, "contacts": _find_contacts(query) if query else []}


def _find_contacts(query: str) -> list[Contact]:
    """Find active people by the company's RFC, mail or name, or by their own mail; the list is bounded."""
    companies = [company.pk for company in find_customers(query, MAX_COMPANIES)]
    people = Contact.objects.filter(Q(customer__in=companies) | Q(user__email=query.lower()), user__is_active=True)
    return list(people.select_related("user", "customer").order_by("customer", "pk")[:MAX_PEOPLE])


def find_speakers(ticket: Ticket) -> list[User]:
    """Return the company's active people who may speak for this ticket, its requester first."""
    contacts = Contact.objects.filter(customer=ticket.customer_id, user__is_active=True).select_related("user")
    people = [contact.user for contact in contacts.order_by("user__full_name", "pk")]
    able = [person for person in people if policy.may_write_as_customer(person, ticket)]
    return sorted(able, key=lambda person: person.pk != ticket.requester_id)
