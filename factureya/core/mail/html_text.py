"""Turn the HTML of a mail into plain text; it is never rendered.

Each element is visited once and each character written once, so the work is linear in the text (M6).
"""

import re
from html import unescape

from lxml import etree, html

MAX_HTML = 400_000  # characters
MAX_DEPTH = 8  # of lists that are indented
TAG = re.compile(r"<[^<>]{0,2000}>")
INVISIBLE = re.compile(r"<(script|style|head|title)\b", re.IGNORECASE)
CLOSING = {name: re.compile(rf"</{name}\s*>", re.IGNORECASE) for name in ("script", "style", "head", "title")}
DECLARATION = re.compile(r"^\s*<\?xml[^>]{0,200}\?>")
# A name, and a long text before the next «<»: the parser compares each attribute of a tag with all before it.
LONG_TAG = re.compile(r"<([A-Za-z!?][A-Za-z0-9-]{0,40})[^<]{4000,}+")
RAW_TEXT_ELEMENTS = frozenset({"style", "script"})  # whose content is no attribute, and often long
BETWEEN_ATTRIBUTES = str.maketrans("/\"'=", "    ")
MAX_ATTRIBUTES = 2000  # of one tag
ATTRIBUTE_SIZE = 40  # characters; what is longer on the average is a picture written into its tag
BLANKS = re.compile(r"[ \t\r\n\f]+")
HIDDEN = frozenset({"script", "style", "head", "title", "template"})
PRESERVED = frozenset({"pre", "textarea", "listing"})
LISTS = frozenset({"ul", "ol", "menu", "dir"})
CELLS = frozenset({"td", "th"})
# Elements that stand on lines of their own, and those with a blank line around them.
BLOCKS = frozenset(
    "address article aside center dd details div dl dt fieldset figcaption figure footer form header hr legend li main "
    "nav optgroup option section summary table tbody thead tfoot tr caption body html blockquote ul ol menu dir pre "
    "textarea listing".split()
)
BLANK_LINE_BLOCKS = frozenset({"p", "h1", "h2", "h3", "h4", "h5", "h6"})
LINE, BLANK_LINE = 1, 2  # what must stand before the next word


def html_to_text(page: str) -> str:
    """Return the HTML page of a mail as plain text; quoted text begins with «> », as in plain mail.

    If the parser would take too long, refuses the page or drops some of it, only the tags are removed.
    """
    page = DECLARATION.sub("", page[:MAX_HTML])
    if _has_too_many_attributes(page):
        return strip_tags(page)
    parser = html.HTMLParser(huge_tree=True)  # else it leaves out what is nested deeper than 256
    try:
        tree = html.document_fromstring(page, parser=parser)
    except (etree.LxmlError, ValueError, AssertionError, LookupError, TypeError):
        return strip_tags(page)
    is_incomplete = any(entry.type_name == "ERR_RESOURCE_LIMIT" for entry in parser.error_log)
    return strip_tags(page) if is_incomplete else _Writer().read(tree)


def strip_tags(page: str) -> str:
    """Return the text of an HTML page with a blank for each tag, for a page whose structure cannot be read."""
    text = unescape(TAG.sub(" ", _strip_invisible(page)))
    return re.sub(r"[ \t]+", " ", text).strip()


class _Writer:
    """Write the text of a page line by line, in the order of its elements."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._line: list[str] = []  # what stands on the line that is being written
        self._item_mark = ""  # of a list's item whose first word is still to come
        self._next_gap = 0  # before the next word: nothing, LINE or BLANK_LINE
        self._list_numbers: list[int] = []  # of each list around: the number of its last item, or -1
        self._preserved_depth = 0
        self._quote_depth = 0
        self._last_cell_line = -1  # number of the line where the previous cell began; -1: no cell before in this row
        self._is_cell_empty = False  # whether the cell has no word yet: a block that begins it begins no line

    def read(self, tree: html.HtmlElement) -> str:
        """Return the text of the HTML elements that browsers show, without blanks at the ends of lines."""
        walk = etree.iterwalk(tree, events=("start", "end", "comment", "pi"))
        for event, element in walk:
            if event == "start":
                if _is_hidden(element):
                    walk.skip_subtree()
                else:
                    self._open_element(element)
                    self._write_text(element.text)
                continue
            if event == "end" and not _is_hidden(element):
                self._close_element(element)
            if element is not tree:
                self._write_text(element.tail)  # what stands after the element
        self._end_line()
        return "\n".join(self.lines).strip("\n")

    def _open_element(self, element: html.HtmlElement) -> None:
        """Prepare the plain text for an HTML element that starts: a line break, a cell, a list item or a quote."""
        tag = element.tag
        if tag == "br":
            self._begin_line()
            self._end_line(is_forced=True)
        elif tag in CELLS:
            self._open_cell()
        elif not self._is_cell_empty:  # a block that begins a cell stays on the cell's line
            self._ask_for_gap(_get_gap(tag))
        if tag == "tr":
            self._last_cell_line = -1  # the first cell of a row has none to stand beside
        elif tag in LISTS:
            self._list_numbers.append(0 if tag == "ol" else -1)  # -1: a list without numbers
        elif tag == "li":
            self._item_mark = self._make_item_mark()
        self._preserved_depth += tag in PRESERVED  # inside <pre> blanks and line ends stay
        if _is_quote(element):
            self._end_line()
            self._quote_depth += 1  # each line of a quote begins with one «>», however deep it is

    def _close_element(self, element: html.HtmlElement) -> None:
        """Note the end of an HTML element: a gap follows it, and its list, cell, table or quote is left."""
        tag = element.tag
        self._ask_for_gap(_get_gap(tag))
        self._is_cell_empty = self._is_cell_empty and tag not in CELLS  # after </td> no cell is open
        if tag in LISTS:
            self._list_numbers.pop()  # the list around goes on with its own numbers
        elif tag == "li":
            self._item_mark = ""  # the mark of an item without words is never written
        elif tag == "table":
            self._last_cell_line = -1  # no cell to stand beside: the next one begins a line
        self._preserved_depth -= tag in PRESERVED  # at 0 blanks and line ends are joined again
        if _is_quote(element):
            self._end_line()
            self._quote_depth -= 1

    def _open_cell(self) -> None:
        """Begin a table cell: on the line of the previous cell if that cell took only one line, else on a new line."""
        if self._line and self._last_cell_line == len(self.lines):
            self._next_gap = 0
            self._line.append("  ")  # two blanks part the cells
        else:
            self._ask_for_gap(LINE)
        starts_new_line = bool(self._line and self._next_gap)  # once the first word of the cell is written
        self._last_cell_line = len(self.lines) + int(starts_new_line)
        self._is_cell_empty = True

    def _make_item_mark(self) -> str:
        """Return what stands before an item of an HTML list: its indent, and a star or its number."""
        indent = "  " * min(len(self._list_numbers) - 1, MAX_DEPTH)
        if not self._list_numbers or self._list_numbers[-1] < 0:  # a list without numbers
            return f"{indent}* "
        self._list_numbers[-1] += 1
        return f"{indent}{self._list_numbers[-1]}. "

    def _ask_for_gap(self, gap: int) -> None:
        """Note that at least this gap must stand before the next word: LINE or BLANK_LINE."""
        self._next_gap = max(self._next_gap, gap)

    def _write_text(self, text: str | None) -> None:
        """Write the text of an HTML element: preserved lines (<pre>) as they are, other text with single blanks."""
        if not text:
            return
        if self._preserved_depth:
            lines = text.replace("\r\n", "\n").split("\n")
        else:
            lines = [BLANKS.sub(" ", text)]
            if not self._line or self._next_gap or self._line[-1].endswith(" "):
                lines = [lines[0].removeprefix(" ")]  # no blank begins a line or follows another
        for number, line in enumerate(lines):
            if number:
                self._end_line(is_forced=True)
            if line:
                self._begin_line()
                self._line.append(line)

    def _begin_line(self) -> None:
        """Write what comes before the next word: a due line break, and a list item's mark at its first word."""
        self._is_cell_empty = False
        if self._next_gap:
            self._end_line()
            if self._next_gap == BLANK_LINE and self.lines and self.lines[-1].strip("> "):
                self.lines.append(">" if self._quote_depth else "")  # unless the last line is blank already
            self._next_gap = 0
        if self._item_mark and not self._line:
            self._line.append(self._item_mark)
            self._item_mark = ""

    def _end_line(self, *, is_forced: bool = False) -> None:
        """End the line that is being written; an empty line is written only if it is forced."""
        line = "".join(self._line).rstrip()
        if line or is_forced:
            self.lines.append(f"> {line}".rstrip() if self._quote_depth else line)
        self._line = []


def _has_too_many_attributes(page: str) -> bool:
    """Return True if a tag of an HTML page may have so many attributes that the parser takes seconds (M6)."""
    for long_tag in LONG_TAG.finditer(page):
        name, tag = long_tag.group(1).lower(), long_tag.group()
        if name in RAW_TEXT_ELEMENTS or name.startswith("!"):  # code or a comment follows their «>», no attributes
            tag = tag.partition(">")[0]
        attributes = len(tag.translate(BETWEEN_ATTRIBUTES).split())
        # Long attributes are few: mostly pictures written into the tag.
        if attributes > MAX_ATTRIBUTES and len(tag) < attributes * ATTRIBUTE_SIZE:
            return True
    return False


def _get_gap(tag: str) -> int:
    """Return the gap that an element of this name needs before and after it: 0, LINE or BLANK_LINE."""
    if tag in BLANK_LINE_BLOCKS:
        return BLANK_LINE
    return LINE if tag in BLOCKS else 0


def _is_hidden(element: html.HtmlElement) -> bool:
    """Return True if browsers do not show this HTML element, by its name or its style."""
    style: str = element.get("style", "")
    return element.tag in HIDDEN or ("display" in style and "display:none" in style.replace(" ", "").lower())


def _is_quote(element: html.HtmlElement) -> bool:
    """Return True if a mail program marked this HTML element as a quote from the mail that is answered."""
    is_marked = element.get("type") == "cite" or element.get("cite") or "quote" in element.get("class", "")
    return element.tag == "blockquote" and bool(is_marked)


def _strip_invisible(page: str) -> str:
    """Return an HTML page without the elements that no browser shows. An element without an end tag stays.

    A missing end tag is looked for only once, so the time is linear in the length of the page (M6).
    """
    visible, at, unclosed_names = [], 0, set()
    for opening in INVISIBLE.finditer(page):
        name = opening.group(1).lower()
        if opening.start() < at or name in unclosed_names:
            continue
        if closing := CLOSING[name].search(page, opening.end()):
            visible.append(page[at : opening.start()])
            at = closing.end()
        else:
            unclosed_names.add(name)
    return " ".join([*visible, page[at:]])
