"""Draw a statement as PDF: Letter pages in the portal's typeface and colours; the same content gives the same bytes."""

from io import BytesIO
from pathlib import Path

import fontpkg_atkinson_hyperlegible
from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import LETTER
from reportlab.lib.utils import simpleSplit
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

from factureya.core.templatetags.fy import when_long
from tickets.charges import money
from tickets.charges.statement import Row, Statement

_FILES = Path(fontpkg_atkinson_hyperlegible.__file__).parent / "files"
REGULAR, BOLD = "Atkinson", "Atkinson-Bold"
for _font, _file in ((REGULAR, "AtkinsonHyperlegible-Regular"), (BOLD, "AtkinsonHyperlegible-Bold")):
    pdfmetrics.registerFont(TTFont(_font, _FILES / f"{_file}.ttf"))

# static/css/tokens.css
INK, INK_2, LINE, BRAND = map(HexColor, ("#16211f", "#485552", "#dedbd1", "#0b5d55"))
WIDTH, HEIGHT = LETTER
LEFT, RIGHT, BOTTOM = 46.0, WIDTH - 46.0, 60.0
FOOT = "Factureya · Atención a Clientes · soporte@factureya.com · 01 800 63 22 887"
# The left ends of the columns of text, and the right ends of those of numbers.
_TEXTS, _NUMBERS = (LEFT, LEFT + 70, LEFT + 215), (RIGHT - 118, RIGHT - 59, RIGHT)
_WIDTHS = (64, 139, 112)  # of the columns of text
_SIZE, _LINE_HEIGHT = 8.5, 11.5


class StatementDrawer:
    """Draw a statement from the top down; `y` is where the next part goes."""

    def __init__(self, statement: Statement) -> None:
        self.statement, self.y, self.page = statement, 0.0, 0
        self._out = BytesIO()
        self.canvas = Canvas(self._out, pagesize=LETTER, invariant=1, lang="es-MX", pageCompression=1)
        self.canvas.setTitle(f"Estado de cuenta, {statement.month.label}")
        self.canvas.setAuthor("Factureya")
        self.canvas.setSubject(f"{statement.customer.legal_name} · {statement.customer.rfc}")

    def draw(self) -> bytes:
        """Return the statement as a PDF."""
        self._open_page()
        if not self.statement.rows:
            self._write_line(LEFT, "Este mes no hay cargos propuestos ni cobrados.", REGULAR, 10, INK)
            self.y -= 20
        for row in self.statement.rows:
            self._draw_row(row)
        self._draw_totals()
        self._close_page()
        self.canvas.save()
        return self._out.getvalue()

    def _open_page(self) -> None:
        """Begin a page with the head of the statement and of its table."""
        self.page += 1
        statement, self.y = self.statement, HEIGHT - 60
        self._write_line(LEFT, "factureya", BOLD, 15, BRAND)
        self.y -= 28
        self._write_line(LEFT, f"Estado de cuenta, {statement.month.label}", BOLD, 16, INK)
        self.y -= 18
        for text in simpleSplit(
            f"{statement.customer.legal_name} · {statement.customer.rfc}", REGULAR, 10, RIGHT - LEFT
        ):
            self._write_line(LEFT, text, REGULAR, 10, INK_2)
            self.y -= 14
        ending = "" if statement.is_finished else " El mes no ha terminado."
        self._write_line(LEFT, f"Solo se cobra lo que su representante aceptó.{ending}", REGULAR, 10, INK_2)
        self.y -= 26
        for left, heading in zip(_TEXTS, ("Propuesto", "Ticket", "Estado"), strict=True):
            self._write_line(left, heading, BOLD, _SIZE, INK_2)
        for right, heading in zip(_NUMBERS, ("Tiempo", "Importe", "Con IVA"), strict=True):
            self._write_number(right, heading, BOLD, _SIZE)
        self._draw_rule()

    def _draw_row(self, row: Row) -> None:
        """Draw one charge, as high as its longest cell; a new page begins when it does not fit."""
        charge = row.charge
        decision = (
            f"{row.state_label}: {row.decision}, {when_long(charge.ended_at)}" if row.decision else row.state_label
        )
        texts = (when_long(charge.proposed_at), f"{charge.ticket.number} {charge.ticket.subject}", decision)
        cells = [simpleSplit(text, REGULAR, _SIZE, width) for text, width in zip(texts, _WIDTHS, strict=True)]
        height = _LINE_HEIGHT * max(map(len, cells)) + 6
        if self.y - height < BOTTOM + 20:
            self._close_page()
            self.canvas.showPage()
            self._open_page()
        for left, lines in zip(_TEXTS, cells, strict=True):
            for number, text in enumerate(lines):
                self._write_line(left, text, REGULAR, _SIZE, INK, below=number * _LINE_HEIGHT)
        total = money.format_cents(row.total_cents) if row.is_accepted else ""
        for right, text in zip(_NUMBERS, (row.time, row.amount, total), strict=True):
            self._write_number(right, text, REGULAR, _SIZE)
        self.y -= height - _LINE_HEIGHT
        self._draw_rule()

    def _draw_totals(self) -> None:
        """Draw the sums, and how much work was free."""
        if self.y < BOTTOM + 100:
            self._close_page()
            self.canvas.showPage()
            self._open_page()
        statement = self.statement
        sums = (
            ("Subtotal", statement.subtotal_cents, 10),
            (statement.tax_label, statement.tax_cents, 10),
            ("Total, en pesos", statement.total_cents, 13),
        )
        for label, cents, size in sums:
            self.y -= size + 6
            self._write_line(LEFT, label, BOLD, size, INK)
            self._write_number(RIGHT, money.format_cents(cents), BOLD, size)
        self.y -= 26
        free = f"Sin costo: {money.format_minutes(statement.free_minutes)} en {statement.free_tickets} tickets."
        self._write_line(LEFT, free, REGULAR, 9, INK_2)

    def _draw_rule(self) -> None:
        """Draw a line under what was written last."""
        self.canvas.setStrokeColor(LINE)
        self.canvas.line(LEFT, self.y - 5, RIGHT, self.y - 5)
        self.y -= 18

    def _write_line(self, left: float, text: str, font: str, size: float, colour: HexColor, below: float = 0) -> None:
        """Write one line of text that begins at `left`."""
        self.canvas.setFillColor(colour)
        self.canvas.setFont(font, size)
        self.canvas.drawString(left, self.y - below, text)

    def _write_number(self, right: float, text: str, font: str, size: float) -> None:
        """Write one line of text that ends at `right`."""
        self.canvas.setFillColor(INK)
        self.canvas.setFont(font, size)
        self.canvas.drawRightString(right, self.y, text)

    def _close_page(self) -> None:
        """Write the foot line and the page's number."""
        self.canvas.setFillColor(INK_2)
        self.canvas.setFont(REGULAR, 7.5)
        self.canvas.drawString(LEFT, BOTTOM - 24, FOOT)
        self.canvas.drawRightString(RIGHT, BOTTOM - 24, f"Página {self.page}")


def draw_pdf(statement: Statement) -> bytes:
    """Return the statement as a PDF."""
    return StatementDrawer(statement).draw()
