"""Merge a ticket into another of the same problem, undo it, and split a message off into a ticket of its own (M11).

A merge is a pointer: no message moves and nothing is written again. The merged ticket keeps its status; its clock
stands still. What is written to its number since lands in the other (`TicketQuerySet.lock_survivor`).
"""

from datetime import timedelta

from django.conf import settings
from django.db import IntegrityError, transaction

from accounts.models import User
from factureya.core import audit, locking, numbers
from factureya.core.clock import now
from factureya.core.mail import own_links
from factureya.core.refusals import WrongStatus
from tickets import notifications, policy
from tickets.merging.family import list_read_pks
from tickets.models import NUMBER_PREFIX, Message, Ticket, searchable
from tickets.operations._common import (
    OPEN,
    WAITING,
    Incomplete,
    Side,
    explain_merge,
    forget_reminder,
    format_instant,
    locked,
    save_ticket,
    set_reply_due,
    stop_waiting,
)

MAX_NUMBER_TRIES = 5
_OTHER_DESK = "Solo se combinan tickets de su propio prestador."


def merge_ticket(pk: int, *, agent: User, into_pk: int) -> Ticket:
    """Merge the ticket `pk` into `into_pk`, which takes its messages from now on; return the latter (M11).

    If we owe the customer a reply in the merged ticket, the other goes to Abierto, because its clock must not run
    against him. Raises WrongStatus unless both are of one company and one provider, neither Cerrado nor merged, seen by
    the requesters of both, and no charge of the merged one is undecided; NotAllowed for another desk's agent.
    """
    with transaction.atomic():
        ticket, survivor = _lock_both(pk, into_pk)
        policy.require(policy.may_work(agent, ticket) and policy.may_work(agent, survivor), _OTHER_DESK)
        _check_merge(ticket, survivor)
        forget_reminder(ticket)
        ticket.merged_into, ticket.merged_at = survivor, now()
        ticket.touched_at = ticket.merged_at
        ticket.save(update_fields=["merged_into", "merged_at", "touched_at", "reminder"])
        event = audit.record("ticket.merged", ticket, actor=agent, into=survivor.number)
        _take_over_reply(survivor, ticket, agent)
        notifications.announce_merge(ticket, event, survivor)
    return survivor


def undo_merge(pk: int, *, agent: User) -> Ticket:
    """Clear a merged ticket's pointer and return the ticket, which goes on in the status that it had (M11).

    Its clock goes on where it stood: `closes_at` moves by the time that it was merged, and a new reminder is sent.
    What was written to its number meanwhile stays in the other. Raises WrongStatus if it is not merged, or was for
    more than MERGE_UNDO_DAYS; NotAllowed for another desk's agent.
    """
    with transaction.atomic():
        into_pk = Ticket.objects.values_list("merged_into_id", flat=True).get(pk=pk)
        ticket, survivor = _lock_both(pk, into_pk or pk)
        policy.require(policy.may_work(agent, ticket) and policy.may_work(agent, survivor), _OTHER_DESK)
        if ticket.merged_into_id != survivor.pk or ticket.merged_at is None:
            raise WrongStatus(f"{ticket} ya no está combinado con otro.")
        if not may_undo(ticket):
            raise WrongStatus(
                f"Pasaron más de {settings.MERGE_UNDO_DAYS} días: {ticket} ya no se separa de {survivor}."
            )
        if ticket.closes_at is not None:
            ticket.closes_at += now() - ticket.merged_at
            ticket.queue_at = ticket.closes_at
        ticket.merged_into = ticket.merged_at = None
        ticket.touched_at = now()
        closes_at = format_instant(ticket.closes_at)
        event = audit.record("ticket.unmerged", ticket, actor=agent, left=survivor.number, closes_at=closes_at)
        ticket.save(update_fields=["merged_into", "merged_at", "closes_at", "queue_at", "touched_at"])
        audit.record("ticket.gave_back", survivor, actor=agent, ticket=ticket.number)
        notifications.announce_undone_merge(ticket, event, survivor)
    return ticket


def split_message(pk: int, *, agent: User, message_pk: int, subject: str) -> Ticket:
    """Open a ticket for a message of the customer that is about another problem, and return it (M11).

    It is a message of the ticket, or of one that is merged into it. The message is read in the new ticket since, and
    stays stored where it was written. The new ticket has the company, requester, provider, category and impact of the
    ticket where it was written. Raises WrongStatus for a message of ours, for one that opened a ticket, and for one
    that was split off before; Incomplete without a subject or for a long one.
    """
    source_pk = Message.objects.filter(pk=message_pk).values_list("ticket_id", flat=True).first()
    with transaction.atomic():
        _ticket, source = _lock_both(pk, source_pk or pk)
        with locked(pk, OPEN, WAITING) as ticket:
            policy.require(policy.may_work(agent, ticket), "Este ticket no es de su prestador.")
            message = source.messages.select_related("split_ticket").filter(pk=message_pk).first()
            message = _check_split(ticket, source, message)
            split = _insert_split(source, message, _clean_subject(subject))
            event = audit.record_first("ticket.split_off", split, actor=agent, source=source.number, place=message.seq)
            told = {"source": source.number, "place": message.seq, "into": split.number}
            for each in dict.fromkeys((source, ticket)):  # where it was written, and where it was read until now
                audit.record("ticket.message_split", each, actor=agent, **told)
            notifications.announce_split(split, event, source)
    return split


def may_undo(ticket: Ticket) -> bool:
    """Return whether the ticket is merged, and not too long ago to undo it."""
    return ticket.merged_at is not None and now() - ticket.merged_at <= timedelta(days=settings.MERGE_UNDO_DAYS)


def _lock_both(pk: int, other_pk: int) -> tuple[Ticket, Ticket]:
    """Lock two tickets in the order of their keys, so that two merges never wait for each other; return both."""
    tickets = Ticket.objects.select_related("customer", "requester__contact", "assignee")
    found = {each: locking.lock(tickets, each) for each in sorted({pk, other_pk})}
    return found[pk], found[other_pk]


def _check_merge(ticket: Ticket, survivor: Ticket) -> None:
    """Raise WrongStatus when the ticket cannot be merged into `survivor`."""
    if ticket.pk == survivor.pk:
        raise WrongStatus("Un ticket no se combina consigo mismo; elija otro.")
    for each in (ticket, survivor):
        _check_is_alive(each)
    if ticket.charges.undecided().exists():  # it is decided where it was proposed, or not at all (M18)
        raise WrongStatus(f"{ticket} tiene un cobro por decidir: espere la decisión, o retírelo antes.")
    if ticket.customer_id != survivor.customer_id:
        raise WrongStatus("Los dos tickets son de empresas distintas; solo se combinan los de una misma.")
    if ticket.provider_id != survivor.provider_id:
        raise WrongStatus("Los dos tickets los atienden prestadores distintos; túrnelos antes al mismo.")
    for reader, other in ((ticket.requester, survivor), (survivor.requester, ticket)):
        if reader.is_active and not policy.may_write_as_customer(reader, other):
            raise WrongStatus(f"{reader.get_full_name()} solo ve sus propios tickets y no vería {other}.")


def _check_is_alive(ticket: Ticket) -> None:
    """Raise WrongStatus when the ticket is Cerrado, or merged into another."""
    if ticket.is_merged:
        raise explain_merge(ticket)
    if ticket.is_closed:
        raise WrongStatus(f"{ticket} está Cerrado; un ticket cerrado no se combina.")


def _take_over_reply(survivor: Ticket, ticket: Ticket, agent: User) -> None:
    """Record that `survivor` took in the ticket. If we owe a reply there, it is due here, and this one is Abierto."""
    before = survivor.status
    if ticket.reply_due_at is not None:
        if survivor.status == WAITING:
            stop_waiting(survivor)
        if survivor.reply_due_at is None or ticket.reply_due_at < survivor.reply_due_at:
            survivor.reply_due_at, survivor.customer_waits_since = ticket.reply_due_at, ticket.customer_waits_since
            survivor.queue_at = survivor.reply_due_at
        survivor.customer_replied = survivor.first_replied_at is not None
    survivor.touched_at = now()
    save_ticket(survivor)
    audit.record("ticket.took_in", survivor, actor=agent, ticket=ticket.number, before=before, after=survivor.status)


def _check_split(ticket: Ticket, source: Ticket, message: Message | None) -> Message:
    """Return the message of the ticket `source` when it can be split off the page of `ticket`, else raise WrongStatus.

    None is a message that `source` does not have; it must be the ticket itself, or merged into it.
    """
    if message is None or message.side != Side.CUSTOMER or source.pk not in list_read_pks(ticket):
        raise WrongStatus("Solo se separa un mensaje del cliente de este ticket.")
    if split := getattr(message, "split_ticket", None):
        raise WrongStatus(f"Ese mensaje ya se separó en {split}.")
    if message.seq == 1 and source.split_from_id is None:
        raise WrongStatus(f"Ese mensaje es el que abrió {source}; separe otro.")
    return message


def _clean_subject(text: str) -> str:
    """Return the subject of the new ticket on one line, without links of ours.

    Raises Incomplete for none, and for a long one.
    """
    subject = " ".join(own_links.cut_links(text).split())
    if not subject:
        raise Incomplete("Escriba el asunto del ticket nuevo.")
    max_length = Ticket._meta.get_field("subject").max_length or 0
    if len(subject) > max_length:
        raise Incomplete(f"El asunto va en una frase de hasta {max_length} caracteres.")
    return subject


def _insert_split(source: Ticket, message: Message, subject: str) -> Ticket:
    """Insert the ticket of a split message under a free tracking number, Abierto and our turn, and return it."""
    for attempt in range(MAX_NUMBER_TRIES):
        split = _build_split(source, message, subject)
        try:
            with transaction.atomic():
                split.save(force_insert=True)
            return split
        except IntegrityError:
            is_number_taken = Ticket.objects.filter(number=split.number).exists()
            if attempt == MAX_NUMBER_TRIES - 1 or not is_number_taken:
                raise
    raise AssertionError("unreachable")  # pragma: no cover


def _build_split(source: Ticket, message: Message, subject: str) -> Ticket:
    """Return the new ticket of a split message, not saved; the customer waits for us since he wrote the message."""
    instant = now()
    split = Ticket(
        number=numbers.make_number(NUMBER_PREFIX),
        customer=source.customer,
        requester=source.requester,
        provider_id=source.provider_id,
        subject=subject,
        search_words=searchable(subject),
        category=source.category,
        team=source.team,
        impact=source.impact,
        channel=message.channel,
        split_from=message,
        status=OPEN,
        opened_at=instant,
        touched_at=instant,
        queue_at=instant,
        last_excerpt=" ".join(message.body.split())[:100],
    )
    set_reply_due(split, message.created_at)
    return split
