"""Read an invoice's XML in a process with limits; this process never imports `satcfdi` (M17)."""

import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models import TextChoices

from factureya.core.invoices.invoice import Concept, Invoice, NotReadNow, Tax, UnreadableInvoice
from factureya.core.running.limited import Limits, NotRun, Stopped, run_limited

MAX_BYTES = 5 * 1024 * 1024  # an invoice of a thousand lines has some 500 KB
LIMITS = Limits(max_memory=400 * 1024 * 1024, processor_seconds=5, total_seconds=20)
WORKER = Path(__file__).with_name("worker") / "main.py"
_AMOUNTS = ("total", "subtotal", "discount", "quantity", "unit_price", "amount", "rate")
_INSTANTS = ("issued_at", "stamped_at")


class Fault(TextChoices):
    """Name why a file is not read as an invoice, and say it in Spanish; the worker says the name."""

    TOO_BIG = "too-big", f"Pesa más de {MAX_BYTES // 1024 // 1024} MB, más que cualquier comprobante."
    BROKEN = "broken", "No es un XML bien formado."
    DOCTYPE = "doctype", "Trae una declaración DOCTYPE, que no se lee por seguridad."
    HEAVY = "heavy", "Es demasiado complejo para leerse con seguridad."
    FOREIGN = "foreign", "Es un XML, pero no un CFDI."
    VERSION = "version", "Es un CFDI de una versión que no se lee; se leen 3.3, 4.0 y Retenciones."
    INCOMPLETE = "incomplete", "Es un CFDI al que le falta un dato obligatorio"
    VALUE = "value", "Es un CFDI con un dato que no es válido"


def read_invoice(xml: bytes) -> Invoice:
    """Return what the XML of a CFDI says. Raises UnreadableInvoice for anything else.

    The file is refused for its size at once, and else read in a process with LIMITS. Raises NotReadNow if the machine
    could not run that process to its end, which is no fault of the file.
    """
    if len(xml) > MAX_BYTES:
        raise make_refusal(Fault.TOO_BIG)
    try:
        answer = json.loads(run_limited(WORKER, xml, str(settings.SAT_CERTIFICATES_DIR), limits=LIMITS))
    except NotRun as error:
        raise NotReadNow(str(error)) from error
    except (Stopped, ValueError) as error:
        raise make_refusal(Fault.HEAVY) from error
    if "refusal" in answer:
        raise make_refusal(Fault(answer["refusal"]), answer["detail"])
    return build_invoice(answer["invoice"])


def build_invoice(values: Mapping[str, Any]) -> Invoice:
    """Return the invoice that these values describe: amounts and times are texts, as JSON holds them."""
    lines = {
        "concepts": tuple(Concept(**_read_texts(concept)) for concept in values.get("concepts", ())),
        "taxes": tuple(Tax(**_read_texts(tax)) for tax in values.get("taxes", ())),
        "complements": tuple(values.get("complements", ())),
    }
    return Invoice(**{**_read_texts(values), **lines})


def make_refusal(fault: Fault, detail: str = "") -> UnreadableInvoice:
    """Return, not raise, the error for a file that is not read; `detail` names the value of the file at fault."""
    reason = str(fault.label)
    if fault in {Fault.INCOMPLETE, Fault.VALUE}:
        reason += f": «{detail}»." if detail else "."
    return UnreadableInvoice(reason)


def _read_texts(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return these values with the amounts as Decimal and the times as datetime."""
    return {name: _read_text(name, value) for name, value in values.items()}


def _read_text(name: str, value: Any) -> Any:
    """Return one value, read from its text if it is an amount or a time."""
    if value is None:
        return None
    if name in _AMOUNTS:
        return Decimal(value)
    return datetime.fromisoformat(value) if name in _INSTANTS else value
