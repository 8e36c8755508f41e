"""Keep what a representative previews and has not saved: colours and logo, and the invoice of an own XML (M33).

Both stay in the session of that person; of the XML only the texts that a page shows, never the file.
"""

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

from accounts.branding import colours, stylesheets
from accounts.branding.colours import Check
from accounts.branding.forms import read_key
from accounts.branding.printing import content, sample
from accounts.branding.printing.content import Printed
from accounts.branding.printing.paper import Look
from accounts.models import Branding, BrandLogo, Customer
from factureya.core.invoices import MAX_BYTES, NotReadNow, UnreadableInvoice, read_invoice
from factureya.core.refusals import Refused

_SLOT = "branding.invoice"
CHOOSE_XML = "Elija el archivo XML de una factura de su empresa."
NOT_NOW = "Ahora no pudimos leer el archivo. Inténtelo de nuevo en unos minutos."

Session = MutableMapping[str, Any]


@dataclass(frozen=True)
class Design:
    """Hold an image as it is shown or previewed: both colours with their checks, and the logo."""

    main: Check
    accent: Check
    logo: BrandLogo | None

    @property
    def slug(self) -> str:
        """Return how the two colours stand in the address of a stylesheet."""
        return stylesheets.write_slug(self.main.shown, self.accent.shown)

    @property
    def fields(self) -> dict[str, str]:
        """Return the values of the form that describes this image."""
        kept_logo = str(self.logo.pk) if self.logo else ""
        return {"main": self.main.chosen, "accent": self.accent.chosen, "kept_logo": kept_logo}

    @property
    def look(self) -> Look:
        """Return the image in which a PDF is drawn."""
        logo = self.logo
        if logo is None:
            return Look(self.main.shown, self.accent.shown)
        return Look(self.main.shown, self.accent.shown, bytes(logo.print_png), logo.is_light)


def find_saved_design(customer: Customer) -> Design:
    """Return the image that a company has: its own, or Factureya's colours without a logo."""
    branding = Branding.objects.select_related("logo").filter(customer=customer).exclude(shown_main="").first()
    if branding is None:
        return make_design(colours.DEFAULT_MAIN, colours.DEFAULT_ACCENT, None)
    return make_design(branding.chosen_main, branding.chosen_accent, branding.logo)


def make_design(main: str, accent: str, logo: BrandLogo | None) -> Design:
    """Return the image of two chosen colours and a logo."""
    return Design(colours.check_main(main), colours.check_accent(accent), logo)


def read_fields(customer: Customer, fields: Mapping[str, str], saved: Design) -> Design:
    """Return the image that the fields of a form describe; what is no colour stays as saved, a foreign logo is out."""
    key = read_key(fields.get("kept_logo", ""))
    logo = BrandLogo.objects.filter(customer=customer, pk=key).first() if key else None
    main = _read_colour(fields.get("main", ""), saved.main.chosen)
    return make_design(main, _read_colour(fields.get("accent", ""), saved.accent.chosen), logo)


def _read_colour(text: str, otherwise: str) -> str:
    """Return a typed colour, or another one if the text is no colour."""
    try:
        return colours.read_colour(text)
    except Refused:
        return otherwise


def keep_invoice(session: Session, customer: Customer, xml: bytes | None) -> None:
    """Read the XML of an invoice that this company issued, and keep its texts for the preview.

    Raises Refused if it cannot be read, or if somebody else issued it.
    """
    if not xml:
        raise Refused(CHOOSE_XML, "xml")
    try:
        invoice = read_invoice(xml)
    except UnreadableInvoice as error:
        raise Refused(error.reason, "xml") from error
    except NotReadNow as error:
        raise Refused(NOT_NOW, "xml") from error
    if invoice.issuer_rfc != customer.rfc:
        issuer = f"La emitió {invoice.issuer_rfc}" if invoice.issuer_rfc else "No dice quién la emitió"
        raise Refused(f"{issuer}. Elija una factura que haya emitido su empresa ({customer.rfc}).", "xml")
    session[_SLOT] = {"customer": customer.pk, "texts": content.describe_invoice(invoice).as_data()}


def drop_invoice(session: Session) -> None:
    """Forget the invoice of the preview, which then shows the sample."""
    session.pop(_SLOT, None)


def find_invoice(session: Session, customer: Customer) -> tuple[Printed, bool]:
    """Return the invoice of the preview, and whether it is the company's own; without one it is the sample."""
    kept = session.get(_SLOT) or {}
    if kept.get("customer") == customer.pk:
        try:
            return content.read_data(kept["texts"]), True
        except (KeyError, TypeError):  # kept by another version of the program
            drop_invoice(session)
    return content.describe_invoice(sample.make_sample(customer), is_sample=True), False


def read_upload(upload: Any) -> bytes | None:
    """Return the content of an uploaded XML, one byte more than MAX_BYTES at most, or None if there is none."""
    content_bytes: bytes | None = upload.read(MAX_BYTES + 1) if upload else None
    return content_bytes
