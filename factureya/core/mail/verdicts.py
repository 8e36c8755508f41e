"""What our own mail server found out about a mail's sender: RFC 8601, one server's word and nobody else's (M5).

Pure functions on header values. Our server must remove headers that claim to be its own (RFC 8601, section 5); as a
second line every DMARC result under its name must be a pass, so a forged one can only harm its sender.
"""

import re
from collections.abc import Iterable
from enum import StrEnum


class Verdict(StrEnum):
    """Whether the domain of From vouches for the mail."""

    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    NONE = "none"  # nobody we trust said anything


# The domain publishes no policy, or the check could not be made: neither proof nor disproof.
_UNDECIDED = {"none", "temperror", "permerror", "bestguesspass"}
_PIECES = re.compile(r'"(?:[^"\\]|\\.)*"|\\.|[();]|[^"\\();]+', re.DOTALL)
_RESULT = re.compile(r"^\s*dmarc(?:\s*/\s*\d+)?\s*=\s*([\w-]+)", re.IGNORECASE)
_FROM = re.compile(r'\sheader\.from\s*=\s*"?(?:[^\s";@]*@)?([^\s";]+?)"?(?=\s|$)', re.IGNORECASE)


def verdict(headers: Iterable[str], *, authserv: str, domain: str) -> Verdict:
    """The verdict of the server `authserv` on a mail whose From is in `domain`, from Authentication-Results values.

    A pass counts only for the very domain of From; a failure always counts. Headers of other servers say nothing.
    """
    found = [
        _judge(section, domain.lower())
        for header in headers
        for section in _sections_of(header, authserv.strip().lower())
        if _RESULT.match(section)
    ]
    if Verdict.FAIL in found:
        return Verdict.FAIL
    return Verdict.PASS if found and set(found) == {Verdict.PASS} else Verdict.NONE


def _judge(section: str, domain: str) -> Verdict:
    result = _RESULT.match(section)
    assert result is not None
    word = result.group(1).lower()
    if word in _UNDECIDED:
        return Verdict.NONE
    if word != "pass":
        return Verdict.FAIL
    named = _FROM.search(section)
    if named is None:
        return Verdict.NONE
    return Verdict.PASS if named.group(1).lower().rstrip(".") == domain else Verdict.FAIL


def _sections_of(header: str, authserv: str) -> list[str]:
    """The results in the header, if it is this server's; comments gone, quoted text never taken for syntax."""
    sections: list[list[str]] = [[]]
    depth = 0
    for piece in _PIECES.findall(header):
        if piece in "()":
            depth = max(depth + (1 if piece == "(" else -1), 0)
            sections[-1].append(" ")
        elif depth:
            continue
        elif piece == ";":
            sections.append([])
        else:
            sections[-1].append(piece)
    first, *others = ("".join(pieces) for pieces in sections)
    name = first.split()  # the name, and perhaps a version
    mine = bool(authserv) and bool(name) and name[0].strip('"').lower() == authserv
    return others if mine else []
