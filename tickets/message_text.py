"""The text of a message, read into blocks (M17).

Messages are plain text. The same reading serves the customer's page, the agent's and the mails: a known heading on
a line of its own, a list whose lines are numbered 1, 2, 3…, and paragraphs.
"""

import re
from dataclasses import dataclass, field

STEPS = "Pasos que siguió"
EXPECTED = "Qué esperaba que pasara"
_HEADINGS = frozenset({STEPS, EXPECTED})
NUMBERED_LINE = re.compile(r"\s*(\d{1,3})\s*[.)\-]\s+(\S.*)")


@dataclass
class Block:
    """A piece of a message: kind `heading`, `paragraph` (text) or `steps` (items)."""

    kind: str
    text: str = ""
    items: list[str] = field(default_factory=list)


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
