"""Describe what an invoice (CFDI) says, as values that its XML gave (M17)."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import TextChoices


class Kind(TextChoices):
    """Name what a CFDI is for: the SAT's letter of its type; «R» is a CFDI of withholdings, which has no letter."""

    INCOME = "I", "Ingreso"
    EXPENSE = "E", "Egreso"
    TRANSFER = "T", "Traslado"
    PAYROLL = "N", "Nómina"
    PAYMENT = "P", "Pago"
    WITHHOLDING = "R", "Retenciones"


class SealVerdict(TextChoices):
    """Say whether the seal of the SAT on a stamped invoice was checked, and what that showed."""

    VALID = "valid", "Sello del SAT válido"
    INVALID = "invalid", "Sello del SAT no válido"
    UNKNOWN = "unknown", "Sello del SAT sin comprobar"  # its certificate is not at hand
    NONE = "none", "Sin sello del SAT"  # not stamped


@dataclass(frozen=True)
class Concept:
    """Hold one line of an invoice: what was sold, how much of it, and the amount before taxes and discount."""

    description: str
    quantity: Decimal | None
    unit: str
    unit_price: Decimal | None
    amount: Decimal | None
    discount: Decimal | None = None


@dataclass(frozen=True)
class Tax:
    """Hold one tax of an invoice: «IVA», «ISR» or «IEPS», its rate (0.16), and whether it was withheld."""

    name: str
    rate: Decimal | None
    amount: Decimal | None
    is_withheld: bool


@dataclass(frozen=True)
class Invoice:
    """Hold what one CFDI says. A text that is not in the file is empty, another value None.

    `issued_at` and `stamped_at` have no time zone: the file gives the hour of the place where it was issued. `uuid` is
    the *folio fiscal* in capitals; a file that is not stamped has none.
    """

    version: str
    kind: str  # a value of Kind
    uuid: str
    issuer_rfc: str
    issuer_name: str
    receiver_rfc: str
    receiver_name: str
    total: Decimal | None
    currency: str
    issued_at: datetime | None
    stamped_at: datetime | None
    is_stamped: bool
    seal_verdict: str = SealVerdict.NONE
    subtotal: Decimal | None = None
    discount: Decimal | None = None
    concepts: tuple[Concept, ...] = ()
    taxes: tuple[Tax, ...] = ()
    series: str = ""
    folio: str = ""
    complements: tuple[str, ...] = ()  # «Pagos», «Nómina», «Carta porte»…
    # What the printed representation needs besides.
    issuer_regime: str = ""
    receiver_regime: str = ""
    receiver_postal_code: str = ""
    cfdi_use: str = ""
    place_of_issue: str = ""
    payment_form: str = ""
    payment_method: str = ""
    certificate_number: str = ""
    sat_certificate_number: str = ""
    pac_rfc: str = ""
    seal: str = ""
    sat_seal: str = ""

    @property
    def kind_label(self) -> str:
        """Return the Spanish name of the invoice's type: «Ingreso», «Pago»…"""
        return str(Kind(self.kind).label)


class UnreadableInvoice(Exception):
    """Report that a file cannot be read as an invoice; `reason` says in Spanish why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NotReadNow(Exception):
    """Report that the machine could not read a file now, which says nothing about the file: try again later."""
