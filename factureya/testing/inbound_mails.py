"""Mails on their whole way: kept, read, handled. The verdict of our mail server is written by hand."""

from datetime import datetime
from typing import Any

from django.conf import settings

from accounts.models import User
from factureya.core.mail import intake
from factureya.core.mail.intake import Outcome
from factureya.core.models import InboundMessage, OutboxMessage
from factureya.testing.mails import mail, multipart
from factureya.testing.people import make_contact, make_customer, own_provider
from tickets.models import Ticket
from tickets.notifications import TO_AGENT

AUTHSERV = "mx.factureya.com"
ANA = "ana@ejemplo.mx"


def make_ana(**company: Any) -> User:
    """Make Ana, the representative of a verified company, with a registered mail of her own."""
    own_provider()
    return make_contact(make_customer(**company), representative=True, email=ANA, full_name="Ana Robles")


def passed(domain: str = "ejemplo.mx", result: str = "pass") -> str:
    """Return what our mail server writes about a sender of the domain."""
    return f"{AUTHSERV}; dmarc={result} (p=none) header.from={domain}"


def proven(body: str | bytes = "No puedo timbrar", **headers: Any) -> bytes:
    """Return a mail that our mail server vouches for."""
    sender = str(headers.get("From", ANA))
    domain = sender.strip("<> ").rpartition("@")[2]
    return mail(body, **{"From": ANA, "Message-ID": None, "Authentication-Results": passed(domain)} | headers)


def deliver(raw: bytes, *, received_at: datetime | None = None, to: tuple[str, ...] = ()) -> Outcome:
    """Keep a mail and handle it, as every way in does."""
    return intake.receive(raw, source="pipe", received_at=received_at, recipients=to)


def became(outcome: Outcome) -> Ticket:
    """Return the ticket that a mail opened or joined."""
    assert outcome.about.startswith("ticket:"), outcome
    return Ticket.objects.get(number=outcome.about.removeprefix("ticket:"))


def last_inbound() -> InboundMessage:
    """Return the mail that was kept last."""
    return InboundMessage.objects.latest("pk")


def to_customers() -> list[OutboxMessage]:
    """Return every mail that went to customers and strangers."""
    return list(OutboxMessage.objects.exclude(kind__in=TO_AGENT).order_by("pk"))


def trusted(patched: Any) -> None:
    """Let the tests' mail server be ours."""
    assert settings is not None
    patched.MAIL_TRUSTED_AUTHSERV = AUTHSERV


def bounce_of(mail: OutboxMessage, action: str = "failed", **headers: Any) -> bytes:
    """Return a delivery report about a mail of ours, as RFC 3464 has it."""
    human = b"Content-Type: text/plain\r\n\r\nUser unknown\r\n"
    status = (
        "Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.ejemplo.mx\r\n\r\n"
        f"Final-Recipient: rfc822; {mail.to}\r\nAction: {action}\r\nStatus: 5.1.1\r\n"
    )
    original = f"Content-Type: message/rfc822\r\n\r\nMessage-ID: <{mail.message_id}>\r\nSubject: x\r\n\r\nHola\r\n"
    report = {
        "From": "Mail Delivery System <MAILER-DAEMON@mx.ejemplo.mx>",
        "Return-Path": "<>",
        "Message-ID": None,
        "Content-Type": 'multipart/report; report-type="delivery-status"; boundary="limite"',
    }
    return multipart(human, status, original, **report | headers)
