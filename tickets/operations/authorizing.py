"""Take the customer's answer to a question for authorization: yes or no, in writing (M13, M14)."""

from django.db.models import Q

from accounts.models import User
from factureya.core import audit
from factureya.core.refusals import WrongStatus
from tickets import notifications, policy
from tickets.models import Message, Ticket
from tickets.operations._common import (
    WAITING,
    Channel,
    Incomplete,
    NewMessage,
    Side,
    WaitReason,
    locked,
    save_ticket,
    set_reply_due,
    stop_waiting,
    write_message,
)

MAX_NOTE = 300  # characters


def decide_authorization(
    pk: int, *, author: User, is_granted: bool, note: str = "", form_key: str | None = None
) -> Ticket:
    """Write that the customer authorizes, or not, what we asked; the ticket goes to Abierto, our turn (M14).

    A second send of the same form changes nothing. Raises NotAllowed, FormUsed, Incomplete for a note that is too long,
    and WrongStatus if the ticket waits for something else: a charge is decided on its own page, by who has powers.
    """
    said = f" {note.strip()}" if note.strip() else ""
    body = f"Sí, autorizo.{said}" if is_granted else f"No autorizo.{said}"
    new_message = NewMessage(author, Side.CUSTOMER, Channel.PORTAL, body, (), form_key)
    with locked(pk, WAITING, new_message=new_message) as ticket:
        policy.require(policy.may_write_as_customer(author, ticket), "Este ticket no es de su empresa.")
        if not new_message.is_repeated(ticket):
            _check_question(ticket, note)
            message = write_message(ticket, new_message)
            stop_waiting(ticket)
            set_reply_due(ticket, message.created_at)
            save_ticket(ticket)
            _record(ticket, author, message, is_granted)
    return ticket


def _check_question(ticket: Ticket, note: str) -> None:
    """Raise WrongStatus unless the ticket waits for an authorization alone; Incomplete if the note is too long."""
    if ticket.wait_reason != WaitReason.AUTHORIZATION or ticket.asks_confirmation:
        raise WrongStatus("Este ticket ya no espera una autorización: responda en él.")
    if ticket.charges.filter(Q(status="proposed") | Q(proposed_at=ticket.waiting_since)).exists():
        raise WrongStatus("Lo que se espera es la decisión sobre un cobro: véalo en su página.")
    if len(note.strip()) > MAX_NOTE:
        raise Incomplete(f"La razón es de hasta {MAX_NOTE} caracteres.")


def _record(ticket: Ticket, author: User, message: Message, is_granted: bool) -> None:
    """Record the decision, and mail it to the agent who has the ticket."""
    verb = "ticket.authorized" if is_granted else "ticket.not_authorized"
    data = {"message": message.seq, "before": WAITING, "after": ticket.status}
    event = audit.record(verb, ticket, actor=author, **data)
    notifications.notify_assignee(ticket, event, message)
