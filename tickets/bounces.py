"""Settle mails that become no message: bounces of ours, and those of senders who are not proven (M5, M6)."""

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from accounts import mail_sender
from accounts import operations as accounts
from factureya.core.clock import now
from factureya.core.mail import answer_limits, outbox
from factureya.core.mail.intake import Outcome
from factureya.core.mail.parse import InboundMail
from factureya.core.mail.robots import Bounce
from factureya.core.models import InboundMessage, OutboxMessage
from tickets import notifications, operations, threads
from tickets.models import Ticket, chain_of

Disposition = InboundMessage.Disposition
MAX_ADDRESS = 254


def find_original(bounce: Bounce) -> OutboxMessage | None:
    """Return our mail that a bounce reports as undelivered, by the first Message-ID in it that is ours; or None."""
    mails = {mail.message_id: mail for mail in threads.find_sent_mails(bounce.message_ids)}
    return next((mails[message_id] for message_id in bounce.message_ids if message_id in mails), None)


def settle_bounce(inbound: InboundMessage, bounce: Bounce, sent: OutboxMessage) -> Outcome:
    """Record that the mail `sent` was not delivered, and return how the bounce `inbound` is to be stored (M6).

    The mail is marked «no entregado» and its recipient's address as failing. If it went to a customer, his
    ticket En espera does not close without an answer until an agent decides. A mere delay changes nothing.
    """
    if not bounce.is_final:
        return Outcome(Disposition.BOUNCE, "delayed", sent.about)
    ticket = _lock_ticket(sent.about.removeprefix(chain_of("")))  # the number in "ticket:FY-…"
    # Asked again here: two servers may report the same mail at the same instant.
    unmarked = OutboxMessage.objects.filter(pk=sent.pk, bounced_at__isnull=True)
    if unmarked.update(bounced_at=now()):
        if ticket and sent.kind not in notifications.TO_AGENT:
            operations.mail_bounced(ticket.pk, mail=sent, inbound=inbound)
        outbox.handle_undelivered(sent)  # before the address: a transaction locks people last
        accounts.flag_bounced_address(sent.to, mail_key=sent.key)
    return Outcome(Disposition.BOUNCE, "", sent.about)


def refuse_sender(inbound: InboundMessage, mail: InboundMail, reason: str) -> Outcome:
    """Return the outcome that leaves an unproven sender's mail in quarantine for an agent; tell the sender so (M5).

    Automatic mails, bounces and our own addresses get no notice, or mails could go round and round. If DMARC failed,
    the company whose address was forged is warned.
    """
    if not (mail.robot or mail.bounce or mail_sender.is_own_address(mail.sender)):
        _notify_sender(mail.sender, inbound)
    if reason == mail_sender.Refusal.DMARC:
        _warn_company(mail.sender, inbound)
    return Outcome(Disposition.UNREGISTERED, reason)


def _lock_ticket(number: str) -> Ticket | None:
    """Lock the ticket with this number and return it, or None; everybody locks a ticket before its mails."""
    return Ticket.objects.select_for_update().only("pk").filter(number=number).first()


def _notify_sender(address: str, inbound: InboundMessage) -> None:
    """Tell an unproven sender that we did not take his mail, unless the address is bad or was told in the last day."""
    try:
        validate_email(address)
    except ValidationError:
        return  # nothing can be sent there
    if len(address) <= MAX_ADDRESS and answer_limits.may_notify(address):
        notifications.notify_unproven_sender(address, inbound)


def _warn_company(address: str, inbound: InboundMessage) -> None:
    """Warn a company that a forged mail came in the name of `address`, unless it was warned in the last day.

    The warning goes to the company's registered address, or to the contact's own if nobody verified the company. An
    address that belongs to no contact gets none.
    """
    contacts = mail_sender.find_people(address)[:1] if address else []  # one warning is enough
    for person in contacts:
        customer = person.contact.customer
        to = customer.registered_email if customer.is_verified else person.email
        if answer_limits.may_warn(to):
            notifications.warn_of_forgery(address, to, inbound)
