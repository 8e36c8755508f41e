"""Do what only mail does to a ticket: closes that are undone or put on hold, bounces, robots (M6, M15)."""

from accounts.models import User
from factureya.core import audit
from factureya.core.clock import now
from factureya.core.mail import outbox
from factureya.core.models import InboundMessage, OutboxMessage
from factureya.core.refusals import WrongStatus
from tickets import notifications, policy
from tickets.models import Ticket
from tickets.operations._common import (
    CLOSED,
    OPEN,
    WAITING,
    ClosedReason,
    HoldReason,
    format_instant,
    hold_close,
    locked,
    release_held_close,
    reminder_before,
    require_closes_at,
    save_ticket,
    set_reply_due,
    stop_waiting,
)


def void_silence_close(pk: int, *, inbound: InboundMessage, agent: User | None = None) -> Ticket:
    """Reopen a ticket that closed by silence, because this mail had been received by then (M15).

    A ticket leaves Cerrado in no other way. The caller then adds the mail's text with `add_information`. `agent` is who
    found the mail in the tray, or None if the program that receives mails calls. Raises WrongStatus for a close that
    the customer confirmed, and for a mail that was received after the close.
    """
    with locked(pk, CLOSED, follows_merge=True) as ticket:
        closed_at = ticket.closed_at
        assert closed_at is not None  # closed_has_reason_and_instant
        if ticket.closed_reason != ClosedReason.UNANSWERED or inbound.received_at > closed_at:
            raise WrongStatus(f"{ticket}: ese correo no llegó antes de un cierre sin respuesta.")
        stop_waiting(ticket)  # sets it Abierto
        ticket.closed_at = ticket.closed_reason = None
        ticket.voided_by, ticket.touched_at = inbound, now()
        set_reply_due(ticket, inbound.received_at)
        save_ticket(ticket)
        event = audit.record(
            "ticket.close_voided",
            ticket,
            actor=agent,
            inbound=inbound.pk,
            closed_at=format_instant(closed_at),
            received_at=format_instant(inbound.received_at),
            before=CLOSED,
            after=ticket.status,
        )
        # The mail that tells the customer of the close is not true any more: drop it if it is still queued.
        for mail in OutboxMessage.objects.filter(about=ticket.chain, kind=notifications.CLOSED).only("pk"):
            outbox.drop_mail(mail.pk)
        notifications.announce_voided_close(ticket, event, inbound)
    return ticket


def mail_bounced(pk: int, *, mail: OutboxMessage, inbound: InboundMessage) -> Ticket:
    """Record that a mail to the ticket's customer was not delivered, and hold the close of a ticket En espera (M6)."""
    with locked(pk, OPEN, WAITING, CLOSED, follows_merge=True) as ticket:
        is_held = ticket.status == WAITING
        if is_held:
            hold_close(ticket, HoldReason.BOUNCE)
            save_ticket(ticket)
        data = {"mail": mail.key, "to": mail.to, "inbound": inbound.pk, "is_held": is_held}
        audit.record("ticket.mail_bounced", ticket, actor=None, **data)
    return ticket


def robot_answered(pk: int, *, inbound: InboundMessage, mark: str) -> Ticket:
    """Record that a machine answered a mail of the ticket; `mark` says how we know. No deadline moves (M6)."""
    with locked(pk, OPEN, WAITING, CLOSED, follows_merge=True) as ticket:
        audit.record("ticket.robot_answered", ticket, actor=None, inbound=inbound.pk, mark=mark[:60])
    return ticket


def release_close(pk: int, *, agent: User) -> Ticket:
    """Let a ticket close by silence again, after an agent has seen why that was put on hold (M15).

    If a mail of ours was not delivered, the customer has at least 24 h from now. If he wrote too many mails, it is our
    turn: the ticket goes to Abierto. Raises WrongStatus if it is not on hold, NotAllowed for another desk's agent.
    """
    with locked(pk, WAITING) as ticket:
        policy.require(policy.may_work(agent, ticket), "Este ticket no es de su prestador.")
        if ticket.close_held_at is None:
            raise WrongStatus(f"El cierre de {ticket} no está detenido.")
        reason = ticket.close_held_reason
        if reason == HoldReason.TOO_MANY_MAILS:
            stop_waiting(ticket)
            set_reply_due(ticket, now())
        else:
            release_held_close(ticket)
            ticket.closes_at = max(require_closes_at(ticket), now() + reminder_before())
            ticket.queue_at = ticket.closes_at
        save_ticket(ticket)
        data = {"reason": reason, "after": ticket.status, "closes_at": format_instant(ticket.closes_at)}
        audit.record("ticket.close_released", ticket, actor=agent, **data)
    return ticket


def retry_mail(pk: int, *, agent: User, mail_pk: int) -> Ticket:
    """Queue again a mail of the ticket that could not be sent; neither status nor deadline moves (M6).

    A merged ticket's own mails are tried again too: the one that tells where it goes on may have failed (M11).
    Raises WrongStatus for a mail that has not failed, is not to this ticket's customer, or whose text was wiped.
    """
    with locked(pk, OPEN, WAITING, CLOSED, takes_merged=True) as ticket:
        policy.require(policy.may_work(agent, ticket), "Este ticket no es de su prestador.")
        mails = OutboxMessage.objects.filter(about=ticket.chain, pk=mail_pk)
        mail = mails.exclude(kind__in=notifications.TO_AGENT).only("key", "kind", "to").first()
        if mail is None or not outbox.retry(mail.pk):
            raise WrongStatus("Ese correo ya no espera un reintento.")
        audit.record("ticket.mail_retried", ticket, actor=agent, mail=mail.key, kind=mail.kind, to=mail.to)
    return ticket
