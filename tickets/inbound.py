"""Make a mail a ticket or a message of one, or leave it in the tray, untouched (M5, M6, M12, M15, M17).

Author is whom `From` names, if our own mail server vouches for it; nobody else's word counts: not Reply-To, Sender,
Cc, names, nor headers that claim to be ours. A reference to a ticket says where the mail belongs, never who may
write there: that is `policy`, as everywhere. Mail never acts as staff.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import partial
from typing import Any

from django.conf import settings

from accounts import mail_sender
from accounts import operations as accounts
from accounts.models import User
from factureya.core.clock import now
from factureya.core.files import from_mail
from factureya.core.files.from_mail import Kept
from factureya.core.mail.intake import Outcome, Plan
from factureya.core.mail.parse import InboundMail, MailFile
from factureya.core.models import InboundMessage
from tickets import bounces, operations, policy, threads
from tickets.models import Ticket

Disposition = InboundMessage.Disposition
MAX_SUBJECT = 120
NO_TEXT = "(El correo no traía texto.)"
REFUSED_FILES = "Archivos del correo que no se pudieron agregar:"
NO_SUBJECT = "Correo sin asunto"
SAME_SUBJECT_FOR = timedelta(days=3)  # M11


class Reason(StrEnum):
    """Name how the ticket of a mail was found, or why none was; part of the interface (`receive_email --json`)."""

    AMBIGUOUS = "ambiguous"  # several companies registered the address, and the mail names no ticket
    REFERENCE = "reference"
    NUMBER = "number"
    SUBJECT = "subject"
    FOLLOW_UP = "follow-up"
    VOID = "void"


@dataclass(frozen=True)
class ProvenMail:
    """Hold a mail of a proven sender: the contacts whose word it may be, and its files after they were stored."""

    inbound: InboundMessage
    mail: InboundMail
    senders: list[User]
    kept: Kept

    @property
    def subject(self) -> str:
        """Return the mail's subject as one line that fits a ticket's."""
        return shorten_subject(self.mail.subject)

    def build_message(self, author: User) -> dict[str, Any]:
        """Return the mail as arguments of the operation that adds it to a ticket, as a message of `author`."""
        body = join_mail_text(self.mail.new_text, self.mail.text, self.kept)
        channel = Ticket.Channel.MAIL
        return {"author": author, "body": body, "files": self.kept.files, "channel": channel, "inbound": self.inbound}

    @property
    def category(self) -> str:
        """Return the category of the new ticket: *Solicitudes* if the mail went to mesadecontrol@, else *Otro tema*."""
        addresses = {address.lower() for address in [*self.inbound.recipients, *self.mail.recipients]}
        is_request = settings.CONTROL_DESK_EMAIL in addresses
        return Ticket.Category.REQUESTS if is_request else Ticket.Category.OTHER


def receive(inbound: InboundMessage, mail: InboundMail) -> Plan:
    """Return the function that will write a received mail to a ticket, refuse it, or only record it.

    We ask in this order: is it the report that a mail of ours was not delivered (a bounce), is the sender forged
    (DMARC), is it another bounce, did a machine send it, has it no one sender, may its sender not write? If nothing
    holds, it is a contact's mail. Only its files are stored now. `core` calls the function later, in a transaction.
    """
    inbound.sender = mail.sender
    if mail.bounce is not None and (sent := bounces.find_original(mail.bounce)):
        return partial(bounces.settle_bounce, inbound, mail.bounce, sent)  # `sent`: our mail that came back
    sender = mail_sender.judge_sender(mail)
    if sender.refusal == mail_sender.Refusal.DMARC:
        return partial(bounces.refuse_sender, inbound, mail, sender.refusal)
    if mail.bounce is not None:
        return lambda: Outcome(Disposition.BOUNCE, "no-original")  # we do not know which mail came back
    if mail.robot:
        return partial(_record_robot, inbound, mail, sender.people)
    if sender.refusal is not None and not mail.sender:
        return partial(Outcome, Disposition.MALFORMED, sender.refusal)
    if sender.refusal is not None:
        return partial(bounces.refuse_sender, inbound, mail, sender.refusal)
    return partial(_write_to_ticket, ProvenMail(inbound, mail, sender.people, store_files(inbound, mail.files)))


def store_files(inbound: InboundMessage, files: Sequence[MailFile]) -> Kept:
    """Store a mail's files; a message of a ticket takes them later. Return the accepted files, and the refusals."""
    draft = f"mail:{inbound.pk}:{secrets.token_hex(16)}"
    return from_mail.store_files(files, draft=draft) if files else Kept()


def shorten_subject(subject: str) -> str:
    """Return a mail's subject as one line that fits a ticket's; the whole subject stays in the stored mail."""
    line = " ".join(subject.split())
    return line if len(line) <= MAX_SUBJECT else f"{line[: MAX_SUBJECT - 1]}…"


def join_mail_text(own_words: str, text: str, kept: Kept) -> str:
    """Return the text that a mail adds to a ticket; at its end stand the files that were refused, with the reasons.

    The text is what the sender wrote himself (`own_words`). If that is empty it is the whole `text` with its quotes,
    else the names of the files, else a sentence that the mail had no text.
    """
    words = own_words.strip() or text.strip()
    if not words and kept.files:
        words = "Adjunto: " + ", ".join(file.name for file in kept.files)
    parts = [words or NO_TEXT]
    if kept.refusals:
        parts.append("\n".join([REFUSED_FILES, *(f"- {line}" for line in kept.refusals)]))
    return "\n\n".join(parts)


def _record_robot(inbound: InboundMessage, mail: InboundMail, senders: list[User]) -> Outcome:
    """Return how to store a machine's mail. If it belongs to a ticket of its sender, record it there too (M6)."""
    referred = threads.find_numbers(_read_ids(mail), _read_recipients(inbound, mail))
    ticket_and_sender = _find_by_numbers(referred, senders)
    if ticket_and_sender is None:
        return Outcome(Disposition.AUTO, mail.robot[:40])
    ticket, _sender = ticket_and_sender
    ticket = operations.robot_answered(ticket.pk, inbound=inbound, mark=mail.robot)
    return Outcome(Disposition.AUTO, mail.robot[:40], ticket.chain)


def _write_to_ticket(proven: ProvenMail) -> Outcome:
    """Add the mail of a proven sender to its ticket, or open a ticket, and return how to store the mail.

    A mail without a ticket is refused if contacts of several companies have its address: we cannot know for which of
    them to open one. An address noted as failing is noted as good again, because this mail shows that it works.
    """
    if target := _find_target(proven):
        ticket, author, how = target
        outcome = _continue_ticket(ticket, author, how, proven)
    elif len({person.contact.customer_id for person in proven.senders}) > 1:
        return bounces.refuse_sender(proven.inbound, proven.mail, Reason.AMBIGUOUS)
    else:
        author = proven.senders[0]
        outcome = _open_ticket(author, proven)
    if author.mail_bounced_at is not None and author.email == proven.mail.sender:
        accounts.unflag_address(author.pk)
    return outcome


def _find_target(proven: ProvenMail) -> tuple[Ticket, User, Reason] | None:
    """Return the ticket of a mail, the person who writes in it, and how it was found; None if there is no ticket.

    First we look for an id or address of ours in the mail's headers, then for a ticket's number in its subject, then
    for a recent ticket with the same subject. The person is the first with the mail's address who may write there.
    """
    referred = threads.find_numbers(_read_ids(proven.mail), _read_recipients(proven.inbound, proven.mail))
    if ticket_and_person := _find_by_numbers(referred, proven.senders):
        return *ticket_and_person, Reason.REFERENCE
    if ticket_and_person := _find_by_numbers(threads.read_subject_numbers(proven.mail.subject), proven.senders):
        return *ticket_and_person, Reason.NUMBER
    if ticket_and_person := _find_by_subject(proven):
        return *ticket_and_person, Reason.SUBJECT
    return None


def _find_by_numbers(numbers: list[str], senders: list[User]) -> tuple[Ticket, User] | None:
    """Return the first ticket with one of these numbers that a sender may write in, and that sender; or None.

    The number of a merged ticket leads to the one that takes its messages, if he may write there too (M11).
    """
    if not numbers or not senders:
        return None
    named = Ticket.objects.filter(number__in=numbers).only("number", "customer", "requester", "merged_into")
    tickets = {ticket.number: ticket for ticket in named}
    for ticket in (tickets[number] for number in numbers if number in tickets):  # in the order of `numbers`
        survivor = ticket.find_survivor()
        for person in senders:
            if policy.may_write_as_customer(person, ticket) and policy.may_write_as_customer(person, survivor):
                return survivor, person
    return None


def _find_by_subject(proven: ProvenMail) -> tuple[Ticket, User] | None:
    """Return the sender's last ticket with the mail's subject, if under 3 days old and not Cerrado; or None (M11)."""
    subject = threads.normalise_subject(proven.subject)
    if not subject:
        return None
    recent = Ticket.objects.filter(requester__in=proven.senders, opened_at__gt=now() - SAME_SUBJECT_FOR)
    latest = recent.exclude(status=Ticket.Status.CLOSED).order_by("-pk").values_list("number", "subject")[:50]
    alike = [number for number, other in latest if threads.normalise_subject(other) == subject]
    found = _find_by_numbers(alike, proven.senders)
    return None if found and found[0].is_closed else found  # [0] is the ticket; a merged one may lead to a closed


def _continue_ticket(ticket: Ticket, author: User, how: Reason, proven: ProvenMail) -> Outcome:
    """Add a mail to its ticket, or to the ticket that continues it, and return how to store the mail.

    If the ticket was closed for lack of a reply, but this mail had come before, the close is undone and the mail is
    added. A mail to any other closed ticket goes to the open ticket that continues it, or opens such a ticket.
    `how` says how the ticket was found. It is locked first, so that the task that closes tickets waits for us.
    """
    ticket = Ticket.objects.only("status", "closed_reason", "closed_at", "merged_into").lock_survivor(ticket.pk)
    disposition = Disposition.REPLY
    message = proven.build_message(author)
    if not ticket.is_closed:
        ticket = operations.add_information(ticket.pk, **message)
    elif _came_in_time(proven.inbound, ticket):
        how = Reason.VOID
        operations.void_silence_close(ticket.pk, inbound=proven.inbound)
        ticket = operations.add_information(ticket.pk, **message)
    elif continued := _find_open_follow_up(ticket, author):
        ticket = operations.add_information(continued.pk, **message)
    else:
        how, disposition = Reason.FOLLOW_UP, Disposition.NEW
        ticket = operations.follow_up(ticket.pk, **message)
    return Outcome(disposition, how, ticket.chain, proven.kept.accepted)


def _find_open_follow_up(closed: Ticket, author: User) -> Ticket | None:
    """Lock and return the author's newest open ticket that continues the ticket `closed`; or None (M11, M12).

    A merged one leads to the ticket that takes its messages.
    """
    following = Ticket.objects.filter(follows=closed, requester=author)
    newest = following.exclude(status=Ticket.Status.CLOSED).order_by("-pk").only("pk").first()
    if newest is None:
        return None
    ticket = Ticket.objects.only("status", "merged_into").lock_survivor(newest.pk)
    return None if ticket.is_closed else ticket


def _came_in_time(inbound: InboundMessage, ticket: Ticket) -> bool:
    """Return whether the ticket was closed for lack of a reply although this mail had been received by then (M15)."""
    unanswered = ticket.closed_reason == Ticket.ClosedReason.UNANSWERED
    return unanswered and ticket.closed_at is not None and inbound.received_at <= ticket.closed_at


def _open_ticket(author: User, proven: ProvenMail) -> Outcome:
    """Open a ticket from a mail; return how to store it. A mail names no impact, so it gets the middle one (M10)."""
    ticket = operations.open_ticket(
        customer=author.contact.customer,
        subject=proven.subject or NO_SUBJECT,
        category=proven.category,
        impact=Ticket.Impact.DIFFICULT,
        **proven.build_message(author),
    )
    return Outcome(Disposition.NEW, "", ticket.chain, proven.kept.accepted)


def _read_ids(mail: InboundMail) -> list[str]:
    """Return the Message-IDs that the mail refers to, and its own."""
    return [*mail.references, mail.message_id]


def _read_recipients(inbound: InboundMessage, mail: InboundMail) -> list[str]:
    """Return the addresses the mail came in at, and those it names."""
    return [*inbound.recipients, *mail.recipients]
