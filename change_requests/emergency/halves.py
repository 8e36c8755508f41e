"""How a half of a critical password looks, so that none is written down wherever somebody typed it (M22)."""

import logging
import re

ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"  # nothing that looks like something else
GROUPS, GROUP_CHARACTERS = 5, 4  # 20 characters: 98 bits
HIDDEN = "[oculto]"
_GROUP = rf"[{ALPHABET}]{{{GROUP_CHARACTERS}}}"
_GROUPED = re.compile(rf"(?<![^\W_])(?:{_GROUP}[\s_–-]*){{{GROUPS - 1}}}{_GROUP}(?![^\W_])", re.IGNORECASE)
# As many characters or more, with any separators between them: «AB.CD…», or two groups of ten.
_RUN = re.compile(rf"[{ALPHABET}](?:[\W_]{{0,3}}[{ALPHABET}]){{{GROUPS * GROUP_CHARACTERS - 1},}}", re.IGNORECASE)
_HASH = re.compile(r"((?<![^\W_])[0-9a-f]{12,64}(?![^\W_]))")  # of a hash or a part of one; a half is never


def hide_halves(text: str) -> str:
    """Return the text without what looks like a half of a critical password, however its characters are grouped."""
    parts = _HASH.split(text)  # parts 1, 3, 5… are hashes: they stay as they are
    parts[::2] = [_RUN.sub(_hide_run, _GROUPED.sub(HIDDEN, part)) for part in parts[::2]]
    return "".join(parts)


def _hide_run(run: re.Match[str]) -> str:
    """Return HIDDEN for a run of the alphabet's characters, or the run itself if it has no digit: it is words then."""
    return HIDDEN if any(character.isdigit() for character in run.group()) else run.group()


class WithoutHalves(logging.Filter):
    """Cut halves out of every log record, for example of an address into which somebody typed one."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Hide what looks like half a password in a log record; return True, since every record is logged."""
        text = record.getMessage()
        if (cleaned := hide_halves(text)) != text:
            record.msg, record.args = cleaned, ()
        return True
