"""End a ticket: the customer confirms, or is silent for more than 3 days after a reminder. No third way (M15)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import transaction

from accounts.models import User
from factureya.core import audit
from factureya.core.clock import now
from factureya.core.mail import mailbox
from factureya.core.models import Attachment, Event, OutboxMessage
from factureya.core.refusals import WrongStatus
from tickets import notifications, policy
from tickets.calls.operations import locked_verified_call
from tickets.calls.policy import require_speech
from tickets.models import Ticket
from tickets.operations._common import (
    CLOSED,
    OPEN,
    WAITING,
    Channel,
    ClosedReason,
    NewMessage,
    Side,
    forget_reminder,
    format_instant,
    locked,
    queue_reminder,
    release_held_close,
    reminder_before,
    reminder_lookahead,
    require_closes_at,
    require_customer,
    save_ticket,
    write_message,
)


def confirm_resolved(
    pk: int,
    *,
    author: User,
    channel: str = Channel.PORTAL,
    body: str = "",
    files: Sequence[Attachment] = (),
    form_key: str | None = None,
) -> Ticket:
    """Close the ticket because the customer confirms it, with a last message if there is one (M12, M15).

    A second send of the same form changes nothing. Raises TicketClosed if it was Cerrado before: the caller then calls
    `follow_up` if there is a text. Raises TicketMerged for a merged ticket: what the other one says, the customer has
    not read (M11). Raises FormUsed if `form_key` was used before for another text or ticket.
    """
    new_message = NewMessage(author, Side.CUSTOMER, channel, body, files, form_key)
    with locked(pk, OPEN, WAITING, new_message=new_message) as ticket:
        require_customer(author, ticket, pk)
        if not new_message.is_repeated(ticket):
            message = write_message(ticket, new_message) if body or files else None
            seq = message.seq if message else None
            data = {"channel": channel, "message": seq, "form_key": form_key}
            event = _close_ticket(ticket, ClosedReason.CONFIRMED, "ticket.confirmed", author, now(), **data)
            if message is not None:  # «confirmo, pero…»: whoever had the ticket reads it
                notifications.notify_assignee(ticket, event, message)
    return ticket


def confirm_by_phone(pk: int, *, agent: User, call_pk: int) -> Ticket:
    """Close the ticket because the contact confirmed it in the agent's verified call; record both and when (M5, M15).

    Raises NotAllowed if the call is not verified, or is of somebody who may not speak of this ticket; TicketMerged for
    a merged one, because the agent asked about another (M11).
    """
    with locked_verified_call(call_pk, agent) as call, locked(pk, OPEN, WAITING) as ticket:
        contact = call.contact
        policy.require(policy.may_work(agent, ticket), "Este ticket no es de su prestador.")
        assert contact is not None  # a verified call has one
        require_speech(call, contact, ticket)
        data = {"contact": contact.pk, "contact_name": contact.get_full_name(), "call": call.pk}
        _close_ticket(ticket, ClosedReason.CONFIRMED, "ticket.confirmed_by_phone", agent, now(), **data)
    return ticket


def warn_before_close(pk: int) -> Ticket:
    """Queue the one reminder that a ticket closes without an answer, 24 h before it does (M15).

    A sweep may queue it 10 min early. A late reminder moves `closes_at` to 24 h from now. Raises WrongStatus when the
    ticket is not En espera, has a reminder already, its close is on hold, or it is too early.
    """
    with locked(pk, WAITING) as ticket:
        if ticket.reminder_id is not None:
            raise WrongStatus(f"{ticket} ya tiene recordatorio.")
        _require_unheld(ticket)
        if now() < require_closes_at(ticket) - reminder_before() - reminder_lookahead():
            raise WrongStatus(f"{ticket} todavía no vence.")
        queue_reminder(ticket)
    return ticket


def reminder_sent(message: OutboxMessage, sent_at: datetime) -> None:
    """Record that a ticket's reminder was sent, and give the customer at least 24 h from then to answer (M15).

    The outbox calls this in the transaction that marks the mail `message` as sent. It changes nothing when the wait
    that the reminder belongs to has ended.
    """
    with transaction.atomic():
        waiting = Ticket.objects.unmerged().filter(reminder_id=message.pk, status=WAITING)
        ticket = waiting.select_for_update().first()
        if ticket is None:
            return
        earliest = sent_at + reminder_before()
        if require_closes_at(ticket) < earliest:
            ticket.closes_at = ticket.queue_at = earliest  # `queue_at` sorts the agents' queue
            ticket.save(update_fields=["closes_at", "queue_at"])
        audit.record("ticket.reminded", ticket, actor=None, closes_at=format_instant(ticket.closes_at))


def close_unanswered(pk: int) -> bool:
    """Close a ticket that the customer left without an answer (M15), and return whether it closed.

    It closes strictly after `closes_at`, because the manual says *más de* 3 días. A due ticket without a reminder gets
    it now and stays open; `queue_reminder` moves the close to 24 h from now. Raises WrongStatus when a reply came
    first, the time has not passed, the reminder was sent less than 24 h ago, an agent must first decide on the close
    (`hold_close`), or a mail that came before `closes_at` may still be unread in our mailbox.
    """
    with locked(pk, WAITING) as ticket:
        instant = now()
        if instant <= require_closes_at(ticket):
            raise WrongStatus(f"{ticket} no ha vencido.")
        _require_unheld(ticket)
        if ticket.reminder_id is None:
            queue_reminder(ticket)
            return False
        sent_at = OutboxMessage.objects.get(pk=ticket.reminder_id).sent_at
        if sent_at is None or instant - sent_at < reminder_before():
            raise WrongStatus(f"{ticket}: el recordatorio no ha salido o tiene menos de 24 horas.")
        if not mailbox.is_read_until(require_closes_at(ticket)):
            raise WrongStatus(f"{ticket}: falta leer el correo que llegó en su plazo.")
        _close_ticket(ticket, ClosedReason.UNANSWERED, "ticket.closed_unanswered", None, instant)
    return True


def _require_unheld(ticket: Ticket) -> None:
    """Raise WrongStatus when the ticket's close by silence is held until an agent decides."""
    if ticket.close_held_at is not None:
        raise WrongStatus(f"{ticket}: el cierre está detenido hasta que un agente lo revise.")


def _close_ticket(ticket: Ticket, reason: str, verb: str, actor: User | None, instant: datetime, **data: Any) -> Event:
    """Close the ticket because it was confirmed, or nobody answered; record the event `verb` and tell the customer.

    `actor` is None if nobody answered; `data` goes into the event. What the ticket waited for stays in its columns, as
    evidence. A confirmation drops a queued reminder and ends a hold on the close (M15).
    """
    before = ticket.status
    ticket.status, ticket.closed_reason, ticket.closed_at = CLOSED, reason, instant
    if reason == ClosedReason.CONFIRMED:
        forget_reminder(ticket)
        release_held_close(ticket)
    ticket.touched_at = ticket.queue_at = instant  # they sort the customer's list and the agents' queue
    ticket.reply_due_at = ticket.customer_waits_since = None
    ticket.customer_replied = False
    save_ticket(ticket)
    event = audit.record(verb, ticket, actor=actor, before=before, after=CLOSED, reason=reason, **data)
    notifications.announce_close(ticket, event)
    return event
