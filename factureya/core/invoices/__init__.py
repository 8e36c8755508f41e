"""Read invoices (CFDI): `read_invoice` reads the XML in a process with limits and returns an `Invoice` (M17)."""

from factureya.core.invoices.invoice import Concept, Invoice, Kind, NotReadNow, SealVerdict, Tax, UnreadableInvoice
from factureya.core.invoices.reading import MAX_BYTES, read_invoice

__all__ = [
    "MAX_BYTES",
    "Concept",
    "Invoice",
    "Kind",
    "NotReadNow",
    "SealVerdict",
    "Tax",
    "UnreadableInvoice",
    "read_invoice",
]
