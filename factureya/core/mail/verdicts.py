"""Read what our own mail server found out about the sender of a mail: RFC 8601, that one server only (M5).

Our server must remove headers that claim to be its own (RFC 8601, section 5). As a second line, every DMARC result
under its name must be a pass, so a forged one can only harm its sender.
"""

import re
from collections.abc import Iterable
from enum import StrEnum


class Verdict(StrEnum):
    """Say whether the domain in From vouches for the mail."""

    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    NONE = "none"  # nobody we trust said anything


# The domain publishes no policy, or the check could not be made: neither proof nor disproof.
_UNDECIDED = {"none", "temperror", "permerror", "bestguesspass"}
_PIECES = re.compile(r'"(?:[^"\\]|\\.)*"|\\.|[();]|[^"\\();]+', re.DOTALL)
_RESULT = re.compile(r"^\s*dmarc(?:\s*/\s*\d+)?\s*=\s*([\w-]+)", re.IGNORECASE)
_FROM = re.compile(r'\sheader\.from\s*=\s*"?(?:[^\s";@]*@)?([^\s";]+?)"?(?=\s|$)', re.IGNORECASE)


def read_verdict(headers: Iterable[str], *, authserv: str, domain: str) -> Verdict:
    """Return whether our mail server `authserv` vouches that a mail comes from `domain`: its DMARC results decide.

    `headers` are the Authentication-Results of the mail; those of other servers are ignored. One failure makes
    it FAIL. It is PASS only if every result is a pass for exactly that domain.
    """
    verdicts = [
        _judge_result(result.group(1).lower(), section, domain.lower())
        for header in headers
        for section in _split_results(header, authserv.strip().lower())
        if (result := _RESULT.match(section))
    ]
    if Verdict.FAIL in verdicts:
        return Verdict.FAIL
    return Verdict.PASS if set(verdicts) == {Verdict.PASS} else Verdict.NONE


def _judge_result(result: str, section: str, domain: str) -> Verdict:
    """Return PASS if a DMARC `result` («pass», «fail»…) proves a sender of this domain; `section` is its whole text.

    Return NONE if the result is undecided or does not say which domain passed; else FAIL.
    """
    if result in _UNDECIDED:  # «none», «temperror»…
        return Verdict.NONE
    if result != "pass":
        return Verdict.FAIL
    passed_domain = _FROM.search(section)
    if passed_domain is None:
        return Verdict.NONE
    return Verdict.PASS if passed_domain.group(1).lower().rstrip(".") == domain else Verdict.FAIL


def _split_results(header: str, authserv: str) -> list[str]:
    """Return the results in an Authentication-Results header, without comments, if `authserv` wrote it; else none."""
    sections: list[list[str]] = [[]]
    comment_depth = 0  # how many comments «(…» are open
    for piece in _PIECES.findall(header):  # a bracket, «;», a quoted text, or the text between
        if piece in "()":
            comment_depth = comment_depth + 1 if piece == "(" else max(0, comment_depth - 1)
            sections[-1].append(" ")
        elif comment_depth:
            continue
        elif piece == ";":
            sections.append([])
        else:
            sections[-1].append(piece)
    first, *others = ("".join(pieces) for pieces in sections)
    name = first.split()  # the name, and perhaps a version
    is_ours = bool(authserv) and bool(name) and name[0].strip('"').lower() == authserv
    return others if is_ours else []
