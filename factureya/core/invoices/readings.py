"""Store what the XML files that people sent say as invoices: read once, after the request, beside the file (M17)."""

import logging
from collections.abc import Iterable
from dataclasses import asdict, fields
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q

from factureya.core import clock
from factureya.core.files import types
from factureya.core.invoices.invoice import Invoice, NotReadNow, UnreadableInvoice
from factureya.core.invoices.reading import Fault, build_invoice, make_refusal, read_invoice
from factureya.core.models import Attachment, InvoiceAttempt, InvoiceReading
from factureya.core.running.waking import Waker

logger = logging.getLogger(__name__)
READ_TASK = "factureya.core.tasks.read_invoices"
MAX_READ = 200  # files of one run; the next run goes on
MAX_TRIES = 8  # of a file that the machine could not read; it is then taken for too complex
CLAIM = timedelta(minutes=2)  # longer than a reading takes; a run that died leaves its file free after it
LOST_WAIT = timedelta(hours=1)  # until a file that the store lost is looked for again
_FIRST_WAIT = timedelta(minutes=5)  # doubled with each try: the last one comes after more than ten hours
_waker = Waker(READ_TASK)
# What a card shows; the lines and the seals stay in the file.
_STORED = frozenset(field.name for field in fields(Invoice)) - {"concepts", "taxes", "seal", "sat_seal"}


def read_on_commit(attachment: Attachment) -> None:
    """Have a worker read a stored file as an invoice once the transaction is committed, if the file is an XML."""
    if attachment.content_type == types.XML.content_type:
        transaction.on_commit(_waker.wake, robust=True)


def read_pending() -> int:
    """Read the XML files that were not read yet, the newest first, no more than MAX_READ, and return how many.

    Runs at once share the files, because each claims a file before it reads it. A file that the store lost, or that
    the machine could not read now, rests until its next try, and takes no other file's place meanwhile.
    """
    unread = Attachment.objects.filter(content_type=types.XML.content_type, invoice_reading__isnull=True)
    is_due = Q(invoice_attempt__isnull=True) | Q(invoice_attempt__rests_until__lte=clock.now())
    return sum(_read_file(attachment) for attachment in unread.filter(is_due).order_by("-pk")[:MAX_READ])


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
    attempt = _claim(attachment)
    if attempt is None:
        return False
    try:
        with attachment.file.open() as file:
            content = file.read()
    except OSError as error:
        logger.warning("attachment %s was not read as an invoice: %s", attachment.pk, type(error).__name__)
        _let_rest(attempt, LOST_WAIT, tries=attempt.tries - 1)  # the reader was not tried
        return False
    try:
        if attempt.tries > MAX_TRIES:
            raise make_refusal(Fault.HEAVY)
        reading = _describe(attachment, read_invoice(content))
    except UnreadableInvoice as refusal:
        reading = InvoiceReading(attachment=attachment, problem=refusal.reason)
    except NotReadNow as error:
        logger.warning("attachment %s was not read as an invoice, try %s: %s", attachment.pk, attempt.tries, error)
        _let_rest(attempt, _FIRST_WAIT * 2 ** (attempt.tries - 1), tries=attempt.tries)
        return False
    return _store(reading)


def _claim(attachment: Attachment) -> InvoiceAttempt | None:
    """Claim a file for one try, and return it as counted; None if another run has or read it, or it was deleted."""
    at = clock.now()
    claimed = {"rests_until": at + CLAIM}
    try:
        with transaction.atomic():
            attempt, is_first = InvoiceAttempt.objects.get_or_create(
                attachment=attachment, defaults={"tries": 1, **claimed}
            )
    except IntegrityError:  # the file was deleted meanwhile
        return None
    if is_first:
        return attempt
    due = InvoiceAttempt.objects.filter(pk=attempt.pk, tries=attempt.tries, rests_until=attempt.rests_until)
    attempt.tries += 1
    is_ours = due.filter(rests_until__lte=at).update(tries=attempt.tries, **claimed) == 1
    return attempt if is_ours and not InvoiceReading.objects.filter(pk=attempt.pk).exists() else None


def _let_rest(attempt: InvoiceAttempt, wait: timedelta, *, tries: int) -> None:
    """Leave a claimed file alone for this long, with this many tries counted."""
    InvoiceAttempt.objects.filter(pk=attempt.pk).update(tries=tries, rests_until=clock.now() + wait)


def _store(reading: InvoiceReading) -> bool:
    """Store the reading of a file; return False if it has one, or was deleted meanwhile."""
    try:
        with transaction.atomic():
            reading.save(force_insert=True)
    except IntegrityError:  # another run was first, when this one took longer than CLAIM, or the file was deleted
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
