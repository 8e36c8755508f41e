"""Draw our documents: Letter pages in the portal's typeface and colours, from the top down.

The text of fillable fields is in Helvetica, which every PDF reader has.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO

from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import LETTER
from reportlab.lib.utils import simpleSplit
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.acroform import AcroForm
from reportlab.pdfgen.canvas import Canvas

from change_requests.kinds.inputs import PdfField
from factureya.core.documents.fonts import BOLD, MONO, REGULAR

# static/css/tokens.css
INK, INK_2, LINE, FIELD_LINE = map(HexColor, ("#16211f", "#485552", "#dedbd1", "#76827e"))
BRAND, BRAND_STRONG, BRAND_SOFT = map(HexColor, ("#0b5d55", "#073f3a", "#e1efeb"))
MARIGOLD, PAPER, WHITE = map(HexColor, ("#f5b629", "#faf9f5", "#ffffff"))
WIDTH, HEIGHT = LETTER
LEFT, RIGHT, BOTTOM = 46.0, WIDTH - 46.0, 46.0
INNER = RIGHT - LEFT
FIELD_SIZE = 10  # points of what is typed
HEAD = 58.0  # height of the band


class WrappingForm(AcroForm):
    """Draw long prefilled values in several lines; reportlab itself draws them in one."""

    def txAP(self, key, value, iFontName, rFontName, fontSize, **more):  # noqa: N802, N803 (reportlab's names)
        """Return the appearance of a fillable text field, with its prefilled value broken into lines that fit."""
        lines = simpleSplit(value, "Helvetica", fontSize, more["width"] - 8) if value else []
        return super().txAP(key, "\n".join(lines), iFontName, rFontName, fontSize, **more)


@dataclass(frozen=True)
class Row:
    """Hold a row of a table: field, old value, new value."""

    label: str
    old: str
    new: str


class Sheet:
    """Draw a document; `y` is the height where the next part goes, and a new page begins when it does not fit."""

    def __init__(self, title: str, *, subject: str, foot: str) -> None:
        """Open the first page of a document with this title."""
        self._out = BytesIO()
        self.title, self._foot, self._page = title, foot, 0
        # invariant: the same content gives the same bytes, so a receipt can be given out again and compared.
        self.canvas = Canvas(self._out, pagesize=LETTER, invariant=1, lang="es-MX", pageCompression=1)
        self.canvas.setTitle(title)
        self.canvas.setAuthor("Factureya")
        self.canvas.setSubject(subject)
        self.canvas.setCreator("Factureya")
        self.canvas.setViewerPreference("DisplayDocTitle", "true")
        self.form = WrappingForm(self.canvas)
        self._open_page()

    def finish(self) -> bytes:
        """Close the last page and return the PDF document."""
        self._close_page()
        self.canvas.save()
        return self._out.getvalue()

    def make_fillable(self) -> None:
        """Make the document a PDF form; PDF readers draw the fields' values with their own fonts."""
        self.form.extras["NeedAppearances"] = "true"
        self.canvas.AcroForm = self.canvas._doc._catalog.AcroForm = self.form  # Canvas.acroForm sets both too

    def draw_section(self, text: str) -> None:
        """Draw the heading of a section of the document, with a line under it."""
        self.reserve_height(70)
        self.y -= 20
        self.draw_text(LEFT, self.y, text, BOLD, 12.5, BRAND_STRONG)
        self.canvas.setStrokeColor(LINE)
        self.canvas.setLineWidth(0.8)
        self.canvas.line(LEFT, self.y - 5, RIGHT, self.y - 5)
        self.y -= 8

    def draw_paragraph(self, text: str, *, size: float = 9.5, font: str = REGULAR, colour: HexColor = INK) -> None:
        """Draw a paragraph over the whole width; lines that are too long are broken, over pages too."""
        for line in simpleSplit(text, font, size, INNER):
            self.reserve_height(size * 1.4)
            self.y -= size * 1.4
            self.draw_text(LEFT, self.y, line, font, size, colour)
        self.y -= 3

    def draw_pair(self, label: str, value: str, *, font: str = REGULAR) -> None:
        """Draw a label and its value side by side, «No proporcionado» for an empty value.

        A value in MONO is a hash, which has no spaces to break at: it is cut into pieces.
        """
        size = 8.5 if font == MONO else 9.5
        if font == MONO:
            lines = _cut_word(value, font, size, INNER - 150)
        else:
            lines = simpleSplit(value or "No proporcionado", font, size, INNER - 150) or [""]
        for number, line in enumerate(lines):
            self.reserve_height(14)
            self.y -= 14
            if number == 0:
                self.draw_text(LEFT, self.y, label, BOLD, 9.5)
            self.draw_text(LEFT + 150, self.y, line, font, size)

    def draw_table(self, headings: tuple[str, str, str], rows: Sequence[Row]) -> None:
        """Draw a table of old and new values under these column headings, with one row for each changed field."""
        self.y -= 14
        for x, heading in zip(_COLUMN_LEFTS, headings, strict=True):
            self.draw_text(x, self.y, heading, REGULAR, 8.5, INK_2)
        self.y -= 4
        for row in rows:
            self._draw_row(row)

    def draw_note(self, title: str, lines: Sequence[str]) -> None:
        """Draw a coloured box with a title and these lines; lines that are too long are broken."""
        size, line_height = 9.0, 12.5
        wrapped = [part for line in lines for part in simpleSplit(line, REGULAR, size, INNER - 26)]
        height = 14 + line_height * (len(wrapped) + 1)
        self.reserve_height(height + 10)
        self.y -= height + 8
        for colour, width in ((BRAND_SOFT, INNER), (BRAND, 3)):  # a box with a thick left edge
            self.canvas.setFillColor(colour)
            self.canvas.rect(LEFT, self.y, width, height, stroke=0, fill=1)
        top = self.y + height - 15
        self.draw_text(LEFT + 14, top, title, BOLD, 10, BRAND_STRONG)
        for number, line in enumerate(wrapped, start=1):
            self.draw_text(LEFT + 14, top - line_height * number, line, REGULAR, size)

    def draw_field(
        self, field: PdfField, *, x: float, width: float, value: str = "", label: str | None = None
    ) -> float:
        """Draw a fillable field under its label, downwards from `self.y`; return the height of label and field.

        `label` replaces the field's own label; an empty one draws none.
        """
        label = field.label if label is None else label
        label_height = 13.0 if label else 3.0
        height = measure_field(field)
        if label:
            self.draw_text(x, self.y - 10, label, BOLD, 8.5)
        self._draw_input(field, x=x, y=self.y - label_height - height, width=width, height=height, value=value)
        return label_height + height

    def draw_radio(self, field: PdfField, choice: str, *, label: str, hint: str, is_on: bool) -> None:
        """Draw one radio button of a PDF form, for the value `choice`, with its label and explanation beside it."""
        self.reserve_height(20)
        self.y -= 18
        self.canvas.setFillColor(WHITE)
        self.canvas.setStrokeColor(FIELD_LINE)
        self.canvas.circle(LEFT + 6.5, self.y + 4.5, 6.5, stroke=1, fill=1)
        self.form.radio(
            name=field.name,
            tooltip=field.spoken,
            value=choice,
            selected=is_on,
            x=LEFT,
            y=self.y - 2,
            size=13,
            buttonStyle="circle",
            shape="circle",
            fieldFlags="noToggleToOff radio",
            textColor=BRAND,
            **_NO_BORDER,
        )
        self.draw_text(LEFT + 22, self.y + 1, label, BOLD, 9.5)
        beside_label = LEFT + 28 + measure_text(label, BOLD, 9.5)
        self.draw_text(beside_label, self.y + 1, hint, REGULAR, 9, INK_2)

    def draw_check(self, field: PdfField) -> None:
        """Draw a box to tick in a PDF form, with its sentence beside it."""
        lines = simpleSplit(field.label, REGULAR, 9.5, INNER - 26)
        self.reserve_height(13 * len(lines) + 12)
        self.y -= 18
        self._draw_frame(LEFT, self.y - 3, 13, 13, WHITE)
        self.form.checkbox(
            name=field.name,
            tooltip=field.spoken,
            x=LEFT,
            y=self.y - 3,
            size=13,
            buttonStyle="check",
            fieldFlags="",
            textColor=BRAND,
            **_NO_BORDER,
        )
        for number, line in enumerate(lines):
            self.draw_text(LEFT + 22, self.y - 13 * number, line, REGULAR, 9.5)
        self.y -= 13 * (len(lines) - 1) + 4

    def _draw_input(self, field: PdfField, *, x: float, y: float, width: float, height: float, value: str) -> None:
        """Draw the part of a fillable field in which people write: a list of choices or a box for text.

        The frame is drawn on the page, because each PDF reader draws a field's own border in its own way.
        """
        self._draw_frame(x, y, width, height, PAPER if field.is_fixed else WHITE)
        box = {"x": x + 4, "y": y + 1, "width": width - 8, "height": height - 2}
        style = {"textColor": INK, "fontName": "Helvetica", "fontSize": 8 if field.is_fixed else FIELD_SIZE}
        names = {"name": field.name, "tooltip": field.spoken}
        if field.choices:
            options = list(field.choices)
            self.form.choice(
                value=value or options[0], options=options, fieldFlags="combo", **names, **box, **style, **_NO_BORDER
            )
            return
        flags = ("readOnly doNotSpellCheck" if field.is_fixed else "") + (" multiline" if field.lines > 1 else "")
        self.form.textfield(
            value=value, maxlen=field.max_length, fieldFlags=flags.strip(), **names, **box, **style, **_NO_BORDER
        )

    def _draw_frame(self, x: float, y: float, width: float, height: float, fill: HexColor) -> None:
        """Draw the frame of a fillable field; a white one, in which people write, has a darker line."""
        self.canvas.setFillColor(fill)
        self.canvas.setStrokeColor(FIELD_LINE if fill is WHITE else LINE)
        self.canvas.setLineWidth(0.8)
        self.canvas.roundRect(x, y, width, height, 2, stroke=1, fill=1)

    def draw_text(self, x: float, y: float, text: str, font: str, size: float, colour: HexColor = INK) -> None:
        """Draw one line of text with its left end at the point (x, y) of the page."""
        self.canvas.setFillColor(colour)
        self.canvas.setFont(font, size)
        self.canvas.drawString(x, y, text)

    def reserve_height(self, height: float) -> None:
        """Begin a new page of the document unless `height` points are left on this one."""
        if self.y - height < BOTTOM + 14:
            self._close_page()
            self.canvas.showPage()
            self._open_page()

    def _draw_row(self, row: Row) -> None:
        """Draw one row of the table of old and new values, as high as its longest cell."""
        cells = [  # each cell as its lines
            simpleSplit(text, font, 9.5, width - 12) or ["—"]
            for text, font, width in zip((row.label, row.old, row.new), (BOLD, REGULAR, BOLD), _WIDTHS, strict=True)
        ]
        height = 13 * max(map(len, cells)) + 8
        self.reserve_height(height)
        for (x, font), lines in zip(zip(_COLUMN_LEFTS, (BOLD, REGULAR, BOLD), strict=True), cells, strict=True):
            for number, line in enumerate(lines, start=1):
                self.draw_text(x, self.y - 13 * number, line, font, 9.5)
        self.y -= height
        self.canvas.setStrokeColor(LINE)
        self.canvas.line(LEFT, self.y, RIGHT, self.y)

    def _open_page(self) -> None:
        """Begin a page with the head of our documents: a coloured band with logo and title."""
        self._page += 1
        canvas, top = self.canvas, HEIGHT - HEAD
        canvas.setFillColor(BRAND_STRONG)
        canvas.rect(0, top, WIDTH, HEAD, stroke=0, fill=1)
        canvas.setFillColor(MARIGOLD)
        canvas.rect(0, top - 3, WIDTH, 3, stroke=0, fill=1)
        self._draw_logo(LEFT, top + 14, 30)
        self.draw_text(LEFT + 38, top + 24, "factureya", BOLD, 15, WHITE)
        canvas.setFillColor(WHITE)
        canvas.setFont(BOLD, 13)
        canvas.drawRightString(RIGHT, top + 24, self.title)
        self.y = top - 12

    def _draw_logo(self, x: float, y: float, size: float) -> None:
        """Draw our logo as in static/img/icon.svg: a page with a folded corner and a tick."""
        canvas, scale = self.canvas, size / 32
        canvas.saveState()
        canvas.translate(x, y + size)
        canvas.scale(scale, -scale)
        for fill, points in ((WHITE, "8,5 19,5 24,10 24,27 8,27"), (MARIGOLD, "19,5 24,10 19,10")):
            path, corners = (canvas.beginPath(), [tuple(map(float, point.split(","))) for point in points.split()])
            path.moveTo(*corners[0])  # the points "8,5 19,5" are the corners [(8.0, 5.0), (19.0, 5.0)]
            for point in corners[1:]:
                path.lineTo(*point)
            path.close()
            canvas.setFillColor(fill)
            canvas.drawPath(path, stroke=0, fill=1)
        canvas.setStrokeColor(BRAND)
        canvas.setLineWidth(2.6)
        canvas.setLineCap(1)
        canvas.lines([(12, 17.5, 15, 20.5), (15, 20.5, 21, 14)])
        canvas.restoreState()

    def _close_page(self) -> None:
        """Draw the document's foot line and the page number at the end of a page."""
        self.draw_text(LEFT, BOTTOM - 16, self._foot, REGULAR, 7.5, INK_2)
        self.canvas.setFont(REGULAR, 7.5)
        self.canvas.drawRightString(RIGHT, BOTTOM - 16, f"Página {self._page}")


_NO_BORDER: dict[str, object] = {"fillColor": None, "borderColor": None, "borderWidth": 0}
_WIDTHS = (110.0, (INNER - 110) / 2, (INNER - 110) / 2)
_COLUMN_LEFTS = (LEFT, LEFT + _WIDTHS[0], LEFT + _WIDTHS[0] + _WIDTHS[1])


def measure_field(field: PdfField) -> float:
    """Return the height of a field in points."""
    return 18.0 if field.lines == 1 else 7 + field.lines * FIELD_SIZE * 1.22


def measure_text(text: str, font: str, size: float) -> float:
    """Return the width of a line of text in points."""
    return float(pdfmetrics.stringWidth(text, font, size))


def _cut_word(text: str, font: str, size: float, width: float) -> list[str]:
    """Return a long word, such as a hash, in pieces that fit the width; each letter of the font is as wide as "0"."""
    per_line = int(width / measure_text("0", font, size))
    return [text[start : start + per_line] for start in range(0, len(text), per_line)] or [""]


def find_value(values: Mapping[str, str], name: str) -> str:
    """Return a value to prefill, with the line breaks that PDF fields use."""
    return values.get(name, "").replace("\r\n", "\n")
