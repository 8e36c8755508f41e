"""What no line of the log may hold: the addresses of signed links, which are as good as a key while they last (M16)."""

import logging
import re

from factureya.core.mail import own_links

# A token is longer than any folio, number or name in our addresses.
_TOKEN = re.compile(r"(?<=/)[\w\-:.=~%]{40,}")


class WithoutTokens(logging.Filter):
    """Cuts signed tokens out of addresses, in whatever a library logs of a request."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Always let through, shortened."""
        text = record.getMessage()
        if (short := own_links.cut(_TOKEN.sub("…", text))) != text:
            record.msg, record.args = short, ()
        return True
