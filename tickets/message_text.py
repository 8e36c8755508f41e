"""Read the text of a message into blocks (M17).

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
    """Hold a piece of a message: kind `heading`, `paragraph` (text) or `steps` (items)."""

    kind: str
    text: str = ""
    items: list[str] = field(default_factory=list)


def read_blocks(body: str) -> list[Block]:
    """Read a message's text into blocks. Nothing is lost: what is no heading and no list is a paragraph."""
    blocks: list[Block] = []
    for line in body.splitlines():
        _add_line(blocks, line.rstrip())
    kept = [block for block in blocks if block.items or block.text.strip()]
    for block in kept:
        block.text = block.text.strip("\n")
    return kept


def _add_line(blocks: list[Block], line: str) -> None:
    """Add a line to the blocks blocks so far: as a heading, a step, or part of a paragraph."""
    if line.endswith(":") and line[:-1] in _HEADINGS:
        blocks.append(Block("heading", line[:-1]))
        return
    match = NUMBERED_LINE.fullmatch(line)
    if match and _continues_list(blocks, int(match.group(1))):
        if blocks and blocks[-1].kind == "steps":
            blocks[-1].items.append(match.group(2))
        else:
            blocks.append(Block("steps", items=[match.group(2)]))
        return
    if line.strip() and blocks and blocks[-1].kind == "paragraph" and blocks[-1].text:
        blocks[-1].text += f"\n{line}"
    else:
        blocks.append(Block("paragraph", line))


def _continues_list(blocks: list[Block], number: int) -> bool:
    """Return whether a line with this number begins a list or is its next item."""
    if blocks and blocks[-1].kind == "steps":
        return number == len(blocks[-1].items) + 1
    return number == 1
