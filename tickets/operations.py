"""The ticket's life: every change of a ticket is one of these functions, in the order a ticket lives them.

Each opens a transaction, locks the ticket's row, re-reads it, asks whether the verb applies and whether the person
may; then writes the change, exactly one Event, and the mails into the outbox, all or nothing.
Times come from `core.clock`. `form_key` is the one-time key of a form: the second call with it changes nothing.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction

from accounts.models import Customer, Provider, User
from factureya.core import audit, calendar, numbers, outbox
from factureya.core.clock import now
from factureya.core.models import Attachment, Event, OutboxMessage
from tickets import notifications, policy
from tickets.models import NUMBER_PREFIX, Message, Note, Ticket, TicketFile, searchable

OPEN, WAITING, CLOSED = Ticket.Status.OPEN, Ticket.Status.WAITING, Ticket.Status.CLOSED
Side, Channel, WaitReason, ClosedReason = (
    Message.Side,
    Ticket.Channel,
    Ticket.WaitReason,
    Ticket.ClosedReason,
)
MAX_NUMBER_TRIES = 5


class WrongStatus(Exception):
    """The verb does not apply to the ticket as it is now; nothing was written. The text is for the person."""


class TicketClosed(WrongStatus):
    """The ticket is Cerrado, which is final (M12): what was written must open a ticket that continues it."""


class NewerMessage(WrongStatus):
    """Somebody wrote after the page was loaded; nothing was sent."""


class FilesGone(ValueError):
    """A file of the form was purged or taken by another form meanwhile; it must be uploaded again."""


@dataclass(frozen=True)
class Draft:
    """What a person wrote: the text, the files uploaded with the form, and the form's one-time key."""

    body: str
    files: Sequence[Attachment] = ()
    form_key: str | None = None


def open_ticket(
    *,
    author: User,
    customer: Customer,
    subject: str,
    body: str,
    category: str,
    impact: int,
    cfdi_uuid: str = "",
    files: Sequence[Attachment] = (),
    form_key: str | None = None,
    channel: str = Channel.PORTAL,
    agent: User | None = None,
    follows: Ticket | None = None,
) -> Ticket:
    """Open a ticket of `customer` on behalf of its contact `author`; Abierto, our turn (M10, M13, M17).

    `agent` is who wrote it down when the channel is the phone. A second call with the same `form_key` by the same
    person returns the ticket of the first. Raises policy.NotAllowed for a contact of another company.
    """
    membership = author.membership
    policy.require(
        author.is_active and membership is not None and membership.customer_id == customer.pk,
        "Solo un contacto activo de la empresa levanta sus tickets.",
    )
    draft = Draft(body, files, form_key)
    try:
        with transaction.atomic():
            ticket = _create(
                author, customer, channel, follows, draft,
                subject=subject, category=category, impact=impact, cfdi_uuid=cfdi_uuid,
            )  # fmt: skip
            message = _add_message(ticket, author, Side.CUSTOMER, channel, draft)
            verb = "ticket.followed_up" if follows else "ticket.opened"
            event = audit.record(
                verb, ticket, actor=agent or author, channel=channel, message=message.seq,
                follows=follows.number if follows else None,
            )  # fmt: skip
            announce = notifications.followed_up if follows else notifications.opened
            announce(ticket, event)
    except IntegrityError:
        first = _first_use(form_key, author)
        if first is None:
            raise
        return first
    return ticket


def answer(
    pk: int,
    *,
    agent: User,
    body: str,
    wait_reason: str | None,
    proposes_solution: bool = False,
    files: Sequence[Attachment] = (),
    seen: int | None = None,
    form_key: str | None = None,
) -> Ticket:
    """Write publicly to the customer (M13, M14, M15).

    With a `wait_reason` the ticket goes to, or stays, En espera and `closes_at` starts anew; with None an Abierto
    ticket stays Abierto, which an En espera ticket cannot. `proposes_solution` asks for confirmation and needs the
    reason *autorización*. `seen` is the number of messages the agent had read. An unassigned ticket becomes his.
    Raises WrongStatus, TicketClosed, NewerMessage, policy.NotAllowed.
    """
    with _locked(pk, OPEN, WAITING) as ticket:
        policy.require(policy.may_work(agent, ticket), "Este ticket no es de su prestador.")
        if _already_written(form_key, ticket):
            return ticket
        if seen is not None and seen != ticket.message_count:
            raise NewerMessage("Hay un mensaje más reciente; su respuesta no se ha enviado.")
        if wait_reason is None and ticket.status == WAITING:
            raise WrongStatus(
                "Un ticket En espera sigue En espera: indique qué se espera del cliente."
            )
        if proposes_solution and wait_reason != WaitReason.AUTHORIZATION:
            raise WrongStatus("Para pedir confirmación, la espera es por autorización.")
        before = ticket.status
        message = _write(ticket, agent, Side.STAFF, Channel.PORTAL, Draft(body, files, form_key))
        if ticket.assignee_id is None:
            ticket.assignee = agent
        ticket.first_replied_at = ticket.first_replied_at or message.created_at
        if wait_reason is not None:
            _start_waiting(ticket, wait_reason, message.created_at, proposes_solution)
        _save(ticket)
        event = audit.record(
            "ticket.answered", ticket, actor=agent, message=message.seq, before=before, after=ticket.status,
            wait_reason=wait_reason, asks_confirmation=ticket.asks_confirmation, closes_at=_iso(ticket.closes_at),
        )  # fmt: skip
        notifications.answered(ticket, event, message)
    return ticket


def add_information(
    pk: int,
    *,
    author: User,
    body: str,
    files: Sequence[Attachment] = (),
    form_key: str | None = None,
    channel: str = Channel.PORTAL,
) -> Ticket:
    """Add the customer's message; the ticket goes to, or stays, Abierto and its clock stops (M11, M13).

    Raises TicketClosed (call `follow_up`), policy.NotAllowed.
    """
    with _locked(pk, OPEN, WAITING, or_written=form_key) as ticket:
        policy.require(
            policy.may_write_as_customer(author, ticket), "Este ticket no es de su empresa."
        )
        if _already_written(form_key, ticket):
            return ticket
        before = ticket.status
        message = _write(ticket, author, Side.CUSTOMER, channel, Draft(body, files, form_key))
        _stop_waiting(ticket)
        _owe_reply(ticket, message.created_at)
        _save(ticket)
        event = audit.record(
            "ticket.information_added", ticket, actor=author, message=message.seq, before=before, after=ticket.status,
            channel=channel,
        )  # fmt: skip
        notifications.new_message(ticket, event, message)
    return ticket


def add_note(
    pk: int,
    *,
    agent: User,
    body: str,
    files: Sequence[Attachment] = (),
    form_key: str | None = None,
) -> Ticket:
    """Write an internal note, which the customer never sees; moves neither state nor clock (M15, M16)."""
    with _locked(pk, OPEN, WAITING, CLOSED) as ticket:
        policy.require(policy.may_work(agent, ticket), "Este ticket no es de su prestador.")
        if form_key and Note.objects.filter(form_key=form_key).exists():
            return ticket
        note = Note.objects.create(
            ticket=ticket, author=agent, author_name=agent.get_full_name(), body=body, created_at=now(),
            form_key=form_key,
        )  # fmt: skip
        _attach(ticket, files, note=note)
        audit.record("ticket.note_added", ticket, actor=agent, note=note.pk)
    return ticket


def take(pk: int, *, agent: User) -> Ticket:
    """Take an unassigned ticket. Raises WrongStatus when somebody else has it; moves no clock."""
    with _locked(pk, OPEN, WAITING) as ticket:
        policy.require(policy.may_work(agent, ticket), "Este ticket no es de su prestador.")
        if ticket.assignee_id == agent.pk:
            return ticket
        if ticket.assignee is not None:
            raise WrongStatus(f"Ya lo atiende {ticket.assignee.get_full_name()}.")
        _assign(ticket, agent, "ticket.taken", agent)
    return ticket


def assign(pk: int, *, agent: User, assignee: User | None) -> Ticket:
    """Give the ticket to an agent of its provider, or to nobody; moves no clock (M15)."""
    with _locked(pk, OPEN, WAITING) as ticket:
        policy.require(policy.may_work(agent, ticket), "Este ticket no es de su prestador.")
        if assignee is not None and not policy.may_work(assignee, ticket):
            raise WrongStatus(f"{assignee.get_full_name()} no atiende tickets de este prestador.")
        if ticket.assignee_id != (assignee.pk if assignee else None):
            _assign(ticket, assignee, "ticket.assigned", agent)
    return ticket


def classify(pk: int, *, agent: User, category: str, impact: int) -> Ticket:
    """Correct category and impact; moves neither state nor clock."""
    with _locked(pk, OPEN, WAITING) as ticket:
        policy.require(policy.may_work(agent, ticket), "Este ticket no es de su prestador.")
        if (ticket.category, ticket.impact) != (category, impact):
            before = [ticket.category, ticket.impact]
            ticket.category, ticket.impact = category, impact
            ticket.save(update_fields=["category", "impact"])
            audit.record(
                "ticket.classified", ticket, actor=agent, before=before, after=[category, impact]
            )
    return ticket


def hand_over(pk: int, *, supervisor: User, provider: Provider) -> Ticket:
    """Give the ticket to another provider, unassigned (M3): only its agents see it from now on."""
    with _locked(pk, OPEN, WAITING) as ticket:
        policy.require(
            policy.may_hand_over(supervisor, ticket), "Solo un supervisor cambia el prestador."
        )
        if ticket.provider_id != provider.pk:
            before = ticket.provider_id
            ticket.provider, ticket.assignee = provider, None
            ticket.save(update_fields=["provider", "assignee"])
            audit.record(
                "ticket.handed_over", ticket, actor=supervisor, before=before, after=provider.pk
            )
    return ticket


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

    From Abierto and En espera. Raises TicketClosed, policy.NotAllowed.
    """
    with _locked(pk, OPEN, WAITING, or_written=form_key) as ticket:
        policy.require(
            policy.may_write_as_customer(author, ticket), "Este ticket no es de su empresa."
        )
        if _already_written(form_key, ticket):
            return ticket
        message = None
        if body:
            message = _write(ticket, author, Side.CUSTOMER, channel, Draft(body, files, form_key))
        _close(
            ticket, ClosedReason.CONFIRMED, "ticket.confirmed", author,
            channel=channel, message=message.seq if message else None,
        )  # fmt: skip
    return ticket


def confirm_by_phone(pk: int, *, agent: User, contact: User) -> Ticket:
    """Close the ticket because a contact of the company confirmed by phone; the agent and the contact are recorded (M15)."""
    with _locked(pk, OPEN, WAITING) as ticket:
        policy.require(policy.may_work(agent, ticket), "Este ticket no es de su prestador.")
        policy.require(
            policy.may_write_as_customer(contact, ticket),
            "Esa persona no es contacto activo de la empresa.",
        )
        _close(
            ticket, ClosedReason.CONFIRMED, "ticket.confirmed_by_phone", agent,
            contact=contact.pk, contact_name=contact.get_full_name(),
        )  # fmt: skip
    return ticket


def warn_before_close(pk: int) -> Ticket:
    """Queue the one reminder, 24 h ⚙ before `closes_at` (look-ahead 10 min) or at once when late (M15).

    Late means `closes_at` moves to 24 h from now. Raises WrongStatus when the ticket is not waiting, has its
    reminder, or the time has not come.
    """
    with _locked(pk, WAITING) as ticket:
        if ticket.reminder_id is not None:
            raise WrongStatus(f"{ticket} ya tiene recordatorio.")
        if now() < _closes_at(ticket) - reminder_before() - reminder_lookahead():
            raise WrongStatus(f"{ticket} todavía no vence.")
        _remind(ticket)
    return ticket


def reminder_sent(message: OutboxMessage, sent_at: datetime) -> None:
    """The reminder left at `sent_at`: from then on the customer has at least 24 h ⚙ (M15).

    Called by the outbox in the transaction that marks the mail sent. A reminder the ticket no longer waits on
    (the customer answered meanwhile) changes nothing.
    """
    number = message.about.partition(":")[2]
    with transaction.atomic():
        ticket = (
            Ticket.objects.select_for_update().filter(number=number, reminder_id=message.pk).first()
        )
        if ticket is None or ticket.status != WAITING:
            return
        earliest = sent_at + reminder_before()
        if _closes_at(ticket) < earliest:
            ticket.closes_at = ticket.queue_at = earliest
            ticket.save(update_fields=["closes_at", "queue_at"])
        audit.record("ticket.reminded", ticket, actor=None, closes_at=_iso(ticket.closes_at))


def close_unanswered(pk: int) -> bool:
    """Close a ticket the customer has left waiting (M15); True when it closed.

    Strictly after `closes_at`: at that very instant it stays open, because the manual says *más de* 3 días. A due
    ticket without a reminder gets it now, 24 h ⚙ more, and stays open (False).
    Raises WrongStatus if a reply arrived first, the instant has not passed, or the reminder has not been out 24 h.
    """
    with _locked(pk, WAITING) as ticket:
        instant = now()
        if instant <= _closes_at(ticket):
            raise WrongStatus(f"{ticket} no ha vencido.")
        if ticket.reminder_id is None:
            _remind(ticket)
            return False
        reminder = OutboxMessage.objects.get(pk=ticket.reminder_id)
        if reminder.sent_at is None or instant - reminder.sent_at < reminder_before():
            raise WrongStatus(f"{ticket}: el recordatorio no ha salido o tiene menos de 24 horas.")
        _close(ticket, ClosedReason.UNANSWERED, "ticket.closed_unanswered", None, at=instant)
    return True


def follow_up(
    pk: int,
    *,
    author: User,
    body: str,
    files: Sequence[Attachment] = (),
    form_key: str | None = None,
    channel: str = Channel.PORTAL,
) -> Ticket:
    """Open a new ticket that cites the closed one, with its subject, category and impact (M12).

    The closed ticket does not change. Raises WrongStatus when it is not closed, policy.NotAllowed.
    """
    with _locked(pk, CLOSED) as closed:
        policy.require(
            policy.may_write_as_customer(author, closed), "Este ticket no es de su empresa."
        )
        return open_ticket(
            author=author, customer=closed.customer, subject=closed.subject, body=body, category=closed.category,
            impact=closed.impact, files=files, form_key=form_key, channel=channel, follows=closed,
        )  # fmt: skip


def move_to_customer(source: Customer, target: Customer, *, actor: User) -> int:
    """Move every ticket of a company that staff joins to a known one; each leaves its event. The number moved.

    Called by `accounts.operations.join_company` inside its transaction; states and clocks stay.
    """
    moved = 0
    for ticket in Ticket.objects.select_for_update().filter(customer=source).order_by("pk"):
        ticket.customer = target
        ticket.save(update_fields=["customer"])
        audit.record(
            "ticket.moved_to_company", ticket, actor=actor, before=source.pk, after=target.pk
        )
        moved += 1
    return moved


def reminder_before() -> timedelta:
    """How long before the close the reminder must be out (M15)."""
    return timedelta(hours=settings.REMINDER_HOURS)


def reminder_lookahead() -> timedelta:
    """How much earlier a sweep may queue the reminder, so that it is never late in normal running (M15)."""
    return timedelta(minutes=settings.REMINDER_LOOKAHEAD_MINUTES)


# -- Private -----------------------------------------------------------------------------------------


@contextmanager
def _locked(pk: int, *statuses: str, or_written: str | None = None) -> Iterator[Ticket]:
    """The ticket, locked and re-read, in one of `statuses`.

    `or_written`: a form that was already received is let through whatever happened since, so that a double click
    on «confirmar» is not told that the ticket is closed.
    """
    with transaction.atomic():
        related = Ticket.objects.select_related("customer", "requester__contact", "assignee")
        ticket = related.select_for_update(of=("self",)).get(pk=pk)
        if ticket.status not in statuses and not _already_written(or_written, ticket):
            if ticket.status == CLOSED:
                raise TicketClosed(
                    "El ticket está Cerrado. Un ticket cerrado no se reabre: continúe con uno nuevo."
                )
            raise WrongStatus(
                f"El ticket está {ticket.get_status_display()}; esa acción ya no corresponde."
            )
        yield ticket


def _create(
    author: User,
    customer: Customer,
    channel: str,
    follows: Ticket | None,
    draft: Draft,
    **fields: Any,
) -> Ticket:
    """Insert an open ticket under a fresh number; a number that is taken (one in 3·10¹⁰) is drawn again."""
    instant = now()
    ticket = Ticket(
        customer=customer, requester=author, provider=Provider.objects.get(is_own=True), channel=channel,
        follows=follows, status=OPEN, opened_at=instant, queue_at=instant,
        search_words=searchable(fields["subject"]), **fields,
    )  # fmt: skip
    _touch(ticket, Side.CUSTOMER, draft.body)
    _owe_reply(ticket, instant)
    for attempt in range(MAX_NUMBER_TRIES):
        ticket.number = numbers.new(NUMBER_PREFIX)
        try:
            with transaction.atomic():
                ticket.save(force_insert=True)
            return ticket
        except IntegrityError:
            if (
                attempt == MAX_NUMBER_TRIES - 1
                or not Ticket.objects.filter(number=ticket.number).exists()
            ):
                raise
    raise AssertionError("unreachable")  # pragma: no cover


def _write(ticket: Ticket, author: User, side: str, channel: str, draft: Draft) -> Message:
    """Append a public message and its files; the ticket's own columns are set, not saved."""
    _touch(ticket, side, draft.body)
    return _add_message(ticket, author, side, channel, draft)


def _touch(ticket: Ticket, side: str, body: str) -> None:
    """What a new message changes in the ticket's columns: order, excerpt, whose turn."""
    ticket.message_count += 1
    ticket.touched_at = now()
    ticket.last_excerpt = " ".join(body.split())[:100]
    ticket.customer_replied = side == Side.CUSTOMER and ticket.first_replied_at is not None
    if side == Side.STAFF:
        ticket.reply_due_at = ticket.customer_waits_since = None


def _add_message(ticket: Ticket, author: User, side: str, channel: str, draft: Draft) -> Message:
    message = Message.objects.create(
        ticket=ticket, seq=ticket.message_count, side=side, author=author, author_name=author.get_full_name(),
        channel=channel, body=draft.body, created_at=ticket.touched_at, form_key=draft.form_key,
    )  # fmt: skip
    _attach(ticket, draft.files, message=message)
    return message


def _attach(
    ticket: Ticket,
    files: Sequence[Attachment],
    *,
    message: Message | None = None,
    note: Note | None = None,
) -> None:
    """Give the uploaded files to a message or a note; each can be given once. Raises FilesGone."""
    if not files:
        return
    pks = [attachment.pk for attachment in files]
    if Attachment.objects.filter(pk__in=pks).exclude(draft="").update(draft="") != len(pks):
        raise FilesGone("Un archivo ya no está disponible; súbalo de nuevo.")
    TicketFile.objects.bulk_create(
        TicketFile(ticket=ticket, message=message, note=note, attachment_id=attachment)
        for attachment in pks
    )


def _start_waiting(ticket: Ticket, reason: str, since: datetime, proposes_solution: bool) -> None:
    """The customer's turn: `closes_at` is counted from this public message, and a reminder is due again (M15)."""
    _forget_reminder(ticket)
    ticket.status = WAITING
    ticket.wait_reason = reason
    ticket.waiting_since = since
    ticket.closes_at = ticket.queue_at = calendar.reply_deadline(since)
    ticket.solution_proposed_at = since if proposes_solution else None


def _stop_waiting(ticket: Ticket) -> None:
    """Our turn: no wait, no close, and a reminder that is still queued is not sent."""
    _forget_reminder(ticket)
    ticket.status = OPEN
    ticket.wait_reason = ticket.waiting_since = ticket.closes_at = ticket.solution_proposed_at = (
        None
    )


def _forget_reminder(ticket: Ticket) -> None:
    if ticket.reminder_id is not None:
        outbox.drop(ticket.reminder_id)
        ticket.reminder = None


def _owe_reply(ticket: Ticket, since: datetime) -> None:
    """We owe a reply within FIRST_REPLY_BUSINESS_HOURS of attention, counted from the oldest unanswered message."""
    if ticket.reply_due_at is None:
        hours = settings.FIRST_REPLY_BUSINESS_HOURS
        ticket.reply_due_at = calendar.attention_hours().add_hours(since, hours)
        ticket.customer_waits_since = since
    ticket.queue_at = ticket.reply_due_at


def _assign(ticket: Ticket, assignee: User | None, verb: str, actor: User) -> None:
    before = ticket.assignee_id
    ticket.assignee = assignee
    ticket.save(update_fields=["assignee"])
    name = assignee.get_full_name() if assignee else ""
    audit.record(
        verb, ticket, actor=actor, before=before, after=ticket.assignee_id, assignee_name=name
    )


def _remind(ticket: Ticket) -> None:
    """Queue the reminder; a ticket that is late gets 24 h ⚙ from now."""
    earliest = now() + reminder_before()
    if _closes_at(ticket) < earliest:
        ticket.closes_at = ticket.queue_at = max(earliest, _closes_at(ticket))
    event = audit.record(
        "ticket.reminder_queued", ticket, actor=None, closes_at=_iso(ticket.closes_at)
    )
    ticket.reminder = notifications.reminder(ticket, event)
    ticket.save(update_fields=["closes_at", "queue_at", "reminder"])


def _close(
    ticket: Ticket,
    reason: str,
    verb: str,
    actor: User | None,
    *,
    at: datetime | None = None,
    **data: Any,
) -> Event:
    """Cerrado, for one of the two reasons of M15. The wait's columns stay as they were, as evidence."""
    before = ticket.status
    ticket.status, ticket.closed_reason, ticket.closed_at = CLOSED, reason, at or now()
    if reason == ClosedReason.CONFIRMED:
        _forget_reminder(ticket)
    ticket.touched_at = ticket.queue_at = ticket.closed_at
    ticket.reply_due_at = ticket.customer_waits_since = None
    ticket.customer_replied = False
    _save(ticket)
    event = audit.record(
        verb, ticket, actor=actor, before=before, after=CLOSED, reason=reason, **data
    )
    notifications.closed(ticket, event)
    return event


_SAVED = (
    "assignee", "status", "wait_reason", "solution_proposed_at", "waiting_since", "closes_at", "reminder", "closed_at",
    "closed_reason", "touched_at", "reply_due_at", "first_replied_at", "queue_at", "customer_replied",
    "customer_waits_since", "message_count", "last_excerpt",
)  # fmt: skip


def _save(ticket: Ticket) -> None:
    ticket.save(update_fields=_SAVED)


def _already_written(form_key: str | None, ticket: Ticket) -> bool:
    """Whether this form was received before, for this ticket."""
    return (
        form_key is not None and Message.objects.filter(form_key=form_key, ticket=ticket).exists()
    )


def _first_use(form_key: str | None, author: User) -> Ticket | None:
    """The ticket that the first submission of this form opened, if its author is the same person."""
    if form_key is None:
        return None
    first = (
        Message.objects.select_related("ticket").filter(form_key=form_key, author=author).first()
    )
    return first.ticket if first else None


def _closes_at(ticket: Ticket) -> datetime:
    assert ticket.closes_at is not None  # waiting_has_reason_and_instant
    return ticket.closes_at


def _iso(instant: datetime | None) -> str | None:
    return instant.isoformat() if instant else None
