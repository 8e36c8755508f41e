"""Write what is said in a ticket: our answer, the customer's information, internal notes (M11, M13–M16)."""

from collections.abc import Sequence
from datetime import timedelta

from django.conf import settings

from accounts.models import User
from factureya.core import audit
from factureya.core.clock import now
from factureya.core.models import Attachment, InboundMessage
from factureya.core.refusals import Stale, WrongStatus
from tickets import notifications, policy
from tickets.calls.policy import require_speech
from tickets.catalogue.models import Scope
from tickets.catalogue.reading import find_explanation, may_take
from tickets.models import Call, Message, Note, Ticket
from tickets.operations._common import (
    CLOSED,
    OPEN,
    WAITING,
    Channel,
    HoldReason,
    Incomplete,
    NewerMessage,
    NewMessage,
    Side,
    WaitReason,
    add_internal_note,
    format_instant,
    hold_close,
    locked,
    require_customer,
    save_ticket,
    set_reply_due,
    start_waiting,
    stop_waiting,
    write_message,
)


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
    """Write a public answer to the customer (M13, M14, M15).

    With a `wait_reason` the ticket goes to En espera, or stays there, and `closes_at` starts anew. With None an Abierto
    ticket stays Abierto; one En espera needs a reason. `proposes_solution` asks for confirmation and needs the reason
    *autorización*. `seen` is the number of messages that the agent had read. An unassigned ticket becomes the agent's.
    Raises NewerMessage if there are more than `seen` by now, FormUsed if `form_key` was used before for another text or
    ticket. A second send of the same form changes nothing.
    """
    new_message = NewMessage(agent, Side.STAFF, Channel.PORTAL, body, files, form_key)
    return _send_answer(pk, new_message, seen, wait_reason, proposes_solution, "")


def answer_out_of_scope(
    pk: int,
    *,
    agent: User,
    scope: str,
    body: str = "",
    files: Sequence[Attachment] = (),
    seen: int | None = None,
    seen_explanation: int | None = None,
    form_key: str | None = None,
) -> Ticket:
    """Answer that the problem is not of our service but of the customer's internet or equipment: `scope` (M9).

    The explanation on file follows what the agent wrote, if anything. The ticket goes to En espera and asks for
    confirmation; it closes like any other. `seen_explanation` is the key of the explanation that the agent had read.
    Raises Stale if there is another by now, Incomplete if `scope` names none of the two, else as `answer` does.
    """
    if scope not in Scope.values:
        raise Incomplete("Indique qué queda fuera de alcance: internet o equipo.")
    explanation = find_explanation(scope)
    if seen_explanation is not None and seen_explanation != explanation.pk:
        raise Stale(
            "La explicación de fuera de alcance cambió. Lea la de ahora; su respuesta no se ha enviado.", "after"
        )
    text = "\n\n".join(filter(None, (body.strip(), explanation.text)))
    new_message = NewMessage(agent, Side.STAFF, Channel.PORTAL, text, files, form_key)
    return _send_answer(pk, new_message, seen, WaitReason.AUTHORIZATION, True, scope)


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
    call: Call | None = None,
) -> Ticket:
    """Add the customer's message; the ticket goes to Abierto, or stays there, and has no `closes_at` (M11, M13).

    The message to a merged ticket goes to the one that takes its messages, which is returned.
    `inbound` is the mail it came in; `agent` is who added a mail of the tray. When mails have ended the wait
    MAIL_FLIPS_PER_HOUR times in an hour, the next mail is stored, but the ticket stays En espera and does not close
    until an agent decides (M6). By phone it must be said in a verified `call` (M5). Raises TicketClosed if it is
    Cerrado: call `follow_up`.
    """
    new_message = NewMessage(author, Side.CUSTOMER, channel, body, files, form_key, inbound=inbound, call=call)
    with locked(pk, OPEN, WAITING, new_message=new_message, follows_merge=True) as ticket:
        require_customer(author, ticket, pk)
        if channel == Channel.PHONE:
            require_speech(call, author, ticket)
        if not new_message.is_repeated(ticket):
            if not files:
                new_message.require_text("Escriba la información que quiere agregar.")
            _write_information(ticket, new_message, agent)
    return ticket


def add_note(
    pk: int, *, agent: User, body: str, files: Sequence[Attachment] = (), form_key: str | None = None
) -> Ticket:
    """Write an internal note, which the customer never sees; neither status nor deadline moves (M15, M16).

    A second send of the same form changes nothing. Raises FormUsed if its key was used for another text or ticket.
    """
    new_message = NewMessage(agent, Side.STAFF, Channel.PORTAL, body, files, form_key, model=Note)
    with locked(pk, OPEN, WAITING, CLOSED, new_message=new_message) as ticket:
        policy.require(policy.may_work(agent, ticket), "Este ticket no es de su prestador.")
        if not new_message.is_repeated(ticket):
            new_message.require_text("Escriba la nota.")
            note = add_internal_note(ticket, new_message)
            audit.record("ticket.note_added", ticket, actor=agent, note=note.pk)
    return ticket


def _write_information(ticket: Ticket, new_message: NewMessage, agent: User | None) -> None:
    """Write the customer's message, move the ticket to Abierto, record the event and tell the agent who has it.

    A mail that comes after too many others leaves the ticket En espera; its close is put on hold. `agent` is who added
    a mail of the tray.
    """
    before = ticket.status
    is_held = new_message.inbound is not None and before == WAITING and _has_reopened_too_often(ticket)
    message: Message = write_message(ticket, new_message)
    if is_held:
        hold_close(ticket, HoldReason.TOO_MANY_MAILS)
    else:
        stop_waiting(ticket)
    set_reply_due(ticket, message.created_at)
    save_ticket(ticket)
    event = audit.record(
        "ticket.information_held" if is_held else "ticket.information_added",
        ticket,
        actor=agent or new_message.author,
        message=message.seq,
        before=before,
        after=ticket.status,
        channel=new_message.channel,
        **new_message.trace,
    )
    notifications.notify_assignee(ticket, event, message)


def _has_reopened_too_often(ticket: Ticket) -> bool:
    """Return whether mails took the ticket back to Abierto MAIL_FLIPS_PER_HOUR times in an hour, as in a loop (M6).

    The caller has locked the ticket, so that two mails at once are counted one after the other.
    """
    max_reopenings: int = settings.MAIL_FLIPS_PER_HOUR
    if ticket.message_count <= max_reopenings:
        return False  # no query is needed: each return to Abierto comes with a message after the first one
    reopenings = ticket.events().filter(
        verb="ticket.information_added",
        at__gt=now() - timedelta(hours=1),
        data__before=WAITING,
        data__channel=Channel.MAIL,
    )
    return reopenings.count() >= max_reopenings


def _check_reason(ticket: Ticket, wait_reason: str | None, proposes_solution: bool) -> None:
    """Raise WrongStatus or Incomplete when an answer to the customer cannot have this wait reason (None: no wait).

    A ticket En espera stays so, and needs a reason. A proposed solution waits for *autorización*.
    """
    if wait_reason is None and ticket.status == WAITING:
        raise WrongStatus("Un ticket En espera sigue En espera: indique qué se espera del cliente.")
    if wait_reason is not None and wait_reason not in WaitReason.values:
        raise Incomplete("Indique qué se espera del cliente: detalle o autorización.")
    if proposes_solution and wait_reason != WaitReason.AUTHORIZATION:
        raise Incomplete("Para pedir confirmación, la espera es por autorización.")


def _send_answer(
    pk: int, new_message: NewMessage, seen: int | None, wait_reason: str | None, proposes_solution: bool, scope: str
) -> Ticket:
    """Write our answer in the ticket `pk` once, after every check, and return the ticket; `scope` is "" for most."""
    with locked(pk, OPEN, WAITING, new_message=new_message) as ticket:
        policy.require(policy.may_work(new_message.author, ticket), "Este ticket no es de su prestador.")
        if not new_message.is_repeated(ticket):
            new_message.require_text("Escriba la respuesta al cliente.")
            _check_reason(ticket, wait_reason, proposes_solution)
            if seen is not None and seen != ticket.message_count:
                raise NewerMessage("Hay un mensaje más reciente; su respuesta no se ha enviado.")
            _write_answer(ticket, new_message, wait_reason, proposes_solution, scope)
    return ticket


def _write_answer(
    ticket: Ticket, new_message: NewMessage, wait_reason: str | None, proposes_solution: bool, scope: str
) -> None:
    """Write our answer and mail it; an unassigned ticket becomes the author's, if it is of his team (M4).

    A `wait_reason` starts the wait; `scope` is what the answer says is not our service, or "" (M9).
    """
    before = ticket.status
    message = write_message(ticket, new_message)
    if ticket.assignee_id is None and may_take(new_message.author, ticket.team):
        ticket.assignee = new_message.author
    ticket.first_replied_at = ticket.first_replied_at or message.created_at
    if wait_reason is not None:
        start_waiting(ticket, wait_reason, message.created_at, proposes_solution, scope or None)
    save_ticket(ticket)
    event = audit.record(
        "ticket.answered_out_of_scope" if scope else "ticket.answered",
        ticket,
        actor=new_message.author,
        message=message.seq,
        before=before,
        after=ticket.status,
        wait_reason=wait_reason,
        asks_confirmation=ticket.asks_confirmation,
        closes_at=format_instant(ticket.closes_at),
        **({"scope": scope} if scope else {}),
    )
    notifications.send_answer(ticket, event, message)
