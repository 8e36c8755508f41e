"""Mails that become no message: bounces of ours, and those of senders who are not proven (M5, M6)."""

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from accounts import operations as accounts
from accounts import registered_senders
from factureya.core.clock import now
from factureya.core.mail import answer_limits, outbox
from factureya.core.mail.intake import Outcome
from factureya.core.mail.parse import Bounce, InboundMail
from factureya.core.models import InboundMessage, OutboxMessage
from tickets import notifications, operations, threads
from tickets.models import Ticket, chain_of

Disposition = InboundMessage.Disposition
MAX_ADDRESS = 254


def original(bounce: Bounce) -> OutboxMessage | None:
    """The mail of ours that a bounce gives back: only its recipient's servers know its Message-ID."""
    mails = {mail.message_id: mail for mail in threads.sent(bounce.message_ids)}
    return next((mails[name] for name in bounce.message_ids if name in mails), None)


def settle(inbound: InboundMessage, bounce: Bounce, sent: OutboxMessage) -> Outcome:
    """Mark the mail «no entregado», flag the contact, hold the close of its ticket; a delay is only stored (M6)."""
    if not bounce.is_final:
        return Outcome(Disposition.BOUNCE, "delayed", sent.about)
    ticket = _lock(sent.about.removeprefix(chain_of("")))
    # Asked again here: two servers may report the same mail at the same instant.
    unmarked = OutboxMessage.objects.filter(pk=sent.pk, bounced_at__isnull=True)
    if unmarked.update(bounced_at=now()):
        if ticket and sent.kind != notifications.NEW_MESSAGE:  # that one went to an agent
            operations.mail_bounced(ticket.pk, mail=sent, inbound=inbound)
        outbox.undelivered(sent)  # first: it locks what the mail is about, and then people
        accounts.mail_bounced(sent.to, mail=sent.key)
    return Outcome(Disposition.BOUNCE, "", sent.about)


def refuse(inbound: InboundMessage, mail: InboundMail, reason: str) -> Outcome:
    """Quarantine. The sender gets the neutral notice, whatever the reason; a forged registered one is warned (M5).

    Machines and our own addresses are told nothing.
    """
    if not (mail.robot or mail.bounce or registered_senders.is_own(mail.sender)):
        _notify(mail.sender, inbound)
    if reason == "dmarc":
        _warn(mail.sender, inbound)
    return Outcome(Disposition.UNREGISTERED, reason)


def _lock(number: str) -> Ticket | None:
    """The ticket, locked before its mail, as everywhere."""
    return Ticket.objects.select_for_update().only("pk").filter(number=number).first()


def _notify(address: str, inbound: InboundMessage) -> None:
    try:
        validate_email(address)
    except ValidationError:
        return  # nothing can be sent there
    if len(address) <= MAX_ADDRESS and answer_limits.may_notify(address):
        notifications.unproven_sender(address, inbound)


def _warn(address: str, inbound: InboundMessage) -> None:
    """To the company's registered address; of a company nobody verified, to the person's own."""
    people = registered_senders.people(address)[:1] if address else []
    for person in people:
        customer = person.contact.customer
        to = customer.registered_email if customer.is_verified else person.email
        if answer_limits.may_warn(to):
            notifications.forged_sender(address, to, inbound)
