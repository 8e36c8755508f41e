"""How a half of a critical password looks, so that none is written down wherever somebody typed it (M22)."""

import logging
import re

ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"  # nothing that looks like something else
GROUPS, GROUP_CHARACTERS = 5, 4  # 20 characters: 98 bits
HIDDEN = "[oculto]"
_GROUP = rf"[{ALPHABET}]{{{GROUP_CHARACTERS}}}"
_HALF = re.compile(rf"(?:{_GROUP}[\s_–-]*){{{GROUPS - 1}}}{_GROUP}", re.IGNORECASE)


def hide_halves(text: str) -> str:
    """Return the text without what looks like a half of a critical password."""
    return _HALF.sub(HIDDEN, text)


class WithoutHalves(logging.Filter):
    """Cut halves out of every log record, for example of an address into which somebody typed one."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Hide what looks like half a password in a log record; return True, since every record is logged."""
        text = record.getMessage()
        if (cleaned := hide_halves(text)) != text:
            record.msg, record.args = cleaned, ()
        return True
