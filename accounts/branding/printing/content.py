"""Put an invoice (CFDI) into the words of its printed representation (*representación impresa*), as texts (M33)."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from factureya.core.invoices import Invoice, Kind, Tax

MAX_ROWS = 100  # lines of an invoice that the preview shows: a session keeps them
MAX_TEXT = 300  # characters of a text of the file
MAX_SEAL = 800
_TITLES = {
    Kind.INCOME: "Factura",
    Kind.EXPENSE: "Nota de crédito",
    Kind.TRANSFER: "Traslado",
    Kind.PAYROLL: "Recibo de nómina",
    Kind.PAYMENT: "Recibo de pago",
    Kind.WITHHOLDING: "Constancia de retenciones",
}
_CHECK_URL = "https://verificacfdi.facturaelectronica.sat.gob.mx/default.aspx"
_SEAL_END = 8  # characters of the issuer's seal that the code holds
SAMPLE_NOTICE = "Datos de ejemplo, sin validez fiscal."
UNSTAMPED_NOTICE = "Este comprobante no está timbrado: no tiene validez fiscal."
STAMPED_NOTICE = "Este documento es una representación impresa de un CFDI."

Pair = tuple[str, str]  # a label and its value


@dataclass(frozen=True)
class Row:
    """Hold one line of a printed invoice."""

    description: str
    quantity: str
    unit_price: str
    amount: str


@dataclass(frozen=True)
class Printed:
    """Hold the texts of a printed invoice, in the order in which a page shows them; `code` is what its QR says."""

    title: str
    number: str
    issuer_name: str
    issuer_rfc: str
    issuer_more: str
    receiver_name: str
    receiver_rfc: str
    receiver_more: str
    rows: tuple[Row, ...]
    left_out: int  # lines that are not shown
    sums: tuple[Pair, ...]
    total: str
    facts: tuple[Pair, ...]
    seals: tuple[Pair, ...]
    code: str
    notice: str

    def as_data(self) -> dict[str, Any]:
        """Return the texts as JSON can hold them."""
        return asdict(self)


def read_data(data: Mapping[str, Any]) -> Printed:
    """Return the printed invoice that `as_data` made. Raises KeyError or TypeError for anything else."""
    rows = tuple(Row(**row) for row in data["rows"])
    pairs = {
        name: tuple((str(label), str(value)) for label, value in data[name]) for name in ("sums", "facts", "seals")
    }
    return Printed(**{**data, "rows": rows, **pairs})


def describe_invoice(invoice: Invoice, *, is_sample: bool = False) -> Printed:
    """Return the texts with which an invoice is printed; those of a sample say that they are one."""
    rows = [
        Row(
            _cut(concept.description),
            " ".join(filter(None, (show_number(concept.quantity), _cut(concept.unit, 20)))),
            show_money(concept.unit_price),
            show_money(concept.amount),
        )
        for concept in invoice.concepts[:MAX_ROWS]
    ]
    notice = STAMPED_NOTICE if invoice.is_stamped else UNSTAMPED_NOTICE
    return Printed(
        title=_TITLES[Kind(invoice.kind)],
        number=_cut("-".join(filter(None, (invoice.series, invoice.folio))), 60),
        issuer_name=_cut(invoice.issuer_name or invoice.issuer_rfc),
        issuer_rfc=invoice.issuer_rfc,
        issuer_more=_join(("Régimen", invoice.issuer_regime), ("C.P.", invoice.place_of_issue)),
        receiver_name=_cut(invoice.receiver_name or invoice.receiver_rfc),
        receiver_rfc=invoice.receiver_rfc,
        receiver_more=_join(
            ("Uso", invoice.cfdi_use), ("Régimen", invoice.receiver_regime), ("C.P.", invoice.receiver_postal_code)
        ),
        rows=tuple(rows),
        left_out=max(0, len(invoice.concepts) - MAX_ROWS),
        sums=tuple(_list_sums(invoice)),
        total=" ".join(filter(None, (show_money(invoice.total), _cut(invoice.currency, 3)))),
        facts=tuple((label, value) for label, value in _list_facts(invoice) if value),
        seals=tuple(
            (label, _cut(value, MAX_SEAL))
            for label, value in (("Sello digital del emisor", invoice.seal), ("Sello del SAT", invoice.sat_seal))
            if value
        ),
        code=_make_code(invoice),
        notice=SAMPLE_NOTICE if is_sample else notice,
    )


def show_money(amount: Decimal | None) -> str:
    """Return an amount with cents: «$4,200.00»; an empty text for None."""
    return "" if amount is None else f"{'-' if amount < 0 else ''}${abs(amount):,.2f}"


def show_number(number: Decimal | None) -> str:
    """Return a quantity without zeros at its end: «2.5»; an empty text for None."""
    if number is None:
        return ""
    text = f"{number:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _show_instant(instant: datetime | None) -> str:
    """Return an instant of the file, which has no time zone: «30/11/2026 10:05:09»; an empty text for None."""
    return f"{instant:%d/%m/%Y %H:%M:%S}" if instant else ""


def _list_sums(invoice: Invoice) -> Iterator[Pair]:
    """Yield what leads to the total: subtotal, discount and each tax, with their amounts."""
    yield from (
        (label, show_money(amount))
        for label, amount in (("Subtotal", invoice.subtotal), ("Descuento", invoice.discount or None))
        if amount is not None
    )
    for tax in invoice.taxes[:20]:
        yield _describe_tax(tax), show_money(tax.amount)


def _describe_tax(tax: Tax) -> str:
    """Return the name of a tax with its rate: «IVA 16 %», «Retención de ISR 10 %»."""
    rate = "" if tax.rate is None else f" {show_number(tax.rate * 100)} %"
    return _cut(f"{'Retención de ' if tax.is_withheld else ''}{tax.name}{rate}", 60)


def _list_facts(invoice: Invoice) -> Iterator[Pair]:
    """Yield what the fiscal rules want on paper, each with its label; a value that the file lacks is empty."""
    yield "Folio fiscal", invoice.uuid
    yield "Emitida", _show_instant(invoice.issued_at)
    yield "Timbrada", _show_instant(invoice.stamped_at)
    yield "Versión", invoice.version
    yield "Forma de pago", _cut(invoice.payment_form, 60)
    yield "Método de pago", _cut(invoice.payment_method, 60)
    yield "Certificado del emisor", _cut(invoice.certificate_number, 40)
    yield "Certificado del SAT", _cut(invoice.sat_certificate_number, 40)
    yield "Proveedor de certificación", _cut(invoice.pac_rfc, 20)
    yield "Complementos", _cut(", ".join(invoice.complements))


def _make_code(invoice: Invoice) -> str:
    """Return the address of the SAT that the QR of a stamped invoice holds; "" for others, and for withholdings."""
    if not (invoice.is_stamped and invoice.seal) or invoice.kind == Kind.WITHHOLDING:
        return ""
    values = {
        "id": invoice.uuid,
        "re": invoice.issuer_rfc,
        "rr": invoice.receiver_rfc,
        "tt": f"{invoice.total:f}" if invoice.total is not None else "0",
        "fe": invoice.seal[-_SEAL_END:],
    }
    return f"{_CHECK_URL}?{urlencode(values)}"


def _join(*pairs: Pair) -> str:
    """Return the pairs that have a value as one line: «Régimen 601 · C.P. 72000»."""
    return " · ".join(f"{label} {_cut(value, 80)}" for label, value in pairs if value)


def _cut(text: str, most: int = MAX_TEXT) -> str:
    """Return a text with single spaces and at most this many characters."""
    line = " ".join(text[: most * 4].split())
    return line if len(line) <= most else f"{line[: most - 1]}…"
