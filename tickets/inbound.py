"""A mail becomes a ticket or a message of one, or stays in the tray, untouched (M5, M6, M12, M15, M17).

Author is whom `From` names, if our own mail server vouches for it; nobody else's word counts: not Reply-To, Sender,
Cc, names, nor headers that claim to be ours. A reference to a ticket says where the mail belongs, never who may
write there: that is `policy`, as everywhere. Mail never acts as staff.
"""

import secrets
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import partial

from django.conf import settings

from accounts import mail_sender
from accounts import operations as accounts
from accounts.models import User
from factureya.core.clock import now
from factureya.core.files import from_mail
from factureya.core.files.from_mail import Kept
from factureya.core.mail.intake import Outcome, Plan
from factureya.core.mail.parse import InboundMail
from factureya.core.models import InboundMessage
from tickets import bounces, message_text, operations, policy, threads
from tickets.models import Ticket

Disposition = InboundMessage.Disposition
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
class Letter:
    """A mail of a proven sender: who may be meant by it, and what is to be written."""

    inbound: InboundMessage
    mail: InboundMail
    people: list[User]
    kept: Kept

    @property
    def subject(self) -> str:
        """One line that fits."""
        return message_text.shorten_subject(self.mail.subject)

    @property
    def body(self) -> str:
        """What stands in the ticket."""
        return message_text.join_mail_text(self.mail.new_text, self.mail.text, self.kept)

    @property
    def category(self) -> str:
        """Mail to mesadecontrol@ is a request; what else a mail is about, an agent says."""
        addresses = {address.lower() for address in [*self.inbound.recipients, *self.mail.recipients]}
        is_request = settings.CONTROL_DESK_EMAIL in addresses
        return Ticket.Category.REQUESTS if is_request else Ticket.Category.OTHER


def receive(inbound: InboundMessage, mail: InboundMail) -> Plan:
    """What is to be done with a mail; every mail that comes here is ours. Writes nothing but its files."""
    inbound.sender = mail.sender
    if mail.bounce is not None and (sent := bounces.original(mail.bounce)):
        return partial(bounces.settle, inbound, mail.bounce, sent)
    sender = mail_sender.judge(mail)
    if sender.refusal == mail_sender.Refusal.DMARC:
        return partial(bounces.refuse, inbound, mail, sender.refusal)
    if mail.bounce is not None:
        return lambda: Outcome(Disposition.BOUNCE, "no-original")
    if mail.robot:
        return partial(_note_robot, inbound, mail, sender.people)
    if sender.refusal is not None and not mail.sender:
        return partial(Outcome, Disposition.MALFORMED, sender.refusal)
    if sender.refusal is not None:
        return partial(bounces.refuse, inbound, mail, sender.refusal)
    draft = f"mail:{inbound.pk}:{secrets.token_hex(16)}"
    return partial(_write, Letter(inbound, mail, sender.people, from_mail.store(mail.files, draft=draft)))


def _note_robot(inbound: InboundMessage, mail: InboundMail, people: list[User]) -> Outcome:
    """A machine's mail is stored and, if it belongs to a ticket of its sender's, shown there; no more (M6)."""
    about = ""
    if found := _by_number(threads.by_ids(_ids(mail), _recipients(inbound, mail)), people):
        about = operations.robot_answered(found[0].pk, inbound=inbound, mark=mail.robot).chain
    return Outcome(Disposition.AUTO, mail.robot[:40], about)


def _write(letter: Letter) -> Outcome:
    """Open or continue the ticket that the mail belongs to."""
    if found := _target(letter):
        ticket, author, how = found
        outcome = _continue(ticket, author, how, letter)
    elif len({person.contact.customer_id for person in letter.people}) > 1:
        return bounces.refuse(letter.inbound, letter.mail, Reason.AMBIGUOUS)
    else:
        author = letter.people[0]
        outcome = _open(author, letter)
    if author.mail_bounced_at is not None and author.email == letter.mail.sender:
        accounts.mail_works(author.pk)
    return outcome


def _target(letter: Letter) -> tuple[Ticket, User, Reason] | None:
    """The ticket a mail belongs to, who of its senders may write there, and how it was found."""
    ids = threads.by_ids(_ids(letter.mail), _recipients(letter.inbound, letter.mail))
    if found := _by_number(ids, letter.people):
        return *found, Reason.REFERENCE
    if found := _by_number(threads.in_subject(letter.mail.subject), letter.people):
        return *found, Reason.NUMBER
    if found := _by_subject(letter):
        return *found, Reason.SUBJECT
    return None


def _by_number(numbers: list[str], people: list[User]) -> tuple[Ticket, User] | None:
    """The first of these tickets in which one of these people may write."""
    if not numbers or not people:
        return None
    asked = Ticket.objects.filter(number__in=numbers).only("number", "customer", "requester")
    tickets = {ticket.number: ticket for ticket in asked}
    for number in numbers:
        for person in people if number in tickets else ():
            if policy.may_write_as_customer(person, tickets[number]):
                return tickets[number], person
    return None


def _by_subject(letter: Letter) -> tuple[Ticket, User] | None:
    """The sender's own ticket of the last 3 days that has the same subject and is not Cerrado (M11)."""
    wanted = threads.normalised(letter.subject)
    if not wanted:
        return None
    recent = Ticket.objects.filter(requester__in=letter.people, opened_at__gt=now() - SAME_SUBJECT_FOR).exclude(
        status=Ticket.Status.CLOSED
    )
    subjects = recent.order_by("-pk").values_list("number", "subject")[:50]
    alike = [number for number, subject in subjects if threads.normalised(subject) == wanted]
    return _by_number(alike, letter.people)


def _continue(ticket: Ticket, author: User, how: Reason, letter: Letter) -> Outcome:
    """Add the words; a close by silence that they came in time for is voided; else a closed ticket is continued.

    The lock comes first, so that a sweep which closes at this instant is either before us or sees our message.
    """
    locked = Ticket.objects.select_for_update().only("status", "closed_reason", "closed_at")
    ticket = locked.get(pk=ticket.pk)
    disposition = Disposition.REPLY
    said = partial(
        operations.add_information,
        author=author,
        body=letter.body,
        files=letter.kept.files,
        channel=Ticket.Channel.MAIL,
        inbound=letter.inbound,
    )
    if not ticket.is_closed:
        ticket = said(ticket.pk)
    elif _came_in_time(letter.inbound, ticket):
        how = Reason.VOID
        operations.void_silence_close(ticket.pk, inbound=letter.inbound)
        ticket = said(ticket.pk)
    elif continued := _open_follow_up(ticket, author):
        ticket = said(continued.pk)
    else:
        how, disposition = Reason.FOLLOW_UP, Disposition.NEW
        ticket = operations.follow_up(
            ticket.pk,
            author=author,
            body=letter.body,
            files=letter.kept.files,
            channel=Ticket.Channel.MAIL,
            inbound=letter.inbound,
        )
    return Outcome(disposition, how, ticket.chain, letter.kept.accepted)


def _open_follow_up(closed: Ticket, author: User) -> Ticket | None:
    """What continues a closed ticket already: a second mail to it is about the same thing (M11, M12)."""
    following = Ticket.objects.filter(follows=closed, requester=author)
    following = following.exclude(status=Ticket.Status.CLOSED).order_by("-pk")
    return following.select_for_update().only("pk").first()


def _came_in_time(inbound: InboundMessage, ticket: Ticket) -> bool:
    """Whether the mail had been received when silence closed the ticket (M15)."""
    unanswered = ticket.closed_reason == Ticket.ClosedReason.UNANSWERED
    return unanswered and ticket.closed_at is not None and inbound.received_at <= ticket.closed_at


def _open(author: User, letter: Letter) -> Outcome:
    """A new ticket. A mail does not say how bad it is: the middle, so that it is neither last nor first (M10)."""
    ticket = operations.open_ticket(
        author=author,
        customer=author.contact.customer,
        subject=letter.subject or NO_SUBJECT,
        body=letter.body,
        files=letter.kept.files,
        category=letter.category,
        impact=Ticket.Impact.DIFFICULT,
        channel=Ticket.Channel.MAIL,
        inbound=letter.inbound,
    )
    return Outcome(Disposition.NEW, "", ticket.chain, letter.kept.accepted)


def _ids(mail: InboundMail) -> list[str]:
    return [*mail.references, mail.message_id]


def _recipients(inbound: InboundMessage, mail: InboundMail) -> list[str]:
    return [*inbound.recipients, *mail.recipients]
