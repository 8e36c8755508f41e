"""Look tickets up by number and registered address (M10, M16): who may see what, how often, and the link by mail.

A wrong number, a wrong address and somebody else's ticket are one answer, found by the same single statement.
"""

from datetime import timedelta

from django.core.cache import cache
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts.models import Contact, User
from factureya.core.clock import now
from factureya.core.models import OutboxMessage
from tickets import notifications, policy
from tickets.models import Ticket

LINK_EVERY = timedelta(minutes=15)  # one link per contact and ticket in this time
WINDOW = timedelta(minutes=10)
TRIES_PER_ADDRESS = 12  # of a client address, in WINDOW
TRIES_OF_ALL = 600  # of everybody together, in WINDOW


def find_ticket(number: str, email: str) -> Ticket | None:
    """Return the ticket if this address is registered and may see it, else None (M5).

    It is one statement whatever is wrong, so that no answer tells what is right.
    """
    contacts = _find_contacts(email).filter(customer=OuterRef("customer"))
    seeing = contacts.filter(Q(own_tickets_only=False) | Q(user=OuterRef("requester")))
    registered = Q(customer__registered_email__iexact=email) | Exists(seeing)
    return Ticket.objects.filter(registered, number=number).first()


def find_contact(ticket: Ticket, email: str) -> User | None:
    """Return the contact who may see the ticket and owns this address, or None; only this contact gets a link."""
    found = _find_contacts(email).filter(customer_id=ticket.customer_id).select_related("user__contact").first()
    return found.user if found and policy.may_write_as_customer(found.user, ticket) else None


def send_link(ticket: Ticket, person: User) -> None:
    """Queue a mail with a link to the contact, at most one per contact and ticket in LINK_EVERY."""
    turn = int(now().timestamp() // LINK_EVERY.total_seconds())
    key = f"link:{ticket.number}:{person.pk}:{turn}"
    if OutboxMessage.objects.filter(key=key).exists():
        return
    try:
        with transaction.atomic():
            notifications.send_link(ticket, person, key)
    except IntegrityError:  # the same request at the same instant
        return


def count_try(address: str) -> bool:
    """Count one try of this client address, and return whether it and everybody together are within the limits."""
    turn = int(now().timestamp() // WINDOW.total_seconds())
    mine = _count_one_more(f"lookup:{turn}:{address}")
    return mine <= TRIES_PER_ADDRESS and _count_one_more(f"lookup:{turn}") <= TRIES_OF_ALL


def _count_one_more(key: str) -> int:
    """Add one to a counter of the cache and return it."""
    cache.add(key, 0, timeout=WINDOW.total_seconds())
    try:
        return int(cache.incr(key))
    except ValueError:  # it expired in between
        return 1


def _find_contacts(email: str) -> QuerySet[Contact]:
    """Select active contacts whose verified address this is."""
    return Contact.objects.filter(
        user__is_active=True,
        user__is_staff=False,
        user__email=email,
        user__emailaddress__email__iexact=email,
        user__emailaddress__verified=True,
    )
