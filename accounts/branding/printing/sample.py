"""Make the sample invoice with which a company sees its image: our own, issued by that company to nobody real (M33)."""

from decimal import Decimal

from django.utils import timezone

from accounts.models import Customer
from factureya.core import clock
from factureya.core.invoices import Concept, Invoice, Kind, Tax

_LINES = (
    ("Papel bond carta, caja de 10 paquetes", 10, "Caja", "420.00"),
    ("Engrapadora metálica", 5, "Pieza", "149.00"),
    ("Cuaderno profesional de 100 hojas", 60, "Pieza", "38.00"),
)
_RATE = Decimal("0.160000")


def make_sample(customer: Customer) -> Invoice:
    """Return an unstamped invoice of this company with three lines, whose sums agree to the cent."""
    concepts = tuple(
        Concept(description, Decimal(quantity), unit, Decimal(price), quantity * Decimal(price))
        for description, quantity, unit, price in _LINES
    )
    subtotal = sum((concept.amount or Decimal(0) for concept in concepts), Decimal(0))
    tax = (subtotal * _RATE).quantize(Decimal("0.01"))
    return Invoice(
        version="4.0",
        kind=Kind.INCOME,
        uuid="",
        issuer_rfc=customer.rfc,
        issuer_name=customer.legal_name,
        receiver_rfc="XAXX010101000",
        receiver_name="Público en general",
        total=subtotal + tax,
        currency="MXN",
        issued_at=timezone.localtime(clock.now()).replace(tzinfo=None),
        stamped_at=None,
        is_stamped=False,
        subtotal=subtotal,
        concepts=concepts,
        taxes=(Tax("IVA", _RATE, tax, is_withheld=False),),
        series="B",
        folio="0412",
        issuer_regime="601",
        receiver_regime="616",
        receiver_postal_code="72000",
        cfdi_use="S01",
        place_of_issue="72000",
        payment_form="03",
        payment_method="PUE",
    )
