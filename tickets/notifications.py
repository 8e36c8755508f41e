"""Send the mails about tickets, one function and one template per verb, rendered in the operation's transaction.

A `Note` cannot be passed here: the types accept public messages only (M16). Each mail carries an id and a reply address
of its ticket, which nobody else can make (an HMAC of at least 128 bits; `tickets.threads` reads them), and its reader's
signed link (`tickets.access` reads it).
"""

import re
from base64 import b32encode
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core import signing
from django.utils.crypto import salted_hmac

from accounts import mail_sender
from accounts.models import User
from factureya.core import calendar
from factureya.core.clock import now
from factureya.core.mail import answer_limits, outbox, own_links
from factureya.core.models import Event, InboundMessage, OutboxMessage
from tickets import policy
from tickets.models import NUMBER_PREFIX, Message, Ticket

REMINDER = "tickets/reminder"
CLOSED = "tickets/closed"
NEW_MESSAGE = "tickets/new_message"
TO_AGENT = (NEW_MESSAGE,)  # every other mail goes to the customer
_ROOT = "tickets.thread"
_PLUS = "tickets.reply-to"
_PRINTABLE = re.compile(r"[!-;=?-~]{1,200}")  # what may stand between < and > in a header of ours
REPLIED = {"Auto-Submitted": "auto-replied"}  # RFC 3834: it answers one mail


def announce_ticket(ticket: Ticket, event: Event, inbound: InboundMessage | None = None) -> None:
    """Mail the customer the number of his new ticket (M10). If he wrote the mail `inbound`, this answers it (M6)."""
    _acknowledge_mail_or_form("tickets/opened", ticket, event, inbound)


def announce_follow_up(ticket: Ticket, event: Event, inbound: InboundMessage | None = None) -> None:
    """Tell the customer the number of the ticket that continues a closed one (M12)."""
    _acknowledge_mail_or_form("tickets/follow_up", ticket, event, inbound)


def announce_voided_close(ticket: Ticket, event: Event, inbound: InboundMessage) -> None:
    """Tell the customer that his mail came in time and the ticket is Abierto (M15)."""
    _acknowledge_mail_or_form("tickets/void", ticket, event, inbound)


def send_answer(ticket: Ticket, event: Event, message: Message) -> None:
    """Send our answer to the customer, with what is expected of him and until when (M14, M15)."""
    _tell_customer("tickets/answered", ticket, event, automatic=False, message=message)


def send_reminder(ticket: Ticket, event: Event) -> OutboxMessage:
    """Queue the one reminder before a ticket closes by silence, and return it (M15)."""
    return _tell_customer(REMINDER, ticket, event)


def announce_close(ticket: Ticket, event: Event) -> None:
    """Tell the customer that the ticket is closed and why (M12, M15)."""
    _tell_customer(CLOSED, ticket, event, by=event.actor_name, **event.data)


def notify_assignee(ticket: Ticket, event: Event, message: Message) -> None:
    """Mail the ticket's assignee that the customer wrote. No mail without an assignee, or if he left its desk."""
    if ticket.assignee is None or not policy.may_work(ticket.assignee, ticket):
        return
    context = {"ticket": ticket, "message": message, "url": workspace_url(ticket)}
    outbox.enqueue(
        NEW_MESSAGE, key=f"{event.hash}:assignee", to=ticket.assignee.email, about=ticket.chain, context=context
    )


def send_link(ticket: Ticket, contact: User, key: str) -> None:
    """Queue the mail with the ticket's link that a contact asked for at the look-up page; one mail per `key` (M16)."""
    context = _build_context(ticket, contact)
    outbox.enqueue("tickets/link", key=key, to=contact.email, about=ticket.chain, context=context)


def workspace_url(ticket: Ticket) -> str:
    """Return the absolute address of the agent's page of the ticket."""
    return f"{settings.SITE_URL}/admin/tickets/ticket/{ticket.pk}/change/"


def notify_unproven_sender(address: str, inbound: InboundMessage) -> None:
    """Tell an unproven sender that his mail changed no ticket. All get the same text, which quotes no mail (M5)."""
    key = f"notice:{inbound.pk}"
    outbox.enqueue("tickets/unproven", key=key, to=address, context={}, headers=REPLIED)


def warn_of_forgery(address: str, to: str, inbound: InboundMessage) -> None:
    """Send a company a warning, to its address `to`, that somebody forged a mail in the name of its `address` (M5)."""
    context = {"address": address, "support_email": settings.SUPPORT_EMAIL}
    outbox.enqueue("tickets/forged", key=f"forged:{inbound.pk}", to=to, context=context)


def make_root_id(number: str, secret: str | None = None) -> str:
    """Return the Message-ID, without brackets, to which every mail of a ticket refers, so that they form one thread.

    `secret` is a retired signing key, to recognise ids made before a key change; None is today's key.
    """
    domain = settings.SUPPORT_EMAIL.partition("@")[2]
    return f"{number.lower()}.{_sign_number(_ROOT, number, secret).hex()[:32]}@{domain}"


def make_reply_address(number: str, secret: str | None = None) -> str:
    """Return the address to which a customer's reply to a mail of the ticket goes: soporte+<number>.<token>@.

    Only we can make the token: 160 bits in lower case, because some servers change capitals. `secret` is a
    retired signing key, to recognise addresses made before a key change; None is today's key.
    """
    local, _, domain = settings.SUPPORT_EMAIL.partition("@")
    token = b32encode(_sign_number(_PLUS, number, secret)[:20]).decode().lower()
    compact = number.removeprefix(NUMBER_PREFIX).replace("-", "").lower()
    return f"{local}+{compact}.{token}@{domain}"


def build_headers(ticket: Ticket, answering: InboundMessage | None) -> dict[str, str]:
    """Return the headers that keep a ticket's mails in one thread of the customer's mail program.

    They also name the address for the customer's replies. `answering` is his last mail, or None. Its Message-ID is
    cited too, if it has only printable characters.
    """
    thread_ids = [make_root_id(ticket.number)]
    if answering is not None and _PRINTABLE.fullmatch(answering.message_id):
        thread_ids.append(answering.message_id)
    return {
        "References": " ".join(f"<{name}>" for name in thread_ids),
        "In-Reply-To": f"<{thread_ids[-1]}>",
        "Reply-To": make_reply_address(ticket.number),
    }


def make_link_token(user: User, ticket: Ticket) -> str:
    """Return the token of a contact's link to a ticket. It is valid 30 days ⚙, while his address stays (M15)."""
    salt, expires_at = own_links.TICKET.salt, int((now() + timedelta(days=settings.LINK_DAYS)).timestamp())
    mail_digest = own_links.make_digest(salt, user.email.lower())  # no address can be read from it
    return signing.dumps([user.pk, ticket.number, mail_digest, expires_at], salt=salt, compress=True)


def find_last_mail(ticket: Ticket) -> InboundMessage | None:
    """Return the last mail that became a message of the ticket, or None; only its id and its sender are read."""
    mails = InboundMessage.objects.filter(entry__ticket=ticket).order_by("-entry__seq")
    return mails.only("message_id", "sender").first()


def _acknowledge_mail_or_form(kind: str, ticket: Ticket, event: Event, inbound: InboundMessage | None) -> None:
    """Confirm to the customer, with the mail `kind`, what he did by his mail `inbound`, or by a form if that is None.

    An answer to a mail counts towards the limits of automatic answers. Beyond a limit it is not sent.
    """
    if inbound is None:
        _tell_customer(kind, ticket, event)
    elif answer_limits.may_answer(_find_recipient(ticket, inbound)[1]):  # [1]: the mail address
        _tell_customer(kind, ticket, event, inbound=inbound, headers=REPLIED)


def _tell_customer(
    kind: str,
    ticket: Ticket,
    event: Event,
    *,
    automatic: bool = True,
    inbound: InboundMessage | None = None,
    headers: dict[str, str] | None = None,
    **more: Any,
) -> OutboxMessage:
    """Queue the mail `kind` to the customer in the ticket's thread, and return it.

    `inbound` is the mail that it answers; None means the customer's last one, if he ever wrote by mail. `automatic`
    marks a mail that no person wrote. `more` is what only the template of this `kind` needs.
    """
    if inbound is None and (ticket.channel == Ticket.Channel.MAIL or ticket.message_count > 1):  # else he wrote no mail
        inbound = find_last_mail(ticket)
    contact, to = _find_recipient(ticket, inbound)
    return outbox.enqueue(
        kind,
        key=f"{event.hash}:customer",
        to=to,
        about=ticket.chain,
        context={**_build_context(ticket, contact), **more},
        automatic=automatic,
        headers={**build_headers(ticket, inbound), **(headers or {})},
    )


def _find_recipient(ticket: Ticket, inbound: InboundMessage | None) -> tuple[User | None, str]:
    """Return the person whom the ticket's mails address by name, and the mail address that they go to.

    A mail (`inbound`) from the company's registered address is answered to it, if a person with that address may write
    in the ticket. Other mails go to the ticket's reader (`_find_reader`); without one, None and the registered address.
    """
    address = ticket.customer.registered_email
    if inbound is not None and inbound.sender == address.lower():
        for person in mail_sender.find_people(address):
            if policy.may_write_as_customer(person, ticket):
                return person, address
    contact = _find_reader(ticket)
    return contact, contact.email if contact else address


def _find_reader(ticket: Ticket) -> User | None:
    """Return who reads the ticket's mails: its requester or, if he left, a colleague who may see every ticket.

    Of the colleagues a representative comes first. None when the company has nobody left.
    """
    if policy.may_write_as_customer(ticket.requester, ticket):
        return ticket.requester
    colleagues = User.objects.filter(
        is_active=True, contact__customer=ticket.customer_id, contact__own_tickets_only=False
    )
    return colleagues.order_by("-contact__role", "pk").first()


def _build_context(ticket: Ticket, contact: User | None) -> dict[str, Any]:
    """Return what every mail to the customer shows; without a `contact` it names the company and has no signed link."""
    return {
        "ticket": ticket,
        "name": contact.get_full_name() if contact else ticket.customer.legal_name,
        "url": _make_url(ticket, contact),
        "link_days": settings.LINK_DAYS if contact else None,
        "reminder_hours": settings.REMINDER_HOURS,
        "reply_days": calendar.describe_reply_time(),
    }


def _make_url(ticket: Ticket, contact: User | None) -> str:
    """Return the contact's signed link to the ticket; without a contact, the ticket's page, which asks for a login."""
    if contact is None:
        return f"{settings.SITE_URL}/tickets/{ticket.number}/"
    return own_links.make_url(own_links.TICKET, make_link_token(contact, ticket))


def _sign_number(salt: str, number: str, secret: str | None) -> bytes:
    """Return the HMAC that proves that we made an id or an address of this ticket; `secret` None is today's key."""
    return salted_hmac(salt, number, secret=secret, algorithm="sha256").digest()
