"""What only mail does to a ticket: voided and held closes, bounces, robots (M6, M15)."""

from accounts.models import User
from factureya.core import audit
from factureya.core.clock import now
from factureya.core.mail import outbox
from factureya.core.models import InboundMessage, OutboxMessage
from tickets import notifications, policy
from tickets.models import Ticket
from tickets.operations import _waiting
from tickets.operations._locking import (
    CLOSED,
    OPEN,
    WAITING,
    ClosedReason,
    HoldReason,
    closes_at,
    iso,
    locked,
    save,
)
from tickets.operations._waiting import reminder_before
from tickets.operations.errors import WrongStatus


def void_silence_close(pk: int, *, inbound: InboundMessage, agent: User | None = None) -> Ticket:
    """Take back a close by silence, because this mail had been received by then (M15): Cerrado -> Abierto.

    The only edge out of Cerrado. The mail's words are added next, by `add_information`. `agent` is who found the
    mail in the tray; None is the receiving program. Raises WrongStatus for a close that the customer confirmed, and
    for a mail received after the close.
    """
    with locked(pk, CLOSED) as ticket:
        closed_at = ticket.closed_at
        assert closed_at is not None  # closed_has_reason_and_instant
        if ticket.closed_reason != ClosedReason.UNANSWERED or inbound.received_at > closed_at:
            raise WrongStatus(f"{ticket}: ese correo no llegó antes de un cierre sin respuesta.")
        _waiting.stop_waiting(ticket)
        ticket.closed_at = ticket.closed_reason = None
        ticket.voided_by, ticket.touched_at = inbound, now()
        _waiting.owe_reply(ticket, inbound.received_at)
        save(ticket)
        event = audit.record(
            "ticket.close_voided",
            ticket,
            actor=agent,
            inbound=inbound.pk,
            closed_at=iso(closed_at),
            received_at=iso(inbound.received_at),
            before=CLOSED,
            after=ticket.status,
        )
        _forget_closed_mail(ticket)
        notifications.close_voided(ticket, event, inbound)
    return ticket


def mail_bounced(pk: int, *, mail: OutboxMessage, inbound: InboundMessage) -> Ticket:
    """A mail of the ticket was not delivered: the history says so, and a silence cannot close it (M6, M15)."""
    with locked(pk, OPEN, WAITING, CLOSED) as ticket:
        if ticket.status == WAITING:
            _waiting.hold(ticket, HoldReason.BOUNCE)
            save(ticket)
        audit.record(
            "ticket.mail_bounced",
            ticket,
            actor=None,
            mail=mail.key,
            to=mail.to,
            inbound=inbound.pk,
            is_held=ticket.status == WAITING,
        )
    return ticket


def robot_answered(pk: int, *, inbound: InboundMessage, mark: str) -> Ticket:
    """A machine answered a mail of the ticket: the history says so; neither state nor clock moves (M6)."""
    with locked(pk, OPEN, WAITING, CLOSED) as ticket:
        audit.record("ticket.robot_answered", ticket, actor=None, inbound=inbound.pk, mark=mark[:60])
    return ticket


def release_close(pk: int, *, agent: User) -> Ticket:
    """An agent has seen why a close is held (M15).

    After a bounce it runs again, and the customer has at least 24 h ⚙ from now. If the customer's own words held
    it, he was not silent: the ticket is Abierto. Raises WrongStatus when nothing is held, policy.NotAllowed.
    """
    with locked(pk, WAITING) as ticket:
        policy.require(policy.may_work(agent, ticket), "Este ticket no es de su prestador.")
        if ticket.close_held_at is None:
            raise WrongStatus(f"El cierre de {ticket} no está detenido.")
        reason = ticket.close_held_reason
        if reason == HoldReason.FLIPS:
            _waiting.stop_waiting(ticket)
            _waiting.owe_reply(ticket, now())
        else:
            _waiting.release(ticket)
            ticket.closes_at = max(closes_at(ticket), now() + reminder_before())
            ticket.queue_at = ticket.closes_at
        save(ticket)
        audit.record(
            "ticket.close_released",
            ticket,
            actor=agent,
            reason=reason,
            after=ticket.status,
            closes_at=iso(ticket.closes_at),
        )
    return ticket


def retry_mail(pk: int, *, agent: User, mail_pk: int) -> Ticket:
    """Queue a mail of the ticket that could not be sent again; neither state nor clock moves (M6).

    Raises WrongStatus when it is not a failed mail to this ticket's customer, or its text was wiped, policy.NotAllowed.
    """
    with locked(pk, OPEN, WAITING, CLOSED) as ticket:
        policy.require(policy.may_work(agent, ticket), "Este ticket no es de su prestador.")
        mails = OutboxMessage.objects.filter(about=ticket.chain, pk=mail_pk)
        mail = mails.exclude(kind=notifications.NEW_MESSAGE).only("key", "kind", "to").first()
        if mail is None or not outbox.retry(mail.pk):
            raise WrongStatus("Ese correo ya no espera un reintento.")
        audit.record("ticket.mail_retried", ticket, actor=agent, mail=mail.key, kind=mail.kind, to=mail.to)
    return ticket


def _forget_closed_mail(ticket: Ticket) -> None:
    """«Se cerró sin respuesta» is not sent any more, if it has not left."""
    told = OutboxMessage.objects.filter(about=ticket.chain, kind=notifications.CLOSED)
    for mail in told.only("pk"):
        outbox.drop_mail(mail.pk)
