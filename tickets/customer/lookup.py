"""Look tickets up by number and registered address (M10, M16): who may see what, how often, and the link by mail.

A wrong number, a wrong address and somebody else's ticket are one answer, found by the same single statement.
"""

from datetime import timedelta

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts.models import Contact, User
from factureya.core import tries
from factureya.core.clock import now
from factureya.core.models import OutboxMessage
from tickets import notifications, policy
from tickets.models import Ticket

LINK_EVERY = timedelta(minutes=15)  # one link per contact and ticket in this time
WINDOW = timedelta(minutes=10)
TRIES_PER_ADDRESS = 12  # of an IP address, in WINDOW
TRIES_OF_ALL = 600  # of everybody together, in WINDOW


def find_ticket(number: str, email: str) -> Ticket | None:
    """Return the ticket with this number if the owner of this registered address may see it, else None (M5).

    That is the company's registered address, or the verified one of a contact who sees the ticket. One SQL query
    serves every case. So neither the answer nor its time tells whether the number or the address was wrong.
    """
    contacts = _find_contacts(email).filter(customer=OuterRef("customer"))
    contacts_who_see = contacts.filter(Q(own_tickets_only=False) | Q(user=OuterRef("requester")))
    is_registered = Q(customer__registered_email__iexact=email) | Exists(contacts_who_see)
    return Ticket.objects.filter(is_registered, number=number).first()


def follow_merge(ticket: Ticket, email: str) -> Ticket:
    """Return the ticket to which a found one's number leads, if the owner of this address may see it (M11).

    Otherwise, and if it is not merged, return the found ticket itself.
    """
    return find_ticket(ticket.find_survivor().number, email) or ticket if ticket.is_merged else ticket


def find_contact(ticket: Ticket, email: str) -> User | None:
    """Return the contact who has this mail address and may see the ticket, to mail him a link to it; or None."""
    contact = _find_contacts(email).filter(customer_id=ticket.customer_id).select_related("user__contact").first()
    return contact.user if contact and policy.may_write_as_customer(contact.user, ticket) else None


def send_link(ticket: Ticket, person: User) -> None:
    """Mail the contact a link to the ticket; nothing if this contact got one for it in this period (LINK_EVERY)."""
    period = int(now().timestamp() // LINK_EVERY.total_seconds())
    key = f"link:{ticket.number}:{person.pk}:{period}"
    if OutboxMessage.objects.filter(key=key).exists():
        return
    try:
        with transaction.atomic():
            notifications.send_link(ticket, person, key)
    except IntegrityError:  # the same request at the same instant
        return


def count_try(address: str) -> bool:
    """Count a look-up; return False if this address, or all together, made too many in this period."""
    return tries.count_try("lookup", address, window=WINDOW, of_one=TRIES_PER_ADDRESS, of_all=TRIES_OF_ALL)


def _find_contacts(email: str) -> QuerySet[Contact]:
    """Select the active contacts of companies who own this mail address and have verified it."""
    return Contact.objects.filter(
        user__is_active=True,
        user__is_staff=False,
        user__email=email,
        user__emailaddress__email__iexact=email,
        user__emailaddress__verified=True,
    )
