"""The text of a message: how the guided form's answers become one text (M17), and how a text becomes blocks.

Messages are plain text. The same reading serves the customer's page, the agent's and the mails: a known heading on
a line of its own, a list whose lines are numbered 1, 2, 3…, and paragraphs.
"""

import re
from dataclasses import dataclass, field

STEPS = "Pasos que siguió"
EXPECTED = "Qué esperaba que pasara"
_HEADINGS = frozenset({STEPS, EXPECTED})
_NUMBERED = re.compile(r"\s*(\d{1,3})\s*[.)\-]\s+(\S.*)")


@dataclass
class Block:
    """A piece of a message: kind `heading`, `paragraph` (text) or `steps` (items)."""

    kind: str
    text: str = ""
    items: list[str] = field(default_factory=list)


def compose(description: str, steps: str, expected: str = "") -> str:
    """One text from the guided form's answers, each under its heading; steps numbered, one per line."""
    lines = [without_number(line) for line in steps.splitlines() if line.strip()]
    numbered = "\n".join(f"{place}. {line}" for place, line in enumerate(lines, 1))
    parts = [_lines(description)]
    if numbered:  # by phone they may be missing
        parts.append(f"{STEPS}:\n{numbered}")
    if expected.strip():
        parts.append(f"{EXPECTED}:\n{_lines(expected)}")
    return "\n\n".join(parts)


def without_number(line: str) -> str:
    """The line without the number its writer put before it."""
    match = _NUMBERED.fullmatch(line)
    return match.group(2).strip() if match else line.strip()


def blocks(body: str) -> list[Block]:
    """Read a message's text into blocks. Nothing is lost: what is no heading and no list is a paragraph."""
    found: list[Block] = []
    for line in body.splitlines():
        _add(found, line.rstrip())
    kept = [block for block in found if block.items or block.text.strip()]
    for block in kept:
        block.text = block.text.strip("\n")
    return kept


def _add(found: list[Block], line: str) -> None:
    if line.endswith(":") and line[:-1] in _HEADINGS:
        found.append(Block("heading", line[:-1]))
        return
    match = _NUMBERED.fullmatch(line)
    if match and _continues(found, int(match.group(1))):
        if found and found[-1].kind == "steps":
            found[-1].items.append(match.group(2))
        else:
            found.append(Block("steps", items=[match.group(2)]))
        return
    if line.strip() and found and found[-1].kind == "paragraph" and found[-1].text:
        found[-1].text += f"\n{line}"
    else:
        found.append(Block("paragraph", line))


def _continues(found: list[Block], number: int) -> bool:
    """Whether a line with this number begins a list or is its next item."""
    if found and found[-1].kind == "steps":
        return number == len(found[-1].items) + 1
    return number == 1


def _lines(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip().splitlines())
