"""Draw the printed representation of an invoice as a PDF in a company's image (M33)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO

from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import LETTER
from reportlab.lib.utils import ImageReader, simpleSplit
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.pdfgen.canvas import Canvas

from accounts.branding.printing import codes
from accounts.branding.printing.content import Printed, Row
from factureya.core.documents.fonts import BOLD, MONO, REGULAR

INK, INK_2, LINE, GROUND, WHITE = map(HexColor, ("#16211f", "#485552", "#dedbd1", "#f6f5f0", "#ffffff"))
WIDTH, HEIGHT = LETTER
LEFT, RIGHT, BOTTOM = 46.0, WIDTH - 46.0, 54.0
BAND, LOGO_BOX, CODE = 10.0, (150.0, 60.0), 84.0  # points: band at the top, the most of a logo, side of the QR
QUANTITY, PRICE, AMOUNT = RIGHT - 170, RIGHT - 84, RIGHT - 8  # where the columns of numbers end
QUANTITY_WIDTH, MONEY_WIDTH = 74.0, 74.0
DESCRIPTION_WIDTH = QUANTITY - QUANTITY_WIDTH - 20 - LEFT
NUMBER_WIDTH = 150.0  # the most that the number of the invoice takes of the head


@dataclass(frozen=True)
class Look:
    """Hold the image in which a document is drawn: two colours, and the logo as PNG or empty."""

    main: str
    detail: str
    logo: bytes = b""
    logo_needs_ground: bool = False  # it would not show on white paper


def draw_invoice(printed: Printed, look: Look) -> bytes:
    """Return the printed invoice as a PDF of Letter pages; the same content gives the same bytes."""
    paper = _Paper(printed, look)
    paper.draw_head()
    paper.draw_receiver()
    paper.draw_rows()
    paper.draw_sums()
    paper.draw_facts()
    return paper.finish()


class _Paper:
    """Draw one document from the top down; `y` is the height where the next part goes."""

    def __init__(self, printed: Printed, look: Look) -> None:
        """Open the first page."""
        self.printed, self.look, self.page = printed, look, 0
        self.main, self.detail = HexColor(look.main), HexColor(look.detail)
        self.out, self.y = BytesIO(), HEIGHT
        self.canvas = Canvas(self.out, pagesize=LETTER, invariant=1, lang="es-MX", pageCompression=1)
        self.canvas.setTitle(f"{printed.title} {printed.number}".strip())
        self.canvas.setAuthor(printed.issuer_name)
        self.canvas.setViewerPreference("DisplayDocTitle", "true")
        self._open_page()

    def draw_head(self) -> None:
        """Draw the company's logo, name and RFC, and at the right what kind of invoice it is, with its number."""
        top = self.y
        left = LEFT + self._draw_logo(top)
        number_end, number_width = self._draw_number(top)
        y, width = top - 16, RIGHT - number_width - 16 - left
        for line in _wrap(self.printed.issuer_name, BOLD, 15, width):
            self._write(left, y, line, BOLD, 15, self.main)
            y -= 18
        more = " · ".join(filter(None, (self.printed.issuer_rfc, self.printed.issuer_more)))
        for line in _wrap(more, REGULAR, 9.5, width):
            self._write(left, y + 2, line, size=9.5, colour=INK_2)
            y -= 12
        self.y = min(y + 4, number_end, top - LOGO_BOX[1]) - 14

    def draw_receiver(self) -> None:
        """Draw the box of the receiver."""
        width = RIGHT - LEFT - 24
        name = _wrap(f"{self.printed.receiver_name} · {self.printed.receiver_rfc}", REGULAR, 11, width)
        more = _wrap(self.printed.receiver_more, REGULAR, 9, width)
        height = 26 + 14 * len(name) + 12 * len(more)
        self.canvas.setFillColor(GROUND)
        self.canvas.roundRect(LEFT, self.y - height, RIGHT - LEFT, height, 5, stroke=0, fill=1)
        self._write(LEFT + 12, self.y - 16, "Receptor", size=9, colour=INK_2)
        y = self.y - 32
        for line in name:
            self._write(LEFT + 12, y, line, size=11)
            y -= 14
        for line in more:
            self._write(LEFT + 12, y + 1, line, size=9, colour=INK_2)
            y -= 12
        self.y -= height + 14

    def draw_rows(self) -> None:
        """Draw the table of what was sold; on a new page its head is drawn again."""
        self._draw_table_head()
        for row in self.printed.rows:
            lines = _wrap(row.description, REGULAR, 9.5, DESCRIPTION_WIDTH)
            quantity = _wrap(row.quantity, REGULAR, 9.5, QUANTITY_WIDTH)
            if self.y - 13 * max(1, len(lines), len(quantity)) - 8 < BOTTOM:
                self._turn_page()
                self._draw_table_head()
            self._draw_row(row, lines, quantity)
        if self.printed.left_out:
            self._reserve(20)
            self._write(LEFT, self.y - 13, f"y {self.printed.left_out:,} conceptos más", size=9.5, colour=INK_2)
            self.y -= 20

    def draw_sums(self) -> None:
        """Draw subtotal, taxes and, on the main colour, the total."""
        self._reserve(16 * len(self.printed.sums) + 50)
        self.y -= 8
        for label, amount in self.printed.sums:
            self._write(PRICE, self.y - 10, label, size=9.5, colour=INK_2, align="right")
            self._write(AMOUNT, self.y - 10, amount, size=_fit(amount, REGULAR, 9.5, MONEY_WIDTH), align="right")
            self.y -= 16
        self.canvas.setFillColor(self.main)
        self.canvas.rect(RIGHT - 220, self.y - 30, 220, 26, stroke=0, fill=1)
        self._write(RIGHT - 208, self.y - 21, "Total", BOLD, 12, WHITE)
        size = _fit(self.printed.total, BOLD, 12, 160)
        self._write(AMOUNT, self.y - 21, self.printed.total, BOLD, size, WHITE, align="right")
        self.y -= 44

    def draw_facts(self) -> None:
        """Draw the fiscal facts beside the QR code, and the seals below them."""
        seals = [(label, _cut_word(value, RIGHT - LEFT)) for label, value in self.printed.seals]
        left = LEFT + (CODE + 14 if self.printed.code else 0)
        facts = [(label, _wrap(value, REGULAR, 8.5, RIGHT - left - 130)) for label, value in self.printed.facts]
        self._reserve(max(CODE, 13 * sum(len(lines) for _label, lines in facts)) + 10)
        top = self.y
        if self.printed.code:
            self._draw_code(top)
        for label, lines in facts:
            self._write(left, self.y - 9, label, size=8.5, colour=INK_2)
            for line in lines:
                self._write(left + 130, self.y - 9, line, size=8.5)
                self.y -= 13
        self.y = min(self.y, top - CODE if self.printed.code else self.y) - 8
        for label, lines in seals:
            self._reserve(12 + 9 * len(lines))
            self._write(LEFT, self.y - 9, label, size=8, colour=INK_2)
            for number, line in enumerate(lines):
                self._write(LEFT, self.y - 18 - 9 * number, line, MONO, 6.5)
            self.y -= 16 + 9 * len(lines)

    def finish(self) -> bytes:
        """Close the last page and return the document."""
        self._close_page()
        self.canvas.save()
        return self.out.getvalue()

    def _draw_number(self, top: float) -> tuple[float, float]:
        """Draw what kind of invoice it is, and its number; return the height where they end, and their width.

        A long number is smaller, and stands in as many lines as it needs.
        """
        title, number = self.printed.title, self.printed.number
        self._write(RIGHT, top - 12, title, size=10, colour=INK_2, align="right")
        size = 15.0 if stringWidth(number, BOLD, 15) <= NUMBER_WIDTH else 10.0
        y, width = top - 30, stringWidth(title, REGULAR, 10)
        for line in _wrap(number, BOLD, size, NUMBER_WIDTH):
            self._write(RIGHT, y, line, BOLD, size, self.main, align="right")
            y, width = y - size - 3, max(width, stringWidth(line, BOLD, size))
        return y, width

    def _draw_logo(self, top: float) -> float:
        """Draw the logo at the left, if there is one, and return how much room it takes."""
        if not self.look.logo:
            return 0.0
        reader = ImageReader(BytesIO(self.look.logo))
        width, height = reader.getSize()
        scale = min(LOGO_BOX[0] / width, LOGO_BOX[1] / height)
        width, height = width * scale, height * scale
        if self.look.logo_needs_ground:
            self.canvas.setFillColor(self.main)
            self.canvas.roundRect(LEFT, top - height - 6, width + 12, height + 12, 5, stroke=0, fill=1)
            self.canvas.drawImage(reader, LEFT + 6, top - height, width, height, mask="auto")
            return width + 28
        self.canvas.drawImage(reader, LEFT, top - height, width, height, mask="auto")
        return width + 16

    def _draw_table_head(self) -> None:
        """Draw the head of the table in the main colour, with a line of the accent colour under it."""
        self.canvas.setFillColor(self.main)
        self.canvas.rect(LEFT, self.y - 22, RIGHT - LEFT, 22, stroke=0, fill=1)
        self.canvas.setFillColor(self.detail)
        self.canvas.rect(LEFT, self.y - 25, RIGHT - LEFT, 3, stroke=0, fill=1)
        self._write(LEFT + 8, self.y - 15, "Concepto", BOLD, 9.5, WHITE)
        for right, text in ((QUANTITY, "Cantidad"), (PRICE, "Precio"), (AMOUNT, "Importe")):
            self._write(right, self.y - 15, text, BOLD, 9.5, WHITE, align="right")
        self.y -= 27

    def _draw_row(self, row: Row, lines: Sequence[str], quantity: Sequence[str]) -> None:
        """Draw one line of the invoice, its description and its quantity in as many lines as they need."""
        for number, line in enumerate(lines):
            self._write(LEFT + 8, self.y - 12 - 13 * number, line, size=9.5)
        for number, line in enumerate(quantity):
            self._write(QUANTITY, self.y - 12 - 13 * number, line, size=9.5, align="right")
        for right, text in ((PRICE, row.unit_price), (AMOUNT, row.amount)):
            self._write(right, self.y - 12, text, size=_fit(text, REGULAR, 9.5, MONEY_WIDTH), align="right")
        self.y -= 13 * max(1, len(lines), len(quantity)) + 5
        self.canvas.setStrokeColor(LINE)
        self.canvas.setLineWidth(0.8)
        self.canvas.line(LEFT, self.y, RIGHT, self.y)

    def _draw_code(self, top: float) -> None:
        """Draw the QR code of a stamped invoice."""
        width, squares = codes.list_squares(self.printed.code)
        side = CODE / width
        self.canvas.setFillColor(INK)
        for column, row in squares:
            # A hair larger, so that no reader of PDF draws white lines between the squares.
            self.canvas.rect(LEFT + column * side, top - (row + 1) * side, side * 1.02, side * 1.02, stroke=0, fill=1)

    def _write(
        self,
        x: float,
        y: float,
        text: str,
        font: str = REGULAR,
        size: float = 10,
        colour: HexColor = INK,
        *,
        align: str = "left",
    ) -> None:
        """Write one line of text that begins, or for `align` "right" ends, at `x`."""
        self.canvas.setFillColor(colour)
        self.canvas.setFont(font, size)
        draw = self.canvas.drawRightString if align == "right" else self.canvas.drawString
        draw(x, y, text)

    def _reserve(self, height: float) -> None:
        """Turn to a new page if less than this height is left."""
        if self.y - height < BOTTOM:
            self._turn_page()

    def _turn_page(self) -> None:
        """Close this page and open another."""
        self._close_page()
        self.canvas.showPage()
        self._open_page()

    def _open_page(self) -> None:
        """Draw the band at the top of a new page."""
        self.page += 1
        self.canvas.setFillColor(self.main)
        self.canvas.rect(0, HEIGHT - BAND, WIDTH, BAND, stroke=0, fill=1)
        self.canvas.setFillColor(self.detail)
        self.canvas.rect(0, HEIGHT - BAND - 3, WIDTH, 3, stroke=0, fill=1)
        self.y = HEIGHT - 40

    def _close_page(self) -> None:
        """Draw the foot of the page: what the document is worth, and its page number."""
        self._write(LEFT, 30, self.printed.notice, size=8.5, colour=INK_2)
        self._write(RIGHT, 30, f"Página {self.page}", size=8.5, colour=INK_2, align="right")


def _wrap(text: str, font: str, size: float, width: float) -> list[str]:
    """Return a text in lines that are no wider than this; a word that is wider than a line is cut."""
    lines = simpleSplit(text, font, size, width)
    return [piece for line in lines if line for piece in _cut_line(line, font, size, width)]


def _cut_line(line: str, font: str, size: float, width: float) -> Iterator[str]:
    """Yield a line in pieces that are no wider than this: one piece, if it fits."""
    begin, used = 0, 0.0
    for place, character in enumerate(line):
        character_width = stringWidth(character, font, size)
        if used + character_width > width and place > begin:
            yield line[begin:place]
            begin, used = place, 0.0
        used += character_width
    yield line[begin:]


def _fit(text: str, font: str, size: float, width: float) -> float:
    """Return the size in which a text is no wider than this: the given one, or a smaller one."""
    return min(size, size * width / max(stringWidth(text, font, size), 1.0))


def _cut_word(word: str, width: float) -> list[str]:
    """Return a text without spaces, such as a seal, in pieces that fit this width in the small fixed type."""
    most = int(width / (6.5 * 0.6))
    return [word[place : place + most] for place in range(0, len(word), most)]
