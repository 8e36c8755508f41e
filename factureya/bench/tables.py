"""Markdown for the page of the measurements."""

from collections.abc import Sequence


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table with its head."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def verdict(is_met: bool) -> str:
    """Return whether a target was met; a miss is bold."""
    return "met" if is_met else "**missed**"
