"""Read one PDF from standard input and print JSON, in a process with limits. It imports nothing of ours.

A PDF from outside may loop, recurse, or unpack to gigabytes. Then this process reaches the limits of memory and
processor time that `core.running.limited` set, and the form counts as `heavy`.
"""

import json
import re
import sys
from collections.abc import Iterator
from io import BytesIO
from typing import Any

from pypdf import PdfReader
from pypdf.generic import IndirectObject, NameObject

MAX_BYTES = 10 * 1024 * 1024
MAX_PAGES = 10
MAX_OBJECTS = 20_000
MAX_FIELDS = 200
MAX_VALUE = 4_000  # characters; longer ones are cut and refused for their length by the reader
_ESCAPED_BYTE = re.compile(rb"#([0-9A-Fa-f]{2})")
_BAD_ACTIONS = set("/Launch /GoToE /GoToR /ImportData /SubmitForm /Rendition /Movie /Sound /RichMediaExecute".split())
_EMBEDDED_KEYS = {"/EmbeddedFiles", "/EF", "/RichMediaContent", "/AF"}
_EMBEDDED_TYPES = {"/EmbeddedFile", "/FileAttachment", "/RichMedia"}
_FORBIDDEN_NAMES = {b"/JavaScript": "javascript", b"/Launch": "launch", b"/EmbeddedFile": "embedded"}


class Refused(Exception):
    """Report in one word why the file is not read."""


def main() -> None:
    """Read a PDF from standard input and print, as JSON, {"fields": {name: value}} or {"refusal": word}."""
    try:
        output: dict[str, Any] = {"fields": read_pdf(sys.stdin.buffer.read(MAX_BYTES + 1))}  # 1 more: too big
    except Refused as refusal:
        output = {"refusal": str(refusal)}
    except (MemoryError, RecursionError):
        output = {"refusal": "heavy"}
    except Exception as error:  # a hostile file can make the parser raise nearly any error
        output = {"refusal": "heavy" if type(error).__name__ == "LimitReachedError" else "broken"}
    sys.stdout.write(json.dumps(output))


def read_pdf(content: bytes) -> dict[str, str]:
    """Return a PDF form's values by field. Raises Refused; on a broken file the parser may raise nearly any error."""
    if len(content) > MAX_BYTES:
        raise Refused("too-big")
    reader = PdfReader(BytesIO(content), strict=False)
    if reader.is_encrypted:
        raise Refused("encrypted")
    root = reader.trailer["/Root"].get_object()
    check_pages(root)
    check_names(content)
    check_objects(reader.trailer)
    return read_fields(root)


def check_pages(root: Any) -> None:
    """Raise Refused for a PDF with no page or too many. The pages are counted, as the file may state a false number."""
    pages = 0
    for node in walk_objects([root.get("/Pages")], lambda node: node.get("/Kids") or ()):
        pages += "/Kids" not in node  # True adds 1; a node with kids is a group of pages
        if pages > MAX_PAGES:
            raise Refused("pages")
    if not pages:
        raise Refused("broken")


def check_names(content: bytes) -> None:
    """Raise Refused if the raw bytes of a PDF contain the name of a script, an action or an embedded file.

    `check_objects` sees only what our parser understands. Another PDF reader may run parts that our parser ignores.
    """
    plain = _ESCAPED_BYTE.sub(lambda escape: bytes([int(escape[1], 16)]), content)  # #4A is a J in a PDF's names
    for word, refusal in _FORBIDDEN_NAMES.items():
        if word in plain:
            raise Refused(refusal)


def check_objects(trailer: Any) -> None:
    """Raise Refused if a PDF leads, by any reference, to a script, a dangerous action or an embedded file."""
    for node in walk_objects([trailer], list_contents):
        if not hasattr(node, "keys"):
            continue
        action, kinds = node.get("/S"), {str(node.get("/Type")), str(node.get("/Subtype"))}
        if "/JS" in node or "/JavaScript" in node or action == "/JavaScript":
            raise Refused("javascript")
        if action in _BAD_ACTIONS:
            raise Refused("launch")
        if _EMBEDDED_KEYS & set(node.keys()) or kinds & _EMBEDDED_TYPES:
            raise Refused("embedded")


def read_fields(root: Any) -> dict[str, str]:
    """Return name and value of every field of a PDF form.

    Raises Refused for a PDF without fields (a scan or a flattened form), of another kind (XFA), or with too many.
    """
    form = resolve(root.get("/AcroForm"))
    if not hasattr(form, "get") or not form.get("/Fields"):
        raise Refused("scan")
    if "/XFA" in form:
        raise Refused("foreign")
    values: dict[str, str] = {}
    for node in walk_objects([form["/Fields"]], list_children):
        name = node.get("/T") if hasattr(node, "get") else None
        if isinstance(name, str):
            values[str(name)[:100]] = read_value(node)
        if len(values) > MAX_FIELDS:
            raise Refused("foreign")
    return values


def read_value(node: Any) -> str:
    """Return a field's value as text; of radio buttons the name of the chosen button; empty for no value."""
    value = resolve(node.get("/V"))
    if isinstance(value, list):  # of several chosen values the first counts
        value = resolve(value[0]) if value else None
    if value is None and node.get("/FT") == "/Btn":  # a button may only show its state
        states = (resolve(kid).get("/AS") for kid in resolve(node.get("/Kids")) or [node])
        value = next((state for state in states if state not in (None, "/Off")), None)
    if isinstance(value, NameObject):
        return "" if value == "/Off" else str(value)[1:MAX_VALUE]  # without its slash
    if isinstance(value, bytes):
        return value[:MAX_VALUE].decode("utf-8", "replace")
    return str(value)[:MAX_VALUE] if isinstance(value, str) else ""


def walk_objects(start: list[Any], list_inner: Any) -> Iterator[Any]:
    """Yield every object of a PDF that can be reached from the objects in `start`, in order and without recursion.

    `list_inner` returns the objects inside an object. A referenced object is visited once. A list is not yielded, but
    its members are. Raises Refused for too many objects.
    """
    visited: set[tuple[int, int]] = set()
    stack = list(reversed(start))
    objects_left = MAX_OBJECTS
    while stack:
        node = stack.pop()
        if isinstance(node, IndirectObject):
            if (node.idnum, node.generation) in visited:
                continue
            visited.add((node.idnum, node.generation))
            node = node.get_object()
        objects_left -= 1
        if not objects_left:
            raise Refused("heavy")
        if node is None:
            continue
        if not isinstance(node, list):
            yield node
        stack.extend(reversed(list(node if isinstance(node, list) else list_inner(node))))


def list_contents(node: Any) -> list[Any]:
    """Return the objects in an object of a PDF. A reference to another object stays a reference (IndirectObject)."""
    values = (node.raw_get(key) for key in node) if hasattr(node, "raw_get") else ()
    return [value for value in values if isinstance(value, IndirectObject | list | dict)]


def list_children(node: Any) -> list[Any]:
    """Return the child fields of a PDF's field, to walk through the form."""
    kids = resolve(node.get("/Kids")) if hasattr(node, "get") else None
    return list(kids) if isinstance(kids, list) else []


def resolve(node: Any) -> Any:
    """Return the object behind a reference."""
    return node.get_object() if isinstance(node, IndirectObject) else node


if __name__ == "__main__":
    main()
