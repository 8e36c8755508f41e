"""HTML of a mail as plain text; it is read, never rendered."""

import re
from html import unescape

from inscriptis.css_profiles import CSS_PROFILES
from inscriptis.html_engine import Inscriptis
from inscriptis.model.config import ParserConfig
from lxml import etree, html

MAX_HTML = 400_000  # characters
MAX_CELLS = 5_000  # of tables, which cost the most
TAG = re.compile(r"<[^<>]{0,2000}>")
INVISIBLE = re.compile(r"<(script|style|head|title)\b", re.IGNORECASE)
CLOSING = {
    name: re.compile(rf"</{name}\s*>", re.IGNORECASE)
    for name in ("script", "style", "head", "title")
}
CONFIG = ParserConfig(css=CSS_PROFILES["strict"])  # no indentation of what is a block
DECLARATION = re.compile(r"^\s*<\?xml[^>]{0,200}\?>")


def html_to_text(page: str) -> str:
    """The page as text; what is marked as quoted stands behind «> » as in plain mail.

    A page that the parser refuses, or whose tables are too large for it, keeps its text without the tags.
    """
    page = DECLARATION.sub("", page[:MAX_HTML])
    if page.count("<t") + page.count("<T") > MAX_CELLS:
        return _without_tags(page)
    try:
        tree = html.document_fromstring(page)
        _mark_quotes(tree)
        return _text(tree)
    except (etree.LxmlError, ValueError, RecursionError, AssertionError, LookupError, TypeError):
        return _without_tags(page)


def _mark_quotes(tree: html.HtmlElement) -> None:
    """Write the lines of every quote that a mail program marked with «> » before them."""
    for quote in tree.xpath("//blockquote[not(ancestor::blockquote)]"):
        if quote.get("type") == "cite" or quote.get("cite") or "quote" in quote.get("class", ""):
            tail, quote.tail = quote.tail, None
            lines = _text(quote).split("\n")
            quote.clear()
            quote.tag = "pre"
            quote.text = "\n".join(f"> {line}".rstrip() for line in lines)
            quote.tail = tail


def _text(tree: html.HtmlElement) -> str:
    text: str = Inscriptis(tree, CONFIG).get_text()
    return "\n".join(line.rstrip() for line in text.split("\n")).strip("\n")


def _without_tags(page: str) -> str:
    text = unescape(TAG.sub(" ", _without_invisible(page)))
    return re.sub(r"[ \t]+", " ", text).strip()


def _without_invisible(page: str) -> str:
    """The page without what no browser shows. One expression for all of it takes minutes when nothing is closed."""
    kept, at, unclosed = [], 0, set()
    for opening in INVISIBLE.finditer(page):
        name = opening.group(1).lower()
        if opening.start() < at or name in unclosed:
            continue
        if closing := CLOSING[name].search(page, opening.end()):
            kept.append(page[at : opening.start()])
            at = closing.end()
        else:
            unclosed.add(name)
    return " ".join([*kept, page[at:]])
