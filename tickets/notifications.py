"""Mails about tickets, one function and one template per verb; rendered in the operation's transaction.

The mailer's types accept public messages only: a `Note` cannot be passed here (M16).
"""

from django.conf import settings

from accounts.models import User
from factureya.core import outbox
from factureya.core.models import Event, OutboxMessage
from tickets import links
from tickets.models import Message, Ticket

REMINDER = "tickets/reminder"


def opened(ticket: Ticket, event: Event) -> None:
    """Tell the customer the tracking number (M10)."""
    _tell_customer("tickets/opened", ticket, event)


def followed_up(ticket: Ticket, event: Event) -> None:
    """Tell the customer the number of the ticket that continues a closed one (M12)."""
    _tell_customer("tickets/follow_up", ticket, event)


def answered(ticket: Ticket, event: Event, message: Message) -> None:
    """Send our answer to the customer, with what is expected of him and until when (M14, M15)."""
    _tell_customer("tickets/answered", ticket, event, message)


def reminder(ticket: Ticket, event: Event) -> OutboxMessage | None:
    """The one reminder before a ticket closes by silence (M15)."""
    return _tell_customer(REMINDER, ticket, event)


def closed(ticket: Ticket, event: Event) -> None:
    """Tell the customer that the ticket is closed and why (M12, M15)."""
    _tell_customer("tickets/closed", ticket, event)


def new_message(ticket: Ticket, event: Event, message: Message) -> None:
    """Tell the agent who has the ticket, and nobody else, that the customer wrote."""
    if ticket.assignee is None or not ticket.assignee.is_active:
        return
    context = {"ticket": ticket, "message": message, "url": workspace_url(ticket)}
    outbox.enqueue(
        "tickets/new_message",
        key=f"{event.hash}:assignee",
        to=ticket.assignee.email,
        about=ticket.chain,
        context=context,
    )


def link_requested(ticket: Ticket, contact: User, key: str) -> None:
    """Send a contact the link to read and answer the ticket, asked for at the look-up page (M16)."""
    context = {"ticket": ticket, "url": links.url_for(contact, ticket)}
    outbox.enqueue("tickets/link", key=key, to=contact.email, about=ticket.chain, context=context)


def workspace_url(ticket: Ticket) -> str:
    """The absolute address of the agent's page of the ticket."""
    return f"{settings.SITE_URL}/admin/tickets/ticket/{ticket.pk}/change/"


def _tell_customer(
    kind: str, ticket: Ticket, event: Event, message: Message | None = None
) -> OutboxMessage:
    contact = ticket.requester
    context = {
        "ticket": ticket,
        "message": message,
        "contact": contact,
        "url": links.url_for(contact, ticket),
    }
    return outbox.enqueue(
        kind, key=f"{event.hash}:customer", to=contact.email, about=ticket.chain, context=context
    )
