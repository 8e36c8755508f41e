"""Whom an agent chooses: a contact by search, and those of a ticket's company who may speak for it (M3, M5, M15)."""

from django.db.models import Q
from django.http import Http404

from accounts.models import Contact, User
from tickets import policy
from tickets.desk import queue
from tickets.models import Ticket

MAX_COMPANIES, MAX_PEOPLE = 10, 30


def contact_or_404(key: str) -> Contact:
    """Return the active contact with this key, or answer 404."""
    people = Contact.objects.select_related("user", "customer").filter(user__is_active=True)
    contact = people.filter(user=int(key)).first() if key.isascii() and key.isdigit() and len(key) < 18 else None
    if contact is None:
        raise Http404
    return contact


def find_contacts(query: str) -> list[Contact]:
    """Find active people by the company's RFC, mail or name, or by their own mail; the list is bounded."""
    companies = [company.pk for company in queue.find_customers(query, MAX_COMPANIES)]
    people = Contact.objects.filter(Q(customer__in=companies) | Q(user__email=query.lower()), user__is_active=True)
    return list(people.select_related("user", "customer").order_by("customer", "pk")[:MAX_PEOPLE])


def find_speakers(ticket: Ticket) -> list[User]:
    """Return the company's active people who may speak for this ticket, its requester first."""
    contacts = Contact.objects.filter(customer=ticket.customer_id, user__is_active=True).select_related("user")
    people = [contact.user for contact in contacts.order_by("user__full_name", "pk")]
    able = [person for person in people if policy.may_write_as_customer(person, ticket)]
    return sorted(able, key=lambda person: person.pk != ticket.requester_id)
