"""How a ticket ends: the customer confirms, or is silent for more than 3 days after a reminder. No third way (M15)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import transaction

from accounts.models import User
from factureya.core import audit
from factureya.core.clock import now
from factureya.core.mail import mailbox
from factureya.core.models import Attachment, Event, OutboxMessage
from tickets import notifications, policy
from tickets.models import Ticket
from tickets.operations import _drafts, _waiting
from tickets.operations._drafts import Draft
from tickets.operations._locking import (
    CLOSED,
    OPEN,
    WAITING,
    Channel,
    ClosedReason,
    Side,
    closes_at,
    iso,
    locked,
    save,
)
from tickets.operations._waiting import reminder_before, reminder_lookahead
from tickets.operations.errors import WrongStatus


def confirm_resolved(
    pk: int,
    *,
    author: User,
    channel: str = Channel.PORTAL,
    body: str = "",
    files: Sequence[Attachment] = (),
    form_key: str | None = None,
) -> Ticket:
    """Close the ticket because the customer confirms it is resolved, with a last message if he wrote one (M12, M15).

    From Abierto and En espera. Raises TicketClosed (a text goes to `follow_up`), FormUsed, FilesGone,
    policy.NotAllowed.
    """
    draft = Draft(author, Side.CUSTOMER, channel, body, files, form_key)
    with locked(pk, OPEN, WAITING, draft=draft) as ticket:
        policy.require(policy.may_write_as_customer(author, ticket), "Este ticket no es de su empresa.")
        if not draft.repeats(ticket):
            message = _drafts.write(ticket, draft) if body or files else None
            event = _close(
                ticket,
                ClosedReason.CONFIRMED,
                "ticket.confirmed",
                author,
                now(),
                channel=channel,
                message=message.seq if message else None,
                form_key=form_key,
            )
            if message is not None:  # «confirmo, pero…»: whoever had the ticket reads it
                notifications.new_message(ticket, event, message)
    return ticket


def confirm_by_phone(pk: int, *, agent: User, contact: User) -> Ticket:
    """Close the ticket because a contact confirmed by phone; the agent and the contact are recorded (M15)."""
    with locked(pk, OPEN, WAITING) as ticket:
        policy.require(policy.may_work(agent, ticket), "Este ticket no es de su prestador.")
        policy.require(
            policy.may_write_as_customer(contact, ticket),
            "Esa persona no es contacto activo de la empresa.",
        )
        _close(
            ticket,
            ClosedReason.CONFIRMED,
            "ticket.confirmed_by_phone",
            agent,
            now(),
            contact=contact.pk,
            contact_name=contact.get_full_name(),
        )
    return ticket


def warn_before_close(pk: int) -> Ticket:
    """Queue the one reminder, 24 h ⚙ before `closes_at` (look-ahead 10 min) or at once when late (M15).

    Late means `closes_at` moves to 24 h from now. Raises WrongStatus when the ticket is not waiting, has its
    reminder, or the time has not come.
    """
    with locked(pk, WAITING) as ticket:
        if ticket.reminder_id is not None:
            raise WrongStatus(f"{ticket} ya tiene recordatorio.")
        _require_unheld(ticket)
        if now() < closes_at(ticket) - reminder_before() - reminder_lookahead():
            raise WrongStatus(f"{ticket} todavía no vence.")
        _waiting.remind(ticket)
    return ticket


def reminder_sent(message: OutboxMessage, sent_at: datetime) -> None:
    """The reminder left at `sent_at`: from then on the customer has at least 24 h ⚙ (M15).

    Called by the outbox in the transaction that marks the mail sent. A reminder the ticket no longer waits on
    (the customer answered meanwhile) changes nothing.
    """
    with transaction.atomic():
        ticket = Ticket.objects.select_for_update().filter(reminder_id=message.pk, status=WAITING).first()
        if ticket is None:
            return
        earliest = sent_at + reminder_before()
        if closes_at(ticket) < earliest:
            ticket.closes_at = ticket.queue_at = earliest
            ticket.save(update_fields=["closes_at", "queue_at"])
        audit.record("ticket.reminded", ticket, actor=None, closes_at=iso(ticket.closes_at))


def close_unanswered(pk: int) -> bool:
    """Close a ticket the customer has left waiting (M15); True when it closed.

    Strictly after `closes_at`: at that very instant it stays open, because the manual says *más de* 3 días. A due
    ticket without a reminder gets it now, 24 h ⚙ more, and stays open (False).
    Raises WrongStatus if a reply arrived first, the instant has not passed, the reminder has not been out 24 h,
    the close is held, or the mailbox we poll has not been read up to `closes_at`: a reply may lie in it.
    """
    with locked(pk, WAITING) as ticket:
        instant = now()
        if instant <= closes_at(ticket):
            raise WrongStatus(f"{ticket} no ha vencido.")
        _require_unheld(ticket)
        if ticket.reminder_id is None:
            _waiting.remind(ticket)
            return False
        sent_at = OutboxMessage.objects.get(pk=ticket.reminder_id).sent_at
        if sent_at is None or instant - sent_at < reminder_before():
            raise WrongStatus(f"{ticket}: el recordatorio no ha salido o tiene menos de 24 horas.")
        if not mailbox.is_read_until(closes_at(ticket)):
            raise WrongStatus(f"{ticket}: falta leer el correo que llegó en su plazo.")
        _close(ticket, ClosedReason.UNANSWERED, "ticket.closed_unanswered", None, instant)
    return True


def _require_unheld(ticket: Ticket) -> None:
    if ticket.close_held_at is not None:
        raise WrongStatus(f"{ticket}: el cierre está detenido hasta que un agente lo revise.")


def _close(ticket: Ticket, reason: str, verb: str, actor: User | None, instant: datetime, **data: Any) -> Event:
    """Cerrado, for one of the two reasons of M15. The wait's columns stay as they were, as evidence."""
    before = ticket.status
    ticket.status, ticket.closed_reason, ticket.closed_at = CLOSED, reason, instant
    if reason == ClosedReason.CONFIRMED:
        _waiting.forget_reminder(ticket)
        _waiting.release(ticket)
    ticket.touched_at = ticket.queue_at = instant
    ticket.reply_due_at = ticket.customer_waits_since = None
    ticket.customer_replied = False
    save(ticket)
    event = audit.record(verb, ticket, actor=actor, before=before, after=CLOSED, reason=reason, **data)
    notifications.closed(ticket, event)
    return event
