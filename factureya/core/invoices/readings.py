"""Store what the XML files that people sent say as invoices: read once, after the request, beside the file (M17)."""

import logging
from collections.abc import Iterable
from dataclasses import asdict, fields
from typing import Any

from django.db import IntegrityError, transaction

from factureya.core.files import types
from factureya.core.invoices.invoice import Invoice, UnreadableInvoice
from factureya.core.invoices.reading import build_invoice, read_invoice
from factureya.core.models import Attachment, InvoiceReading
from factureya.core.running.waking import Waker

logger = logging.getLogger(__name__)
READ_TASK = "factureya.core.tasks.read_invoices"
MAX_READ = 200  # files of one run; the next run goes on
_waker = Waker(READ_TASK)
# What a card shows; the lines and the seals stay in the file.
_STORED = frozenset(field.name for field in fields(Invoice)) - {"concepts", "taxes", "seal", "sat_seal"}


def read_on_commit(attachment: Attachment) -> None:
    """Have a worker read a stored file as an invoice once the transaction is committed, if the file is an XML."""
    if attachment.content_type == types.XML.content_type:
        transaction.on_commit(_waker.wake, robust=True)


def read_pending() -> int:
    """Read the XML files that were not read yet, the newest first, no more than MAX_READ, and return how many.

    Two runs at once, or a run that died, do no harm: a file has one reading, and one that has none is read again. A
    file that the store lost is skipped.
    """
    unread = Attachment.objects.filter(content_type=types.XML.content_type, invoice_reading__isnull=True)
    return sum(_read_file(attachment) for attachment in unread.order_by("-pk")[:MAX_READ])


def find_folios(attachments: Iterable[Attachment]) -> list[tuple[str, str]]:
    """Return the *folios fiscales* that these files say, as far as they were read, each with the name of its file."""
    names = {file.pk: file.name for file in attachments if file.content_type == types.XML.content_type}
    if not names:
        return []
    readings = InvoiceReading.objects.filter(pk__in=names).exclude(uuid="").order_by("pk")
    found = {reading.uuid: names[reading.pk] for reading in readings}
    return list(found.items())


def load_invoice(reading: InvoiceReading) -> Invoice | None:
    """Return the invoice that a reading stored, without its lines and seals; None if the file was not read."""
    return build_invoice(reading.facts) if reading.facts else None


def _read_file(attachment: Attachment) -> bool:
    """Read a file as an invoice, and store what it says or why it was not read; return False if that was not done."""
    try:
        with attachment.file.open() as file:
            content = file.read()
    except OSError as error:
        logger.warning("attachment %s was not read as an invoice: %s", attachment.pk, type(error).__name__)
        return False
    try:
        reading = _describe(attachment, read_invoice(content))
    except UnreadableInvoice as refusal:
        reading = InvoiceReading(attachment=attachment, problem=refusal.reason)
    try:
        with transaction.atomic():
            reading.save(force_insert=True)
    except IntegrityError:  # another run was first, or the file was deleted meanwhile
        return False
    return True


def _describe(attachment: Attachment, invoice: Invoice) -> InvoiceReading:
    """Return the unsaved reading of a file that is this invoice; its amounts and times become texts for JSON."""
    facts = {name: _write_text(value) for name, value in asdict(invoice).items() if name in _STORED}
    return InvoiceReading(attachment=attachment, uuid=invoice.uuid, receiver_rfc=invoice.receiver_rfc[:40], facts=facts)


def _write_text(value: Any) -> Any:
    """Return a value of an invoice as JSON holds it."""
    if value is None or isinstance(value, bool | str | tuple):
        return value
    return value.isoformat() if hasattr(value, "isoformat") else format(value, "f")
