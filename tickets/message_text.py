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
    """Return the headings, numbered lists and paragraphs of a message's plain text, to show them on pages and in mails.

    No word is lost: a line that is no heading and in no list belongs to a paragraph. Empty blocks are left out.
    """
    blocks: list[Block] = []
    for line in body.splitlines():
        _add_line(blocks, line.rstrip())
    filled_blocks = [block for block in blocks if block.items or block.text.strip()]
    for block in filled_blocks:
        block.text = block.text.strip("\n")
    return filled_blocks


def _add_line(blocks: list[Block], line: str) -> None:
    """Add a line of a message to `blocks`: the headings, lists and paragraphs of the lines before it.

    A numbered line is a step only if it has the next number of the list, or begins a list with 1. An empty line ends a
    paragraph: it becomes an empty block, and the next line begins a new one.
    """
    if line.endswith(":") and line[:-1] in _HEADINGS:
        blocks.append(Block("heading", line[:-1]))
        return
    match = NUMBERED_LINE.fullmatch(line)  # "2) Abrir" has the groups "2" and "Abrir"
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
    """Return whether a line with this number is the next item of the list just above it, or the first of a new list."""
    if blocks and blocks[-1].kind == "steps":
        return number == len(blocks[-1].items) + 1
    return number == 1
