"""How a ticket begins: a new one, or one that continues a closed one (M10, M12)."""

from collections.abc import Sequence
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Subquery

from accounts.models import Contact, Customer, Provider, User
from factureya.core import audit, numbers
from factureya.core.clock import now
from factureya.core.mail import own_links
from factureya.core.models import Attachment, InboundMessage
from tickets import notifications, policy
from tickets.models import NUMBER_PREFIX, Message, Ticket, searchable
from tickets.operations import _drafts, _waiting
from tickets.operations._drafts import Draft
from tickets.operations._locking import CLOSED, OPEN, Channel, Side, locked
from tickets.operations.errors import FormUsed, Incomplete

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
) -> Ticket:
    """Open a ticket of `customer` on behalf of its contact `author`; Abierto, our turn (M10, M13, M17).

    `agent` is who wrote it down when the channel is the phone, or opened it from a mail of the tray; `inbound` is
    the mail it came in. A second call with the same `form_key` by the same
    person returns the ticket of the first. Raises policy.NotAllowed for a contact of another company, Incomplete,
    FormUsed, FilesGone.
    """
    policy.require(
        policy.may_open(author, customer),
        "Solo un contacto activo de la empresa levanta sus tickets.",
    )
    policy.require(
        agent is None or policy.may_take_calls(agent),
        "Solo un agente levanta tickets por teléfono.",
    )
    draft = Draft(author, Side.CUSTOMER, channel, body, files, form_key, inbound=inbound)
    return _open(
        draft,
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
    """Open a new ticket that cites the closed one, with its subject, category and impact (M12).

    The closed ticket does not change. Raises WrongStatus when it is not closed, policy.NotAllowed, Incomplete,
    FormUsed, FilesGone.
    """
    draft = Draft(author, Side.CUSTOMER, channel, body, files, form_key, inbound=inbound)
    with locked(pk, CLOSED) as closed:
        policy.require(policy.may_write_as_customer(author, closed), "Este ticket no es de su empresa.")
        return _open(
            draft,
            closed.customer,
            None,
            subject=closed.subject,
            category=closed.category,
            impact=closed.impact,
            follows=closed,
        )


def _open(draft: Draft, customer: Customer, agent: User | None, **fields: Any) -> Ticket:
    if not draft.files:
        draft.require_text("Describa el problema.")
    # One line: it becomes a mail's subject.
    fields["subject"] = " ".join(fields["subject"].split())
    most = Ticket._meta.get_field("subject").max_length or 0
    if len(fields["subject"]) > most:
        raise Incomplete(f"El problema va en una frase de hasta {most} caracteres.")
    for attempt in range(MAX_NUMBER_TRIES):
        number = numbers.make_number(NUMBER_PREFIX)
        try:
            return _open_as(number, draft, customer, agent, **fields)
        except IntegrityError:
            if first := _opened_before(draft, fields.get("follows")):
                return first
            if attempt == MAX_NUMBER_TRIES - 1 or not Ticket.objects.filter(number=number).exists():
                raise
    raise AssertionError("unreachable")  # pragma: no cover


@transaction.atomic
def _open_as(number: str, draft: Draft, customer: Customer, agent: User | None, **fields: Any) -> Ticket:
    """Everything, under this number. IntegrityError when it is taken (one in 3·10¹⁰), or the form's key is used."""
    follows: Ticket | None = fields.get("follows")
    provider = _provider_of_new(draft.author, customer)
    ticket = _create(draft, customer, number=number, provider_id=provider, **fields)
    message = _drafts.add_message(ticket, draft)
    event = audit.record_first(
        "ticket.followed_up" if follows else "ticket.opened",
        ticket,
        actor=agent or draft.author,
        channel=draft.channel,
        message=message.seq,
        follows=follows.number if follows else None,
        **draft.trace,
    )
    announce = notifications.followed_up if follows else notifications.opened
    announce(ticket, event, draft.inbound)
    return ticket


def _provider_of_new(author: User, customer: Customer) -> int:
    """The key of our own provider, who gets every new ticket (M3); asked with the person's place in the company.

    That is re-read and locked until the commit: whoever joins the company to another waits, and then moves this
    ticket too. Raises NotAllowed when that was done, or the account closed, since the page was asked for.
    """
    own = Provider.objects.filter(is_own=True).values("pk")
    held = Contact.objects.select_for_update(of=("self",), no_key=True)
    place = held.filter(user=author, customer=customer, user__is_active=True)
    provider = place.values_list(Subquery(own), flat=True).first()
    if provider is None:
        raise policy.NotAllowed("Su cuenta cambió mientras escribía; revise y envíelo de nuevo.")
    return int(provider)


def _create(draft: Draft, customer: Customer, **fields: Any) -> Ticket:
    """Insert an open ticket."""
    instant = now()
    ticket = Ticket(
        customer=customer,
        requester=draft.author,
        channel=draft.channel,
        status=OPEN,
        opened_at=instant,
        queue_at=instant,
        search_words=searchable(fields["subject"]),
        **fields,
    )
    _drafts.touch(ticket, draft)
    _waiting.owe_reply(ticket, instant)
    ticket.save(force_insert=True)
    return ticket


def _opened_before(draft: Draft, follows: Ticket | None) -> Ticket | None:
    """The ticket that the first submission of this form opened; None when its key is not used.

    Raises FormUsed when the key belongs to somebody else, to another text, or to a message of another kind.
    """
    if draft.form_key is None:
        return None
    first = Message.objects.select_related("ticket").filter(form_key=draft.form_key).first()
    if first is None:
        return None
    wanted = (1, draft.author.pk, draft.body, follows.pk if follows else None)
    if (first.seq, first.author_id, first.body, first.ticket.follows_id) != wanted:
        raise FormUsed
    return first.ticket
