"""Share what the operations need: the lock they hold, the message they write, and the two clocks they move."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction

from accounts.models import User
from factureya.core import audit, calendar, locking
from factureya.core.clock import now
from factureya.core.mail import outbox, own_links
from factureya.core.models import Attachment, InboundMessage, OutboxMessage
from factureya.core.refusals import FilesGone, FormUsed, Stale, WrongStatus
from tickets import notifications, policy
from tickets.models import Call, Message, Note, Ticket, TicketFile

OPEN, WAITING, CLOSED = Ticket.Status.OPEN, Ticket.Status.WAITING, Ticket.Status.CLOSED
Side, Channel = Message.Side, Ticket.Channel
WaitReason, ClosedReason, HoldReason = Ticket.WaitReason, Ticket.ClosedReason, Ticket.HoldReason

# `save` writes every other column: what a ticket is, an operation of its own changes.
_NOT_MOVED = (
    *"id number customer requester provider subject search_words category impact channel follows opened_at".split(),
    *"team merged_into merged_at split_from".split(),
    *Ticket.FACTS,
)
_MOVED = [field.name for field in Ticket._meta.concrete_fields if field.name not in _NOT_MOVED]


class TicketClosed(WrongStatus):
    """Say that the ticket is Cerrado, which is final (M12): what was written must open a ticket that continues it."""


class TicketMerged(WrongStatus):
    """Say that the ticket is merged into another, where the agent must do it (M11)."""


class NewerMessage(Stale):
    """Say that somebody wrote after the page was opened; nothing was sent."""


class Incomplete(WrongStatus):
    """Say that the operation lacks what it needs: the text, or the reason of the wait (M14)."""


@dataclass(frozen=True)
class NewMessage:
    """Hold a public message or an internal note before it is written, with its files and the form's one-time key.

    `inbound` is the mail that the message came in, `call` the call in which an agent wrote it down. Links of ours that
    were pasted into the text are cut out, because
    the reader of the message may be somebody else than the person whom the link is for (M16).
    """

    author: User
    side: str
    channel: str
    body: str
    files: Sequence[Attachment] = ()
    form_key: str | None = None
    model: type[Message] | type[Note] = Message
    inbound: InboundMessage | None = None
    call: Call | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "body", own_links.cut_links(self.body))

    @property
    def trace(self) -> dict[str, Any]:
        """Return what the message's event records of the mail or the call that it came by; {} without one (M5)."""
        if self.call is not None:
            return {"call": self.call.pk, "caller_verified": self.call.is_verified}
        return {"inbound": self.inbound.pk, "sender": self.inbound.sender} if self.inbound is not None else {}

    def require_text(self, message: str) -> None:
        """Raise Incomplete with the error `message` when the person wrote no text."""
        if not self.body.strip():
            raise Incomplete(message)

    def is_repeated(self, ticket: Ticket) -> bool:
        """Return whether the same form was received before, so that a double click writes the message once.

        Raises FormUsed when the form's one-time key came with another ticket, person or text, so that no text is lost.
        """
        first_use = self._find_first_use()
        if first_use is not None and first_use != self._identify_post(ticket):
            raise FormUsed
        return first_use is not None or self._was_confirmed_by_form(ticket)

    def was_received(self, ticket: Ticket) -> bool:
        """Return whether this form came before: with the same ticket, author and text, or as a confirmation alone."""
        return self._find_first_use() == self._identify_post(ticket) or self._was_confirmed_by_form(ticket)

    def is_used(self) -> bool:
        """Return whether a message or a note carries the form's key."""
        return self._find_first_use() is not None

    def _identify_post(self, ticket: Ticket) -> tuple[int, int, str]:
        """Return the ticket, the author and the text, by which two posts of a form are compared."""
        return ticket.pk, self.author.pk, self.body

    def _find_first_use(self) -> tuple[int, int, str] | None:
        """Return the ticket, the author and the text of the message that has the form's one-time key, or None."""
        if self.form_key is None:
            return None
        written = self.model._default_manager.filter(form_key=self.form_key)
        first_use = written.values_list("ticket_id", "author_id", "body").first()
        # A form that was sent twice may find its ticket merged in between: then both were for the same one (M11).
        return (Ticket.objects.find_survivor_pk(first_use[0]), *first_use[1:]) if first_use else None

    def _was_confirmed_by_form(self, ticket: Ticket) -> bool:
        """Return whether this form, sent without a text, closed the ticket before. It left an event, but no message."""
        if self.form_key is None or self.body:
            return False
        return ticket.events().filter(actor=self.author, data__form_key=self.form_key).exists()


def write_message(ticket: Ticket, new_message: NewMessage) -> Message:
    """Insert a public message with its files, and count it in the ticket; the caller saves the ticket."""
    update_ticket_for_message(ticket, new_message)
    return add_message(ticket, new_message)


def update_ticket_for_message(ticket: Ticket, new_message: NewMessage) -> None:
    """Count a new public message in its ticket, and set the ticket's excerpt and who must reply; the caller saves it.

    A customer's message before our first answer belongs to his question, so it is no reply (`customer_replied`). After
    an answer of ours, we owe him no reply.
    """
    ticket.message_count += 1
    ticket.touched_at = now()
    ticket.last_excerpt = " ".join(new_message.body.split())[:100]
    ticket.customer_replied = new_message.side == Message.Side.CUSTOMER and ticket.first_replied_at is not None
    if new_message.side == Message.Side.STAFF:
        ticket.reply_due_at = ticket.customer_waits_since = None


def add_message(ticket: Ticket, new_message: NewMessage) -> Message:
    """Insert a public message, which its ticket has counted, and its files; IntegrityError if its key is used."""
    message = Message.objects.create(
        ticket=ticket,
        seq=ticket.message_count,
        side=new_message.side,
        author=new_message.author,
        author_name=new_message.author.get_full_name(),
        channel=new_message.channel,
        body=new_message.body,
        created_at=ticket.touched_at,
        form_key=new_message.form_key,
        inbound=new_message.inbound,
    )
    _attach_files(ticket, new_message, message=message)
    return message


def add_internal_note(ticket: Ticket, new_message: NewMessage) -> Note:
    """Insert an internal note, which no page and no mail shows to the customer (M16)."""
    note = Note.objects.create(
        ticket=ticket,
        author=new_message.author,
        author_name=new_message.author.get_full_name(),
        body=new_message.body,
        created_at=now(),
        form_key=new_message.form_key,
    )
    _attach_files(ticket, new_message, note=note)
    return note


def _attach_files(
    ticket: Ticket, new_message: NewMessage, *, message: Message | None = None, note: Note | None = None
) -> None:
    """Attach the uploaded files to a message or a note. Raises FilesGone when one was deleted or attached before."""
    pks = list(dict.fromkeys(attachment.pk for attachment in new_message.files))  # each key once
    if not pks:
        return
    # A file has a `draft` until it is attached. So a file that was attached before is not counted here.
    count = Attachment.objects.filter(pk__in=pks).exclude(draft="").update(draft="")
    if count != len(pks):
        raise FilesGone("Un archivo ya no está disponible; súbalo de nuevo.")
    TicketFile.objects.bulk_create(
        TicketFile(ticket=ticket, message=message, note=note, attachment_id=pk) for pk in pks
    )


@contextmanager
def locked(
    pk: int,
    *statuses: str,
    new_message: NewMessage | None = None,
    follows_merge: bool = False,
    takes_merged: bool = False,
) -> Iterator[Ticket]:
    """Open a transaction and yield the ticket, locked and read again, if it is in one of `statuses`.

    If it is merged and `follows_merge` is true, the ticket that takes its messages is yielded instead (M11); with
    `takes_merged` it is yielded itself, for what stays with it: its charges, the minutes on them, its mails.
    No status is required if `new_message` was received before. So a second click on «confirmar» gets no error when
    the first closed the ticket. Raises TicketMerged for a merged ticket, TicketClosed or WrongStatus for a status that
    is not allowed, FormUsed if the message's one-time key is used.
    """
    tickets = Ticket.objects.select_related("customer", "requester__contact", "assignee")
    try:
        with transaction.atomic():
            ticket = tickets.lock_survivor(pk) if follows_merge else locking.lock(tickets, pk)
            if ticket.is_merged and not takes_merged:
                raise explain_merge(ticket)
            if ticket.status not in statuses and not (new_message and new_message.was_received(ticket)):
                raise _explain_status(ticket)
            yield ticket
    except IntegrityError as error:
        # Two forms with the same key on two tickets: each locked its own, so the second did not wait for the first.
        if new_message and new_message.is_used():
            raise FormUsed from error
        raise


def require_customer(author: User, ticket: Ticket, asked_pk: int) -> None:
    """Raise NotAllowed unless the person writes in this ticket as the customer; `asked_pk` may be merged into it."""
    is_merged = ticket.pk != asked_pk
    text = "El ticket se combinó con otro que usted no ve; levante uno nuevo con lo que escribió."
    policy.require(
        policy.may_write_as_customer(author, ticket), text if is_merged else "Este ticket no es de su empresa."
    )


def save_ticket(ticket: Ticket) -> None:
    """Save the columns that operations move, such as status, times and assignee, and none of what it is about."""
    ticket.save(update_fields=_MOVED)


def require_closes_at(ticket: Ticket) -> datetime:
    """Return when a ticket En espera closes without an answer; a constraint of the database requires that time."""
    assert ticket.closes_at is not None  # waiting_has_reason_and_instant
    return ticket.closes_at


def format_instant(instant: datetime | None) -> str | None:
    """Return a time as text, as the data of an event records it; None stays None."""
    return instant.isoformat() if instant else None


def explain_merge(ticket: Ticket) -> TicketMerged:
    """Return the error for an operation on a ticket that is merged into another."""
    survivor = ticket.find_survivor()
    return TicketMerged(f"{ticket} se combinó con {survivor}: continúe ahí, o deshaga antes la combinación.")


def _explain_status(ticket: Ticket) -> WrongStatus:
    """Return the error for an operation that the ticket's status does not allow: TicketClosed, or WrongStatus."""
    if ticket.status == CLOSED:
        return TicketClosed("El ticket está Cerrado. Un ticket cerrado no se reabre: continúe con uno nuevo.")
    return WrongStatus(f"El ticket está {ticket.get_status_display()}; esa acción ya no corresponde.")


def reminder_before() -> timedelta:
    """Return how long before the close the reminder must be sent (M15)."""
    return timedelta(hours=settings.REMINDER_HOURS)


def reminder_lookahead() -> timedelta:
    """Return how much earlier a sweep may queue the reminder, so that it is not late (M15)."""
    return timedelta(minutes=settings.REMINDER_LOOKAHEAD_MINUTES)


def start_waiting(
    ticket: Ticket, reason: str, since: datetime, proposes_solution: bool, out_of_scope: str | None = None
) -> None:
    """Set the ticket En espera for this reason, without saving it: the customer's turn (M15).

    If nobody answers, it closes at `closes_at`, counted from our message (`since`); `queue_at` sorts the agents' queue.
    An earlier reminder is dropped, and a hold on the close ends; a sweep sends the next reminder. With
    `proposes_solution` the customer is asked to confirm that our answer solved the problem. `out_of_scope` is what the
    answer said is not our service (M9).
    """
    forget_reminder(ticket)
    release_held_close(ticket)
    ticket.status = WAITING
    ticket.wait_reason = reason
    ticket.waiting_since = since
    ticket.closes_at = ticket.queue_at = calendar.compute_reply_deadline(since)
    ticket.solution_proposed_at = since if proposes_solution else None
    ticket.out_of_scope = out_of_scope


def stop_waiting(ticket: Ticket) -> None:
    """Set the ticket Abierto, without saving it: the wait ends, and a reminder that is not sent yet is dropped."""
    forget_reminder(ticket)
    release_held_close(ticket)
    ticket.status = OPEN
    ticket.wait_reason = ticket.waiting_since = ticket.closes_at = ticket.solution_proposed_at = None
    ticket.out_of_scope = None


def hold_close(ticket: Ticket, reason: str) -> None:
    """Keep a ticket En espera from closing by silence until an agent decides, without saving it.

    The reason TOO_MANY_MAILS is not replaced: one of those mails may be the customer's answer.
    """
    ticket.close_held_at = ticket.close_held_at or now()
    if ticket.close_held_reason != Ticket.HoldReason.TOO_MANY_MAILS:
        ticket.close_held_reason = reason


def release_held_close(ticket: Ticket) -> None:
    """End the hold on a ticket's automatic close (`hold_close`), without saving the ticket."""
    ticket.close_held_at = ticket.close_held_reason = None


def forget_reminder(ticket: Ticket) -> None:
    """Set the ticket's reminder to None, without saving it; a reminder that is still queued is sent to nobody."""
    if ticket.reminder_id is not None:
        for mail in (
            OutboxMessage.objects.filter(about=ticket.chain, kind=notifications.REMINDER).order_by("pk").only("pk")
        ):
            outbox.drop_mail(mail.pk)
        ticket.reminder = None


def queue_reminder(ticket: Ticket) -> None:
    """Queue the mail that reminds the customer that his ticket closes by silence, and save it on the ticket (M15).

    If less than 24 h are left, the close moves to 24 h from now, and with it `queue_at`, which sorts the queue.
    """
    earliest = now() + reminder_before()
    if require_closes_at(ticket) < earliest:
        ticket.closes_at = ticket.queue_at = earliest
    event = audit.record("ticket.reminder_queued", ticket, actor=None, closes_at=format_instant(ticket.closes_at))
    ticket.reminder = notifications.send_reminder(ticket, event)
    ticket.save(update_fields=["closes_at", "queue_at", "reminder"])


def set_reply_due(ticket: Ticket, since: datetime) -> None:
    """Set when our reply is due, without saving the ticket: `since` plus our goal, in hours of attention.

    If a reply is due already, its time stays: the customer has waited since his oldest unanswered message. `queue_at`,
    by which the agents' queue is sorted, is set to that time.
    """
    if ticket.reply_due_at is None:
        hours = settings.FIRST_REPLY_BUSINESS_HOURS
        ticket.reply_due_at = calendar.load_attention_hours().add_hours(since, hours)
        ticket.customer_waits_since = since
    ticket.queue_at = ticket.reply_due_at
