"""Count what a patch changes, once, when all of it has arrived (M32)."""

import re
from collections.abc import Iterable
from pathlib import Path

# «@@ -12,7 +12,9 @@»: how many lines of the old and of the new file follow; without a number it is one.
_PART = re.compile(rb"@@ -\d{1,9}(?:,(\d{1,9}))? \+\d{1,9}(?:,(\d{1,9}))? @@")


def count_patch(path: Path) -> dict[str, int]:
    """Return how many files the patch changes, and how many lines it adds and removes, by column. Raises OSError."""
    with path.open("rb") as lines:
        files, changed = count_changes(lines)
    return {"patch_files": files, "patch_lines": changed}


def count_changes(lines: Iterable[bytes]) -> tuple[int, int]:
    """Return how many files the lines of a diff change, and how many lines they add and remove.

    Where a part of the diff ends follows from its numbers; so a line that was removed is none that names a file.
    """
    named = begun = changed = old_left = new_left = 0
    for line in lines:
        if old_left > 0 or new_left > 0:
            sign = line[:1]
            changed += sign in (b"+", b"-")
            old_left -= sign not in (b"+", b"\\")
            new_left -= sign not in (b"-", b"\\")
        elif match := _PART.match(line):
            old_left, new_left = (int(count) if count is not None else 1 for count in match.groups())
        else:
            named += line.startswith(b"+++ ")
            begun += line.startswith(b"diff ")  # such a file may have no lines: it was renamed, or is not text
    return max(named, begun), changed
