"""The printed representation of an invoice: its words, its QR and its PDF (M33)."""

import json
from dataclasses import dataclass, replace
from decimal import Decimal
from io import BytesIO
from itertools import combinations
from typing import Any

import pytest
from PIL import Image
from pypdf import PdfReader
from reportlab.pdfbase.pdfmetrics import stringWidth

from accounts.branding.printing import codes, content, paper, sample
from accounts.branding.printing.paper import Look
from accounts.branding.tests.invoices import make_stamped
from accounts.models import Customer
from factureya.core.documents.fonts import REGULAR
from factureya.core.invoices import Concept, Kind

pytestmark = [pytest.mark.once, pytest.mark.clause("M33")]
LOOK = Look("#1f5f8b", "#c47a12")
CUSTOMER = Customer(rfc="POC150312AB0", legal_name="Papelería Ocaso SA de CV")


def text_of(pdf: bytes) -> str:
    return " ".join(" ".join(page.extract_text().split()) for page in PdfReader(BytesIO(pdf)).pages)


def png(colour: object = "#c47a12") -> bytes:
    out = BytesIO()
    Image.new("RGBA", (400, 160), colour).save(out, "PNG")
    return out.getvalue()


def test_the_sample_adds_up_to_the_cent():
    invoice = sample.make_sample(CUSTOMER)
    assert sum(concept.amount or 0 for concept in invoice.concepts) == invoice.subtotal == Decimal("7225.00")
    assert invoice.total == Decimal("8381.00")
    assert not invoice.is_stamped
    printed = content.describe_invoice(invoice, is_sample=True)
    assert (printed.title, printed.number, printed.total) == ("Factura", "B-0412", "$8,381.00 MXN")
    assert printed.sums == (("Subtotal", "$7,225.00"), ("IVA 16 %", "$1,156.00"))
    assert printed.code == ""
    assert printed.notice == content.SAMPLE_NOTICE


def test_a_stamped_invoice_says_what_the_fiscal_rules_want():
    printed = content.describe_invoice(make_stamped("POC150312AB0"))
    assert printed.sums[-1] == ("Retención de ISR 10 %", "$100.00")
    facts = dict(printed.facts)
    assert facts["Folio fiscal"] == "6F1C2A90-7B3E-4D52-9ABC-0123456789AB"
    assert facts["Emitida"] == "30/11/2026 10:05:09"
    assert printed.notice == content.STAMPED_NOTICE
    assert printed.rows[0].quantity == "2.5 Hora"
    # The SAT's address: an ampersand in an RFC and the last eight characters of the seal are encoded.
    assert "rr=H%26E951128469" in printed.code
    assert printed.code.endswith("fe=oc8%2F%2BA%3D%3D")
    assert "tt=1060.00" in printed.code


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_of_invoice_has_its_title_and_is_drawn(kind: Kind):
    bare = make_stamped("POC150312AB0", kind=kind, total=None, subtotal=None, concepts=(), taxes=(), seal="")
    printed = content.describe_invoice(bare)
    assert printed.title
    assert printed.code == ""
    assert printed.title in text_of(paper.draw_invoice(printed, LOOK))
    assert bool(content.describe_invoice(make_stamped("X", kind=kind)).code) == (kind != Kind.WITHHOLDING)


def test_a_session_keeps_the_texts_and_gives_the_same_back():
    printed = content.describe_invoice(make_stamped("POC150312AB0"))
    assert content.read_data(json.loads(json.dumps(printed.as_data()))) == printed
    with pytest.raises((KeyError, TypeError)):
        content.read_data({"rows": []})


def test_long_texts_and_many_lines_are_cut_and_counted():
    lines = tuple(Concept(f"{n} {'x' * 5000}", Decimal(1), "", Decimal(1), Decimal(1)) for n in range(1234))
    printed = content.describe_invoice(make_stamped("X", concepts=lines, issuer_name="N" * 9000))
    assert len(printed.rows) == content.MAX_ROWS
    assert printed.left_out == 1134
    assert len(json.dumps(printed.as_data())) < 60_000
    pdf = paper.draw_invoice(printed, LOOK)
    assert "1,134 conceptos más" in text_of(pdf)
    reader = PdfReader(BytesIO(pdf))
    assert len(reader.pages) > 3
    assert all("Concepto" in page.extract_text() for page in list(reader.pages)[:3])


@pytest.mark.parametrize("is_light", [True, False])
def test_the_pdf_has_text_logo_language_and_the_same_bytes_each_time(is_light: bool):
    printed = content.describe_invoice(make_stamped("POC150312AB0"))
    look = replace(LOOK, logo=png(), logo_needs_ground=is_light)
    pdf = paper.draw_invoice(printed, look)
    assert pdf == paper.draw_invoice(printed, look)
    text = text_of(pdf)
    for words in ("Papelería Ocaso & Hijos", "Servicio & asesoría <b>", "$1,060.00 MXN", "Sello del SAT", "Página 1"):
        assert words in text
    reader = PdfReader(BytesIO(pdf))
    assert reader.metadata is not None
    assert reader.metadata.title == "Factura B-0412"
    assert reader.pages[0].images
    assert "es-MX" in str(reader.trailer["/Root"].get("/Lang"))


def test_the_transparency_of_a_logo_reaches_the_paper():
    printed = content.describe_invoice(sample.make_sample(CUSTOMER), is_sample=True)
    pdf = paper.draw_invoice(printed, replace(LOOK, logo=png((196, 122, 18, 60))))
    resources = PdfReader(BytesIO(pdf)).pages[0]["/Resources"]["/XObject"]
    assert any("/SMask" in each.get_object() for each in resources.values())


@dataclass(frozen=True)
class Box:
    """The place of one line of text on a page, as its typeface measures it."""

    page: int
    left: float
    right: float
    bottom: float
    top: float
    text: str

    def overlaps(self, other: "Box") -> bool:
        """Return whether two texts cover each other."""
        return (
            self.page == other.page
            and min(self.right, other.right) - max(self.left, other.left) > 0.5
            and min(self.top, other.top) - max(self.bottom, other.bottom) > 0.5
        )


@pytest.fixture
def boxes(monkeypatch: pytest.MonkeyPatch) -> list[Box]:
    """Where the texts stand that are drawn from now on."""
    found: list[Box] = []
    write = paper._Paper._write

    def note(
        self: Any, x: float, y: float, text: str, font: str = REGULAR, size: float = 10, *rest: Any, **options: Any
    ):
        width = stringWidth(text, font, size)
        left = x - width if options.get("align") == "right" else x
        if text:
            found.append(Box(self.page, left, left + width, y, y + 0.65 * size, text))
        write(self, x, y, text, font, size, *rest, **options)

    monkeypatch.setattr(paper._Paper, "_write", note)
    return found


LONG = {
    "issuer_regime": "612 - Personas Físicas con Actividades Empresariales y Profesionales",
    "receiver_regime": "612 - Personas Físicas con Actividades Empresariales y Profesionales",
    "cfdi_use": "D07 - Primas por seguros de gastos médicos a cargo del contribuyente, y otras",
    "receiver_postal_code": "72000",
    "place_of_issue": "72000",
}


@pytest.mark.parametrize("with_logo", [True, False])
@pytest.mark.parametrize(
    "texts",
    [
        {},
        LONG,
        {**LONG, "series": "W" * 25, "folio": "9" * 40},
        {**LONG, "issuer_name": "Constructora y Comercializadora " * 9, "series": "SERIE LARGA DE", "folio": "1" * 12},
        {
            "issuer_name": "W" * 300,
            "receiver_name": "M" * 300,
            "complements": tuple("ComercioExterior" for _ in range(20)),
        },
        {
            "concepts": (
                Concept("W" * 300, Decimal("123456789.123456"), "M" * 20, Decimal("9") * 10**12, Decimal("9") * 10**12),
            )
        },
        {"total": Decimal("9") * 10**17, "subtotal": Decimal("9") * 10**17},
    ],
)
def test_no_text_leaves_the_page_or_covers_another(boxes: list[Box], texts: dict[str, Any], with_logo: bool):
    printed = content.describe_invoice(make_stamped("POC150312AB0", **texts))
    paper.draw_invoice(printed, replace(LOOK, logo=png() if with_logo else b"", logo_needs_ground=with_logo))
    assert len(boxes) > 20
    assert [box for box in boxes if box.left < paper.LEFT - 0.1 or box.right > paper.RIGHT + 0.1] == []
    assert [(one.text, other.text) for one, other in combinations(boxes, 2) if one.overlaps(other)] == []


def test_a_name_is_printed_whole():
    printed = content.describe_invoice(make_stamped("POC150312AB0", issuer_name="Comercializadora " * 12 + "FIN"))
    assert "FIN" in text_of(paper.draw_invoice(printed, LOOK))


def test_both_drawings_of_a_code_are_the_same():
    width, squares = codes.list_squares("https://ejemplo.mx/?x=1")
    path_width, path = codes.write_path("https://ejemplo.mx/?x=1")
    assert path_width == width
    assert path.count("M") == len(squares)
    assert (0, 0) in squares
    assert (width - 1, 0) in squares


@pytest.mark.parametrize(("number", "text"), [("1234.500", "1,234.5"), ("10", "10"), ("0.000001", "0.000001")])
def test_quantities_have_no_zeros_at_their_end(number: str, text: str):
    assert content.show_number(Decimal(number)) == text


def test_money_has_cents_and_a_minus_sign():
    assert content.show_money(Decimal("-1234.5")) == "-$1,234.50"
    assert content.show_money(None) == "" == content.show_number(None)
