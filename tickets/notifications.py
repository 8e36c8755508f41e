"""Mails about tickets, one function and one template per verb; rendered in the operation's transaction.

The mailer's types accept public messages only: a `Note` cannot be passed here (M16).
"""

from typing import Any

from django.conf import settings

from accounts.models import User
from factureya.core import calendar, outbox
from factureya.core.models import Event, OutboxMessage
from tickets import links, policy
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
    _tell_customer("tickets/answered", ticket, event, automatic=False, message=message)


def reminder(ticket: Ticket, event: Event) -> OutboxMessage:
    """The one reminder before a ticket closes by silence (M15)."""
    return _tell_customer(REMINDER, ticket, event)


def closed(ticket: Ticket, event: Event) -> None:
    """Tell the customer that the ticket is closed and why (M12, M15)."""
    _tell_customer("tickets/closed", ticket, event, by=event.actor_name, **event.data)


def new_message(ticket: Ticket, event: Event, message: Message) -> None:
    """Tell the agent who has the ticket, and nobody else, that the customer wrote."""
    if ticket.assignee is None or not policy.may_work(ticket.assignee, ticket):
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
    context = _context(ticket, contact)
    outbox.enqueue("tickets/link", key=key, to=contact.email, about=ticket.chain, context=context)


def workspace_url(ticket: Ticket) -> str:
    """The absolute address of the agent's page of the ticket."""
    return f"{settings.SITE_URL}/admin/tickets/ticket/{ticket.pk}/change/"


def _tell_customer(
    kind: str, ticket: Ticket, event: Event, *, automatic: bool = True, **more: Any
) -> OutboxMessage:
    contact = _reader(ticket)
    return outbox.enqueue(
        kind,
        key=f"{event.hash}:customer",
        to=contact.email if contact else ticket.customer.registered_email,
        about=ticket.chain,
        context={**_context(ticket, contact), **more},
        automatic=automatic,
    )


def _reader(ticket: Ticket) -> User | None:
    """Who reads the ticket's mails: its requester, or, once he is disabled, whoever may still see the ticket.

    The representative comes first. None when the company has nobody left: its registered address is told.
    """
    if policy.may_write_as_customer(ticket.requester, ticket):
        return ticket.requester
    colleagues = User.objects.filter(
        is_active=True, contact__customer=ticket.customer_id, contact__own_tickets_only=False
    )
    return colleagues.order_by("-contact__role", "pk").first()


def _context(ticket: Ticket, contact: User | None) -> dict[str, Any]:
    return {
        "ticket": ticket,
        "name": contact.get_full_name() if contact else ticket.customer.legal_name,
        "url": links.url_for(contact, ticket) if contact else _portal_url(ticket),
        "link_days": settings.LINK_DAYS if contact else None,
        "reminder_hours": settings.REMINDER_HOURS,
        "reply_days": calendar.reply_days(),
    }


def _portal_url(ticket: Ticket) -> str:
    return f"{settings.SITE_URL}/tickets/{ticket.number}/"
