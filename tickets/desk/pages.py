"""Share what the agent's pages need: their context, who may open them, and whom an agent chooses (M3, M5, M15)."""

from functools import cache
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q, prefetch_related_objects
from django.http import Http404, HttpRequest, QueryDict
from django.shortcuts import get_object_or_404
from django.urls import reverse

from accounts.models import Contact, User
from tickets import policy
from tickets.desk.queue import MAX_QUERY, NOWHERE, Place, find_customers, may_be_key
from tickets.merging import family
from tickets.models import Ticket
from tickets.providers.hiding import hide_in_ticket

MAX_COMPANIES, MAX_PEOPLE = 10, 30


def require_agent(request: HttpRequest) -> User:
    """Return the agent or supervisor who asks for the page. Raises PermissionDenied for anybody else (M3)."""
    user = request.user
    if not isinstance(user, User) or not user.desk_provider_ids:
        raise PermissionDenied
    return user


def require_reader(request: HttpRequest) -> User:
    """Return the person who asks for a read-only page: somebody of a desk, or who reads everything (M26).

    Raises PermissionDenied for anybody else.
    """
    user = request.user
    if not isinstance(user, User) or not (user.desk_provider_ids or user.reads_all):
        raise PermissionDenied
    return user


def page_context(request: HttpRequest, title: str, **more: Any) -> dict[str, Any]:
    """Return the admin's own context with a title and what the page shows."""
    return {**admin.site.each_context(request), "title": title, "subtitle": "", **more}


def ticket_or_404(request: HttpRequest, pk: int) -> Ticket:
    """Return the ticket, with all that its page shows, to whom its page is shown; else answer 404.

    That is who works at its provider's desk, and who reads everything (M26). For a third party's agent the mail
    addresses are taken out of it, unless a supervisor shows them (M3).
    """
    user = request.user
    if not isinstance(user, User) or not (user.desk_provider_ids or user.reads_all):
        raise Http404
    related = Ticket.objects.select_related("customer__credit_balance", "requester__contact", "assignee", "provider")
    ticket = get_object_or_404(family.with_merge_flag(related.visible_to(user)), pk=pk)
    _load_other_tickets(ticket)
    if not policy.may_read_mail(user, ticket):
        hide_in_ticket(ticket)
    return ticket


def _load_other_tickets(ticket: Ticket) -> None:
    """Load the tickets that this one points to. Most point to none; to join them in every query costs more."""
    pointers = {
        "follows": ticket.follows_id,
        "merged_into": ticket.merged_into_id,
        "split_from__ticket": ticket.split_from_id,
    }
    prefetch_related_objects([ticket], *(name for name, pk in pointers.items() if pk is not None))


def workspace_url(pk: int, place: Place, anchor: str = "") -> str:
    """Return the address of the agent's page of a ticket; it carries `place`, the queue's list to go back to."""
    address = _find_address_pattern().replace("/0/", f"/{pk}/")
    return address + (f"?{place.query}" if place.query else "") + anchor


@cache
def _find_address_pattern() -> str:
    """Return the address of the agent's page of a ticket with the key 0; a list has many, and to make one is slow."""
    return reverse("admin:tickets_ticket_change", args=[0])


def queue_url(place: Place) -> str:
    """Return the address of this list of the queue (view, search, filters, page), without the ticket opened from it."""
    query = place.page.query
    return reverse("admin:tickets_ticket_changelist") + (f"?{query}" if query else "")


def read_place(request: HttpRequest) -> Place:
    """Return the list of the queue, and the point in it, that the address of a ticket's page carries."""
    return Place.parse(request.GET.dict(), NOWHERE)


def read_posted(request: HttpRequest) -> QueryDict | None:
    """Return the posted fields, or None on a GET."""
    return request.POST if request.method == "POST" else None


def contact_or_404(user_pk: str) -> Contact:
    """Return the active contact whom an agent chose from a list, by the key of the user; or answer 404."""
    contacts = Contact.objects.select_related("user", "customer").filter(user__is_active=True)
    contact = contacts.filter(user=int(user_pk)).first() if may_be_key(user_pk) else None
    if contact is None:
        raise Http404
    return contact


def read_search(request: HttpRequest, default: str = "") -> dict[str, Any]:
    """Return the search text and the contacts that it finds, for a page where an agent looks for a contact.

    `default` is searched for when the address has no text.
    """
    query = " ".join(request.GET.get("q", default).replace("\0", "").split())[:MAX_QUERY]
    return {"query": query, "contacts": _find_contacts(query) if query else []}


def _find_contacts(query: str) -> list[Contact]:
    """Find active contacts by their company's RFC, mail or name, or by their own mail; no more than MAX_PEOPLE."""
    companies = [company.pk for company in find_customers(query, MAX_COMPANIES)]
    contacts = Contact.objects.filter(Q(customer__in=companies) | Q(user__email=query.lower()), user__is_active=True)
    return list(contacts.select_related("user", "customer").order_by("customer", "pk")[:MAX_PEOPLE])


def find_speakers(ticket: Ticket) -> list[User]:
    """Return the active contacts who may write in this ticket, its requester first, for an agent to choose from."""
    contacts = Contact.objects.filter(customer=ticket.customer_id, user__is_active=True).select_related("user")
    people = [contact.user for contact in contacts.order_by("user__full_name", "pk")]
    speakers = [person for person in people if policy.may_write_as_customer(person, ticket)]
    return sorted(speakers, key=lambda person: person.pk != ticket.requester_id)  # False sorts first
