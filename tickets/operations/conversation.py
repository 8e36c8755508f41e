"""What is said in a ticket: our answer, the customer's information, internal notes (M11, M13–M16)."""

from collections.abc import Sequence
from datetime import timedelta

from django.conf import settings

from accounts.models import User
from factureya.core import audit
from factureya.core.clock import now
from factureya.core.models import Attachment, InboundMessage
from tickets import notifications, policy
from tickets.models import Message, Note, Ticket
from tickets.operations import _drafts, _waiting
from tickets.operations._drafts import Draft
from tickets.operations._locking import (
    CLOSED,
    OPEN,
    WAITING,
    Channel,
    HoldReason,
    Side,
    WaitReason,
    iso,
    locked,
    save,
)
from tickets.operations.errors import Incomplete, NewerMessage, WrongStatus


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
    Raises WrongStatus, TicketClosed, NewerMessage, Incomplete, FormUsed, FilesGone, policy.NotAllowed.
    """
    draft = Draft(agent, Side.STAFF, Channel.PORTAL, body, files, form_key)
    with locked(pk, OPEN, WAITING, draft=draft) as ticket:
        policy.require(policy.may_work(agent, ticket), "Este ticket no es de su prestador.")
        if not draft.repeats(ticket):
            draft.require_text("Escriba la respuesta al cliente.")
            _check_reason(ticket, wait_reason, proposes_solution)
            if seen is not None and seen != ticket.message_count:
                raise NewerMessage("Hay un mensaje más reciente; su respuesta no se ha enviado.")
            _answer(ticket, draft, wait_reason, proposes_solution)
    return ticket


def add_information(
    pk: int,
    *,
    author: User,
    body: str,
    files: Sequence[Attachment] = (),
    form_key: str | None = None,
    channel: str = Channel.PORTAL,
    inbound: InboundMessage | None = None,
    agent: User | None = None,
) -> Ticket:
    """Add the customer's message; the ticket goes to, or stays, Abierto and its clock stops (M11, M13).

    `inbound` is the mail it came in; `agent` is who put a mail of the tray here. After MAIL_FLIPS_PER_HOUR ⚙ turns
    by mail in an hour the message is stored, the ticket stays En espera, and its close is held for an agent (M6).
    Raises TicketClosed (call `follow_up`), Incomplete, FormUsed, FilesGone, policy.NotAllowed.
    """
    draft = Draft(author, Side.CUSTOMER, channel, body, files, form_key, inbound=inbound)
    with locked(pk, OPEN, WAITING, draft=draft) as ticket:
        policy.require(policy.may_write_as_customer(author, ticket), "Este ticket no es de su empresa.")
        if not draft.repeats(ticket):
            if not files:
                draft.require_text("Escriba la información que quiere agregar.")
            _add(ticket, draft, agent)
    return ticket


def add_note(
    pk: int,
    *,
    agent: User,
    body: str,
    files: Sequence[Attachment] = (),
    form_key: str | None = None,
) -> Ticket:
    """Write an internal note, which the customer never sees; moves neither state nor clock (M15, M16).

    Raises Incomplete, FormUsed, FilesGone, policy.NotAllowed.
    """
    draft = Draft(agent, Side.STAFF, Channel.PORTAL, body, files, form_key, model=Note)
    with locked(pk, OPEN, WAITING, CLOSED, draft=draft) as ticket:
        policy.require(policy.may_work(agent, ticket), "Este ticket no es de su prestador.")
        if not draft.repeats(ticket):
            draft.require_text("Escriba la nota.")
            note = _drafts.add_internal_note(ticket, draft)
            audit.record("ticket.note_added", ticket, actor=agent, note=note.pk)
    return ticket


def _add(ticket: Ticket, draft: Draft, agent: User | None) -> None:
    before = ticket.status
    is_held = draft.inbound is not None and before == WAITING and _flipped_enough(ticket)
    message: Message = _drafts.write(ticket, draft)
    if is_held:
        _waiting.hold(ticket, HoldReason.FLIPS)
    else:
        _waiting.stop_waiting(ticket)
    _waiting.owe_reply(ticket, message.created_at)
    save(ticket)
    event = audit.record(
        "ticket.information_held" if is_held else "ticket.information_added",
        ticket,
        actor=agent or draft.author,
        message=message.seq,
        before=before,
        after=ticket.status,
        channel=draft.channel,
        **draft.trace,
    )
    notifications.new_message(ticket, event, message)


def _flipped_enough(ticket: Ticket) -> bool:
    """Whether mails turned the ticket from En espera to Abierto as often as they may in an hour (M6).

    Asked under the ticket's lock, so that no two mails are both the last.
    """
    most: int = settings.MAIL_FLIPS_PER_HOUR
    if ticket.message_count <= most:
        return False  # each turn was a message, and so was the opening: there were not so many
    flips = ticket.events().filter(
        verb="ticket.information_added",
        at__gt=now() - timedelta(hours=1),
        data__before=WAITING,
        data__channel=Channel.MAIL,
    )
    return flips.count() >= most


def _check_reason(ticket: Ticket, wait_reason: str | None, proposes_solution: bool) -> None:
    if wait_reason is None and ticket.status == WAITING:
        raise WrongStatus("Un ticket En espera sigue En espera: indique qué se espera del cliente.")
    if wait_reason is not None and wait_reason not in WaitReason.values:
        raise Incomplete("Indique qué se espera del cliente: detalle o autorización.")
    if proposes_solution and wait_reason != WaitReason.AUTHORIZATION:
        raise Incomplete("Para pedir confirmación, la espera es por autorización.")


def _answer(ticket: Ticket, draft: Draft, wait_reason: str | None, proposes_solution: bool) -> None:
    before = ticket.status
    message = _drafts.write(ticket, draft)
    if ticket.assignee_id is None:
        ticket.assignee = draft.author
    ticket.first_replied_at = ticket.first_replied_at or message.created_at
    if wait_reason is not None:
        _waiting.start_waiting(ticket, wait_reason, message.created_at, proposes_solution)
    save(ticket)
    event = audit.record(
        "ticket.answered",
        ticket,
        actor=draft.author,
        message=message.seq,
        before=before,
        after=ticket.status,
        wait_reason=wait_reason,
        asks_confirmation=ticket.asks_confirmation,
        closes_at=iso(ticket.closes_at),
    )
    notifications.answered(ticket, event, message)
