"""Begin a ticket: a new one, or one that continues a closed one (M10, M12)."""

from collections.abc import Sequence
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Exists, Subquery

from accounts.models import Contact, Customer, Provider, User
from factureya.core import audit, numbers
from factureya.core.clock import now
from factureya.core.mail import own_links
from factureya.core.models import Attachment, InboundMessage
from factureya.core.refusals import FormUsed, NotAllowed
from tickets import notifications, policy
from tickets.catalogue.reading import find_team, select_in_use
from tickets.models import NUMBER_PREFIX, Call, Message, Ticket, searchable
from tickets.operations._common import (
    CLOSED,
    OPEN,
    Channel,
    Incomplete,
    NewMessage,
    Side,
    add_message,
    locked,
    set_reply_due,
    update_ticket_for_message,
)

MAX_NUMBER_TRIES = 5


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
    inbound: InboundMessage | None = None,
    call: Call | None = None,
) -> Ticket:
    """Open a ticket of `customer` on behalf of its contact `author`; it is Abierto, our turn (M10, M13, M17).

    `agent` is who wrote it down in the phone `call`, or opened it from a mail of the tray, `inbound`. A
    second call with the same `form_key` by the same person returns the ticket of the first. Raises NotAllowed for a
    contact of another company, Incomplete with neither text nor file, FormUsed if `form_key` came with another text.
    """
    policy.require(policy.may_open(author, customer), "Solo un contacto activo de la empresa levanta sus tickets.")
    policy.require(agent is None or policy.may_take_calls(agent), "Solo un agente levanta tickets por teléfono.")
    new_message = NewMessage(author, Side.CUSTOMER, channel, body, files, form_key, inbound=inbound, call=call)
    return _open_under_free_number(
        new_message,
        customer,
        agent,
        subject=own_links.cut_links(subject),
        category=category,
        impact=impact,
        cfdi_uuid=cfdi_uuid,
    )


def follow_up(
    pk: int,
    *,
    author: User,
    body: str,
    files: Sequence[Attachment] = (),
    form_key: str | None = None,
    channel: str = Channel.PORTAL,
    inbound: InboundMessage | None = None,
) -> Ticket:
    """Open a new ticket that continues the closed one, with its subject, category and impact (M12).

    The closed ticket does not change. Raises WrongStatus when it is not closed, NotAllowed if `author` may not
    write in it, Incomplete with neither text nor file, FormUsed if `form_key` came with another text or ticket before.
    """
    new_message = NewMessage(author, Side.CUSTOMER, channel, body, files, form_key, inbound=inbound)
    with locked(pk, CLOSED, follows_merge=True) as closed:
        policy.require(policy.may_write_as_customer(author, closed), "Este ticket no es de su empresa.")
        return _open_under_free_number(
            new_message,
            closed.customer,
            agent=None,
            subject=closed.subject,
            category=closed.category,
            impact=closed.impact,
            follows=closed,
        )


def find_incident(text: str) -> tuple[str, int, bool] | None:
    """Return the number of the ticket that a person typed, its customer's key, and whether it is not closed (M23).

    Returns None if there is no such ticket. An emergency names the ticket that makes it necessary. The number of a
    merged ticket leads to the one that takes its messages (M11).
    """
    named = Ticket.objects.find_by_number(text)
    ticket = named.find_survivor() if named else None
    return (ticket.number, ticket.customer_id, not ticket.is_closed) if ticket else None


def _open_under_free_number(new_message: NewMessage, customer: Customer, agent: User | None, **fields: Any) -> Ticket:
    """Open a ticket under a free tracking number, or return the ticket that the same form opened before.

    `fields` are the new ticket's columns. A number that is taken is replaced by another. Raises Incomplete with neither
    text nor file, or for a long subject; FormUsed if the form's key came with another person, text or kind of message.
    """
    if not new_message.files:
        new_message.require_text("Describa el problema.")
    if not find_team(fields["category"]):
        raise Incomplete("Elija sobre qué es.")
    # On one line, because it becomes a mail's subject.
    fields["subject"] = " ".join(fields["subject"].split())
    max_length = Ticket._meta.get_field("subject").max_length or 0
    if len(fields["subject"]) > max_length:
        raise Incomplete(f"El problema va en una frase de hasta {max_length} caracteres.")
    for attempt in range(MAX_NUMBER_TRIES):
        number = numbers.make_number(NUMBER_PREFIX)
        try:
            return _open_under_number(number, new_message, customer, agent, **fields)
        except IntegrityError:  # the number is taken, or the form's key is used
            if opened_before := _find_opened_before(new_message, fields.get("follows")):
                return opened_before
            if attempt == MAX_NUMBER_TRIES - 1 or not Ticket.objects.filter(number=number).exists():
                raise  # this was the last try, or the error has another cause than the number
    raise AssertionError("unreachable")  # pragma: no cover


@transaction.atomic
def _open_under_number(
    number: str, new_message: NewMessage, customer: Customer, agent: User | None, **fields: Any
) -> Ticket:
    """Write a new ticket with its first message, event and mail under this tracking number, all or nothing.

    Raises IntegrityError when the number is taken (one in 3·10¹⁰) or the form's key is used.
    """
    follows: Ticket | None = fields.get("follows")
    provider_pk, is_in_use = _lock_author_and_find_provider(new_message.author, customer, fields["category"])
    if not is_in_use and follows is None:  # one that follows keeps the category of the closed one
        raise Incomplete("Elija sobre qué es: esa categoría ya no se usa.", "category")
    ticket = _insert_ticket(new_message, customer, number=number, provider_id=provider_pk, **fields)
    message = add_message(ticket, new_message)
    event = audit.record_first(
        "ticket.followed_up" if follows else "ticket.opened",
        ticket,
        actor=agent or new_message.author,
        channel=new_message.channel,
        message=message.seq,
        follows=follows.number if follows else None,
        **new_message.trace,
    )
    announce = notifications.announce_follow_up if follows else notifications.announce_ticket
    announce(ticket, event, new_message.inbound)
    return ticket


def _lock_author_and_find_provider(author: User, customer: Customer, category: str) -> tuple[int, bool]:
    """Lock the author's membership in the company, and return the key of our own provider, who gets new tickets (M3).

    Return too whether the category is in use. Who merges the company into another waits for this lock, and then moves
    the new ticket too. Raises NotAllowed when the author is no active contact of the company any more. One query locks
    the membership and reads the rest.
    """
    own_provider = Provider.objects.filter(is_own=True).values("pk")
    contacts = Contact.objects.select_for_update(of=("self",), no_key=True)
    membership = contacts.filter(user=author, customer=customer, user__is_active=True)
    is_in_use = Exists(select_in_use().filter(slug=category))
    found = membership.values_list(Subquery(own_provider), is_in_use).first()
    if found is None or found[0] is None:
        raise NotAllowed("Su cuenta cambió mientras escribía; revise y envíelo de nuevo.")
    return int(found[0]), bool(found[1])


def _insert_ticket(new_message: NewMessage, customer: Customer, **fields: Any) -> Ticket:
    """Insert a new ticket, Abierto and with the time our reply is due; the caller then inserts its first message."""
    instant = now()
    ticket = Ticket(
        customer=customer,
        team=find_team(fields["category"]),
        requester=new_message.author,
        channel=new_message.channel,
        status=OPEN,
        opened_at=instant,
        queue_at=instant,  # sorts the agents' queue; `set_reply_due` moves it
        search_words=searchable(fields["subject"]),
        **fields,
    )
    update_ticket_for_message(ticket, new_message)  # counts that first message, and sets its excerpt
    set_reply_due(ticket, instant)
    ticket.save(force_insert=True)
    return ticket


def _find_opened_before(new_message: NewMessage, follows: Ticket | None) -> Ticket | None:
    """Return the ticket that the first post of this form opened; None when the form's one-time key is not used.

    Raises FormUsed when the key belongs to somebody else, to another text, or to another kind of message.
    """
    if new_message.form_key is None:
        return None
    first = Message.objects.select_related("ticket").filter(form_key=new_message.form_key).first()
    if first is None:
        return None
    # A ticket is opened by its message number 1.
    expected = (1, new_message.author.pk, new_message.body, follows.pk if follows else None)
    if (first.seq, first.author_id, first.body, first.ticket.follows_id) != expected:
        raise FormUsed
    return first.ticket
