"""Count the files and functions of ours that one act runs through, so that no act is spread over too many files."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from django.conf import settings

OURS = ("factureya", "accounts", "tickets", "change_requests")
NOT_COUNTED = {"tests", "testing", "dev", "migrations"}


@dataclass
class Trace:
    """Hold what one act ran through: the names of our files and of the functions in them."""

    files: set[str] = field(default_factory=set)
    functions: set[tuple[str, str]] = field(default_factory=set)


def trace_act(act: Callable[[], Any]) -> Trace:
    """Run `act` and return our files and functions that it called; the tests' own and the tooling's are left out."""
    trace, root, names = Trace(), Path(settings.BASE_DIR), {}

    def note_call(frame: FrameType, event: str, _argument: Any) -> None:
        """Add the called function to the trace."""
        if event != "call":
            return
        path = frame.f_code.co_filename
        if path not in names:
            names[path] = _name_of_ours(root, path)
        if names[path]:
            trace.files.add(names[path])
            trace.functions.add((names[path], frame.f_code.co_qualname))

    before = sys.getprofile()
    sys.setprofile(note_call)
    try:
        act()
    finally:
        sys.setprofile(before)
    return trace


def _name_of_ours(root: Path, path: str) -> str:
    """Return the path of one of our source files, relative to the repository; empty for any other file."""
    if not path.startswith(str(root)):
        return ""
    name = Path(path).relative_to(root)
    is_ours = name.parts[0] in OURS and not NOT_COUNTED.intersection(name.parts)
    return str(name) if is_ours else ""
