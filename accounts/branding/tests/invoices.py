"""Make stamped invoices for the tests of the printed representation."""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from factureya.core.invoices import Concept, Invoice, Kind, Tax


def make_stamped(issuer_rfc: str, **changed: Any) -> Invoice:
    """Return a stamped invoice of this issuer; some of its values may be told."""
    invoice = Invoice(
        version="4.0",
        kind=Kind.INCOME,
        uuid="6F1C2A90-7B3E-4D52-9ABC-0123456789AB",
        issuer_rfc=issuer_rfc,
        issuer_name="Papelería Ocaso & Hijos",
        receiver_rfc="H&E951128469",
        receiver_name="Herrería y Electricidad",
        total=Decimal("1060.00"),
        currency="MXN",
        issued_at=datetime.fromisoformat("2026-11-30T10:05:09"),
        stamped_at=datetime.fromisoformat("2026-11-30T10:06:00"),
        is_stamped=True,
        subtotal=Decimal("1000.00"),
        discount=Decimal("0.00"),
        concepts=(
            Concept("Servicio & asesoría <b>", Decimal("2.500000"), "Hora", Decimal("400.00"), Decimal("1000.00")),
        ),
        taxes=(
            Tax("IVA", Decimal("0.160000"), Decimal("160.00"), is_withheld=False),
            Tax("ISR", Decimal("0.100000"), Decimal("100.00"), is_withheld=True),
        ),
        series="B",
        folio="0412",
        issuer_regime="601",
        cfdi_use="G03",
        place_of_issue="72000",
        seal="A" * 336 + "oc8/+A==",
        sat_seal="B" * 344,
        certificate_number="00001000000500000001",
    )
    return replace(invoice, **changed)
