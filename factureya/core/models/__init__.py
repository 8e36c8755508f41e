"""Hold the facts that every app leaves: events, outgoing and incoming mail, files, invoices, holidays, heartbeats."""

from factureya.core.models.calendar import AttentionWeek, CalendarChange, CalendarMove, Heartbeat, Holiday
from factureya.core.models.events import Anchor, Chained, ChainHead, Event, UnwrittenAnchor
from factureya.core.models.files import Attachment, is_picture_type
from factureya.core.models.incoming import InboundCopy, InboundMessage, InboundOriginal, InboundReading, MailFolder
from factureya.core.models.invoices import InvoiceAttempt, InvoiceReading
from factureya.core.models.outgoing import MailQuota, OutboxMessage
from factureya.core.models.verifications import LogVerification

__all__ = [
    "Anchor",
    "Attachment",
    "AttentionWeek",
    "CalendarChange",
    "CalendarMove",
    "ChainHead",
    "Chained",
    "Event",
    "Heartbeat",
    "Holiday",
    "InboundCopy",
    "InboundMessage",
    "InboundOriginal",
    "InboundReading",
    "InvoiceAttempt",
    "InvoiceReading",
    "LogVerification",
    "MailFolder",
    "MailQuota",
    "OutboxMessage",
    "UnwrittenAnchor",
    "is_picture_type",
]
