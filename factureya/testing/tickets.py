"""Plain functions that make tickets and bring them to a status through real operations."""

from datetime import datetime, timedelta
from itertools import count
from typing import Any

from accounts.models import User
from factureya.core import clock
from factureya.core.mail import outbox
from factureya.core.mail.intake import keep
from factureya.core.models import InboundMessage, OutboxMessage
from factureya.testing.people import make_agent, make_contact, own_provider
from tickets import operations
from tickets.models import Ticket

_serial = count(1)


def make_ticket(status: str = Ticket.Status.OPEN, *, requester: User | None = None, **fields: Any) -> Ticket:
    """Make a ticket in the given status; waiting: asked for detail; closed: confirmed by its requester."""
    own_provider()
    author = requester or make_contact()
    number = next(_serial)
    fields.setdefault("subject", f"No puedo timbrar la factura {number}")
    fields.setdefault("body", "Dice que el sello no es válido.")
    fields.setdefault("category", Ticket.Category.STAMPING)
    fields.setdefault("impact", Ticket.Impact.BLOCKED)
    ticket = operations.open_ticket(author=author, customer=author.contact.customer, **fields)
    if status == Ticket.Status.WAITING:
        ticket = operations.answer(
            ticket.pk, agent=make_agent(), body="¿Nos comparte el XML?", wait_reason=Ticket.WaitReason.DETAIL
        )
    elif status == Ticket.Status.CLOSED:
        ticket = operations.confirm_resolved(ticket.pk, author=author)
    ticket.refresh_from_db()
    return ticket


def make_inbound(
    received_at: datetime | None = None, *, disposition: str = "", sender: str = "ana@ejemplo.mx"
) -> InboundMessage:
    """Keep a mail; with a `disposition` it is handled."""
    number = next(_serial)
    raw = f"From: {sender}\nTo: soporte@factureya.com\nSubject: Factura {number}\n\nHola {number}\n"
    inbound, _ = keep(raw.encode(), source="pipe", received_at=received_at)
    if disposition:
        inbound.sender, inbound.disposition, inbound.disposed_at = sender, disposition, clock.now()
        inbound.save(update_fields=["sender", "disposition", "disposed_at"])
    return inbound


def remind(ticket: Ticket) -> Ticket:
    """Queue and send the reminder of a waiting ticket when it is due."""
    assert ticket.closes_at is not None
    with clock.at(ticket.closes_at - timedelta(hours=24)):
        operations.warn_before_close(ticket.pk)
        ticket.refresh_from_db()
        assert ticket.reminder_id is not None
        assert outbox.deliver(ticket.reminder_id)
    return ticket


def let_it_close(ticket: Ticket) -> Ticket:
    """Bring a waiting ticket to *sin respuesta* the real way: reminder queued and sent, then the close."""
    remind(ticket)
    assert ticket.closes_at is not None
    with clock.at(ticket.closes_at + timedelta(seconds=1)):
        assert operations.close_unanswered(ticket.pk)
    ticket.refresh_from_db()
    return ticket


def mails_about(ticket: Ticket) -> list[OutboxMessage]:
    """Return the mails about a ticket, oldest first."""
    return list(OutboxMessage.objects.filter(about=ticket.chain).order_by("pk"))
