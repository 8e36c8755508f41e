"""Show an agent what the invoices (CFDI) attached to a ticket say, as cards below their files (M17)."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from accounts.models import User
from factureya.core.calendar import MONTHS
from factureya.core.invoices import Invoice, Kind, SealVerdict
from factureya.core.invoices.readings import load_invoice
from factureya.core.models import Attachment, InvoiceReading
from factureya.core.templatetags.fy import format_time
from tickets import sql
from tickets.merging import family
from tickets.models import Ticket, TicketFile, TicketQuerySet, match_folio

MAX_COUNTED = 5  # cards whose other tickets are counted, the newest; the links of the others have no number
MAX_FOUND = 200  # tickets that a search by the receiver's RFC finds
COUNT_CAP = 100
NO_CURRENCY = "XXX"  # of a CFDI without amounts
_RFC = re.compile(r"[A-ZÑ&]{3,4}[0-9]{6}[A-Z0-9]{3}")


@dataclass(frozen=True)
class Card:
    """Hold what a card shows of one file: an invoice, or why the file was not read as one (`problem`)."""

    file_name: str
    problem: str = ""
    invoice: Invoice | None = None
    title: str = ""
    total: str = ""
    issued_at: str = ""
    issuer_is_customer: bool = False
    receiver_is_customer: bool = False
    seal: str = ""
    seal_state: str = ""
    folio_url: str = ""
    folio_count: str = ""  # of other tickets; empty if they were not counted
    receiver_url: str = ""
    receiver_count: str = ""
    is_one_of_many: bool = False  # then the card names its file


def build_cards(ticket: Ticket, files: Iterable[Attachment], reader: User) -> dict[int, Card]:
    """Return the cards of a ticket's files that were read as invoices, by the key of the file; one query at most.

    The files were loaded with their `invoice_reading`. The newest cards say how many other tickets that this person may
    see have the same folio or receiver; those that are merged into this one are not other ones (M11).
    """
    readings = {file.pk: reading for file in files if (reading := _find_reading(file))}
    cards = {pk: _build_card(reading, ticket) for pk, reading in readings.items()}
    counted = [pk for pk in sorted(cards) if cards[pk].invoice][-MAX_COUNTED:]
    others = Ticket.objects.visible_to(reader).exclude(pk__in=family.list_read_pks(ticket))
    questions: dict[str, sql.Question] = {}
    for pk in counted:
        questions |= _ask_counts(readings[pk], others, reader)
    counts = sql.ask_all(questions) if questions else {}
    for pk in counted:
        folio, receiver = (counts.get(f"{name}-{pk}") for name in ("folio", "receiver"))
        cards[pk] = replace(cards[pk], folio_count=_show(folio), receiver_count=_show(receiver))
    return cards


def find_receiver_tickets(text: str, reader: User) -> Sequence[int]:
    """Return the keys of the tickets with an invoice to this RFC that the person may read; one query for an RFC.

    A text that is no RFC finds none, without a query.
    """
    rfc = text.strip().upper()
    if not _RFC.fullmatch(rfc):
        return ()
    files = TicketFile.objects.visible_to(reader).filter(attachment__invoice_reading__receiver_rfc=rfc)
    return list(files.list_reading_pks()[:MAX_FOUND])


def format_money(amount: Decimal | None, currency: str) -> str:
    """Return an amount as «$4,872.00 MXN», with two decimals or as many as it has; «—» if there is none."""
    if amount is None:
        return "—"
    exponent = amount.as_tuple().exponent
    decimals = max(2, -exponent if isinstance(exponent, int) else 2)
    return f"${amount:,.{decimals}f}" + ("" if currency == NO_CURRENCY else f" {currency}")


def format_issued(instant: datetime | None) -> str:
    """Return the date of an invoice as «23 nov 2026, 17:02»: the hour of the place where it was issued."""
    return f"{instant.day} {MONTHS[instant.month - 1]} {instant.year}, {format_time(instant)}" if instant else "—"


def _find_reading(file: Attachment) -> InvoiceReading | None:
    """Return what a file was read as, loaded with it; None if it was not read, as most files are no XML."""
    reading: InvoiceReading | None = getattr(file, "invoice_reading", None)
    return reading


def _build_card(reading: InvoiceReading, ticket: Ticket) -> Card:
    """Return the card of a reading, without the counts of other tickets."""
    name, invoice = reading.attachment.name, load_invoice(reading)
    if invoice is None:
        return Card(name, problem=reading.problem)
    is_stamped = invoice.is_stamped
    return Card(
        name,
        invoice=invoice,
        title=_write_title(invoice),
        total=format_money(invoice.total, invoice.currency),
        issued_at=format_issued(invoice.issued_at),
        issuer_is_customer=invoice.issuer_rfc == ticket.customer.rfc,
        receiver_is_customer=invoice.receiver_rfc == ticket.customer.rfc,
        seal=str(SealVerdict(invoice.seal_verdict).label) if is_stamped else "",
        seal_state={SealVerdict.VALID.value: "ok", SealVerdict.INVALID.value: "bad"}.get(invoice.seal_verdict, ""),
        folio_url=_search_url(invoice.uuid) if is_stamped else "",
        receiver_url=_search_url(invoice.receiver_rfc) if _RFC.fullmatch(invoice.receiver_rfc) else "",
    )


def _write_title(invoice: Invoice) -> str:
    """Return «CFDI 4.0 · Ingreso», or «Retenciones 2.0»."""
    if invoice.kind == Kind.WITHHOLDING:
        return f"Retenciones {invoice.version}"
    return f"CFDI {invoice.version} · {invoice.kind_label}"


def _search_url(text: str) -> str:
    """Return the address of the queue's search for this text."""
    return f"{reverse('admin:tickets_ticket_changelist')}?{urlencode({'q': text})}"


def _ask_counts(reading: InvoiceReading, others: TicketQuerySet, reader: User) -> dict[str, sql.Question]:
    """Return the questions of a card: how many other tickets have its folio, and how many its receiver."""
    questions = {}
    if reading.uuid:
        same_folio = others.filter(match_folio(reading.uuid, reader))
        questions[f"folio-{reading.pk}"] = sql.capped_count(same_folio, COUNT_CAP)
    if _RFC.fullmatch(reading.receiver_rfc):
        files = TicketFile.objects.visible_to(reader).filter(
            attachment__invoice_reading__receiver_rfc=reading.receiver_rfc
        )
        same_receiver = others.filter(pk__in=files.list_reading_pks().order_by())
        questions[f"receiver-{reading.pk}"] = sql.capped_count(same_receiver, COUNT_CAP)
    return questions


def _show(count: Any) -> str:
    """Return a count as text, no further than «99+»; empty if nothing was counted."""
    return "" if count is None else sql.show_count(count, COUNT_CAP)
