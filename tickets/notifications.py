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
from accounts.models import Office, RoleAssignment, User
from factureya.core import calendar
from factureya.core.clock import now
from factureya.core.mail import answer_limits, outbox, own_links
from factureya.core.models import Event, InboundMessage, OutboxMessage
from tickets import policy
from tickets.merging import family
from tickets.models import NUMBER_PREFIX, AuthorityRequest, Message, Ticket
from tickets.providers.hiding import hide_mails

REMINDER = "tickets/reminder"
CLOSED = "tickets/closed"
NEW_MESSAGE = "tickets/new_message"
CHARGE_ANSWER = "tickets/charge_answer"
TO_AGENT = (NEW_MESSAGE, CHARGE_ANSWER)  # every other mail goes to the customer
TO_MERGED = ":merged:"  # in the key of a mail that goes to the requester of a merged ticket besides
_ID_SALT = "tickets.thread"
_ADDRESS_SALT = "tickets.reply-to"
_PRINTABLE = re.compile(r"[!-;=?-~]{1,200}")  # what may stand between < and > in a header of ours
AUTO_REPLY_HEADERS = {"Auto-Submitted": "auto-replied"}  # RFC 3834: it answers one mail


def announce_ticket(ticket: Ticket, event: Event, inbound: InboundMessage | None = None) -> None:
    """Mail the customer the number of his new ticket (M10). If he wrote the mail `inbound`, this answers it (M6)."""
    _acknowledge_mail_or_form("tickets/opened", ticket, event, inbound)


def announce_follow_up(ticket: Ticket, event: Event, inbound: InboundMessage | None = None) -> None:
    """Tell the customer the number of the ticket that continues a closed one (M12)."""
    _acknowledge_mail_or_form("tickets/follow_up", ticket, event, inbound)


def announce_voided_close(ticket: Ticket, event: Event, inbound: InboundMessage) -> None:
    """Tell the customer that his mail came in time and the ticket is Abierto (M15)."""
    _acknowledge_mail_or_form("tickets/void", ticket, event, inbound)


def announce_merge(ticket: Ticket, event: Event, survivor: Ticket) -> None:
    """Tell the reader of a merged ticket which ticket takes its messages; both numbers serve (M11)."""
    _tell_customer("tickets/merged", ticket, event, survivor=survivor)


def announce_undone_merge(ticket: Ticket, event: Event, survivor: Ticket) -> None:
    """Tell the reader of a ticket that it is on its own again (M11)."""
    _tell_customer("tickets/unmerged", ticket, event, survivor=survivor)


def announce_split(ticket: Ticket, event: Event, source: Ticket) -> None:
    """Tell the customer the number of the ticket that was made of one of his messages (M11)."""
    _tell_customer("tickets/split", ticket, event, source=source)


def send_answer(ticket: Ticket, event: Event, message: Message) -> None:
    """Send our answer to the customer, with what is expected of him and until when (M14, M15)."""
    _tell_customer("tickets/answered", ticket, event, automatic=False, message=message)
    _tell_merged("tickets/answered", ticket, event, automatic=False, message=message)


def send_reminder(ticket: Ticket, event: Event) -> OutboxMessage:
    """Queue the one reminder before a ticket closes by silence, and return it (M15)."""
    reminder = _tell_customer(REMINDER, ticket, event)
    _tell_merged(REMINDER, ticket, event)
    return reminder


def announce_close(ticket: Ticket, event: Event) -> None:
    """Tell the customer that the ticket is closed and why (M12, M15)."""
    more = {"by": event.actor_name, **event.data}
    _tell_customer(CLOSED, ticket, event, **more)
    _tell_merged(CLOSED, ticket, event, **more)


def find_merged_requesters(ticket: Ticket) -> list[User]:
    """Return who opened the tickets merged into this one and may write here, besides its own requester (M11)."""
    merged_pks = family.list_merged_pks(ticket.pk)
    if not merged_pks:
        return []
    requesters = Ticket.objects.filter(pk__in=merged_pks).exclude(requester=ticket.requester_id).values("requester")
    people = User.objects.select_related("contact__customer").filter(pk__in=requesters).order_by("pk")
    return [person for person in people if policy.may_write_as_customer(person, ticket)]


def notify_assignee(ticket: Ticket, event: Event, message: Message) -> None:
    """Mail the ticket's assignee that the customer wrote. Do nothing without one, or if he may not work on it now."""
    if ticket.assignee is None or not policy.may_work(ticket.assignee, ticket):
        return
    noted_by = event.actor_name if message.channel == Ticket.Channel.PHONE else ""
    company, subject, author, body = ticket.customer.legal_name, ticket.subject, message.author_name, message.body
    if not policy.may_read_mail(ticket.assignee, ticket):  # a third party's agent (M3)
        company, subject, author, body = (hide_mails(text) for text in (company, subject, author, body))
    texts = {"company": company, "subject": subject, "author": author, "body": body, "noted_by": noted_by}
    context = {"ticket": ticket, "message": message, "url": workspace_url(ticket), **texts}
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
    """Tell an unproven sender that his mail changed no ticket. The text is always the same and quotes nothing (M5)."""
    outbox.enqueue("tickets/unproven", key=f"notice:{inbound.pk}", to=address, context={}, headers=AUTO_REPLY_HEADERS)


def warn_of_forgery(address: str, to: str, inbound: InboundMessage) -> None:
    """Warn a company, by a mail to its address `to`, that somebody sent us a forged mail from its `address` (M5)."""
    context = {"address": address, "support_email": settings.SUPPORT_EMAIL}
    outbox.enqueue("tickets/forged", key=f"forged:{inbound.pk}", to=to, context=context)


def acknowledge_authority(request: AuthorityRequest, event: Event) -> None:
    """Tell the sender of an authority's request its folio, and that nothing is handed over unverified (M2)."""
    outbox.enqueue(
        "authority/received",
        key=f"{event.hash}:sender",
        to=request.email,
        about=request.chain,
        context={"request": request},
        headers=AUTO_REPLY_HEADERS,
    )


def tell_authority_arrived(request: AuthorityRequest, event: Event) -> None:
    """Tell every supervisor of today that an authority asks for information (M2)."""
    assignments = RoleAssignment.objects.in_force().filter(office=Office.SUPERVISOR)
    url = f"{settings.SITE_URL}/admin/tickets/ticket/autoridad/{request.pk}/"
    for person in User.objects.filter(is_active=True, pk__in=assignments.values("user")).order_by("pk"):
        context = {"request": request, "person": person, "url": url}
        key = f"{event.hash}:{person.pk}"
        outbox.enqueue("authority/arrived", key=key, to=person.email, about=request.chain, context=context)


def make_root_id(number: str, secret: str | None = None) -> str:
    """Return the Message-ID (without < >) to which every mail of a ticket refers, so that they form one thread.

    `secret` is the key that signs it. None is today's key; an older key serves to recognise ids made with it.
    """
    domain = settings.SUPPORT_EMAIL.partition("@")[2]
    return f"{number.lower()}.{_sign_number(_ID_SALT, number, secret).hex()[:32]}@{domain}"


def make_reply_address(number: str, secret: str | None = None) -> str:
    """Return the address to which a customer's reply to a mail of the ticket goes: soporte+<number>.<token>@.

    Only we can make the token (160 bits). It is in lower case, because some servers change capitals. `secret` is the
    key that signs it. None is today's key; an older key serves to recognise addresses made with it.
    """
    local, _, domain = settings.SUPPORT_EMAIL.partition("@")
    token = b32encode(_sign_number(_ADDRESS_SALT, number, secret)[:20]).decode().lower()
    compact = number.removeprefix(NUMBER_PREFIX).replace("-", "").lower()
    return f"{local}+{compact}.{token}@{domain}"


def build_headers(ticket: Ticket, answering: InboundMessage | None) -> dict[str, str]:
    """Return the headers that keep a ticket's mails in one thread of the customer's mail program.

    They also name the address for the customer's replies. `answering` is his mail that we answer, or None. Its
    Message-ID is cited too, unless it has characters that must not stand in a header.
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
    """Return the secret part of a contact's ticket link. It ends after 30 days or with a new mail address (M15)."""
    salt = own_links.TICKET.salt
    expires_at = int((now() + timedelta(days=settings.LINK_DAYS)).timestamp())
    mail_digest = own_links.make_digest(salt, user.email.lower())  # no address can be read from it
    return signing.dumps([user.pk, ticket.number, mail_digest, expires_at], salt=salt, compress=True)


def find_last_mail(ticket: Ticket) -> InboundMessage | None:
    """Return the last mail that became a message of the ticket, or None. Only its id and sender are loaded."""
    mails = InboundMessage.objects.filter(entry__ticket=ticket).order_by("-entry__seq")
    return mails.only("message_id", "sender").first()


def _acknowledge_mail_or_form(kind: str, ticket: Ticket, event: Event, inbound: InboundMessage | None) -> None:
    """Send the customer the mail `kind`, which confirms what he did.

    `inbound` is the mail by which he did it, or None if he used a form. Beyond a limit, mails get no answer.
    """
    if inbound is None:
        _tell_customer(kind, ticket, event)
        return
    _contact, address = _find_recipient(ticket, inbound)
    if answer_limits.may_answer(address):
        _tell_customer(kind, ticket, event, inbound=inbound, headers=AUTO_REPLY_HEADERS)


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

    `inbound` is the customer's mail that it answers; None means his last one, if he ever wrote by mail. `automatic`
    marks a mail that no person wrote. `more` is what only the template of this `kind` needs.
    """
    may_have_mails = ticket.channel == Ticket.Channel.MAIL or ticket.message_count > 1
    if inbound is None and may_have_mails:
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


def _tell_merged(kind: str, ticket: Ticket, event: Event, *, automatic: bool = True, **more: Any) -> None:
    """Queue the mail `kind` to each requester of a merged ticket too: we told him that we answer there (M11).

    Who caused the event, and who gets the customer's own mail of it, gets none.
    """
    for person in find_merged_requesters(ticket):
        key = f"{event.hash}:customer"
        if person.pk == event.actor_id or OutboxMessage.objects.filter(key=key, to__iexact=person.email).exists():
            continue
        outbox.enqueue(
            kind,
            key=f"{event.hash}{TO_MERGED}{person.pk}",
            to=person.email,
            about=ticket.chain,
            context={**_build_context(ticket, person), **more},
            automatic=automatic,
            headers=build_headers(ticket, None),
        )


def _find_recipient(ticket: Ticket, inbound: InboundMessage | None) -> tuple[User | None, str]:
    """Return the person whom a mail about the ticket addresses by name, and the mail address that it goes to.

    If the customer's mail `inbound` came from the company's registered address, ours goes there, as long as a person
    with it may write in the ticket. Else it goes to the ticket's reader; if there is none, to the registered address
    without a name (None).
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
    """Return what every mail to the customer shows. Without a contact it names the company and has no signed link."""
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
