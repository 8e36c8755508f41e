"""The text of a message: how a mail becomes one (M17), and how a text becomes blocks.

Messages are plain text. The same reading serves the customer's page, the agent's and the mails: a known heading on
a line of its own, a list whose lines are numbered 1, 2, 3…, and paragraphs.
"""

import re
from dataclasses import dataclass, field

from factureya.core.files.from_mail import Kept

STEPS = "Pasos que siguió"
EXPECTED = "Qué esperaba que pasara"
MAX_SUBJECT = 120
NO_TEXT = "(El correo no traía texto.)"
REFUSED_FILES = "Archivos del correo que no se pudieron agregar:"
_HEADINGS = frozenset({STEPS, EXPECTED})
NUMBERED_LINE = re.compile(r"\s*(\d{1,3})\s*[.)\-]\s+(\S.*)")


@dataclass
class Block:
    """A piece of a message: kind `heading`, `paragraph` (text) or `steps` (items)."""

    kind: str
    text: str = ""
    items: list[str] = field(default_factory=list)


def shorten_subject(subject: str) -> str:
    """Return a mail's subject as one line that fits; the whole subject stays in the stored mail."""
    line = " ".join(subject.split())
    return line if len(line) <= MAX_SUBJECT else f"{line[: MAX_SUBJECT - 1]}…"


def join_mail_text(own_words: str, text: str, kept: Kept) -> str:
    """Return what a mail adds to a ticket: its new text, or all of it if nothing is new; then the refused files."""
    words = own_words.strip() or text.strip()
    if not words and kept.files:
        words = "Adjunto: " + ", ".join(file.name for file in kept.files)
    parts = [words or NO_TEXT]
    if kept.refusals:
        parts.append("\n".join([REFUSED_FILES, *(f"- {line}" for line in kept.refusals)]))
    return "\n\n".join(parts)


def read_blocks(body: str) -> list[Block]:
    """Read a message's text into blocks. Nothing is lost: what is no heading and no list is a paragraph."""
    found: list[Block] = []
    for line in body.splitlines():
        _add_line(found, line.rstrip())
    kept = [block for block in found if block.items or block.text.strip()]
    for block in kept:
        block.text = block.text.strip("\n")
    return kept


def _add_line(found: list[Block], line: str) -> None:
    """Add a line to the blocks found so far: as a heading, a step, or part of a paragraph."""
    if line.endswith(":") and line[:-1] in _HEADINGS:
        found.append(Block("heading", line[:-1]))
        return
    match = NUMBERED_LINE.fullmatch(line)
    if match and _continues_list(found, int(match.group(1))):
        if found and found[-1].kind == "steps":
            found[-1].items.append(match.group(2))
        else:
            found.append(Block("steps", items=[match.group(2)]))
        return
    if line.strip() and found and found[-1].kind == "paragraph" and found[-1].text:
        found[-1].text += f"\n{line}"
    else:
        found.append(Block("paragraph", line))


def _continues_list(found: list[Block], number: int) -> bool:
    """Return whether a line with this number begins a list or is its next item."""
    if found and found[-1].kind == "steps":
        return number == len(found[-1].items) + 1
    return number == 1
