"""Keep the addresses of signed links out of the log: whoever reads one could use it while it lasts (M16)."""

import logging
import re

from factureya.core.mail import own_links

# A token is longer than any folio, number or name in our addresses.
_TOKEN = re.compile(r"(?<=/)[\w\-:.=~%]{40,}")


class WithoutTokens(logging.Filter):
    """Cut signed tokens out of the addresses in every log record."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Shorten the text of the record if it holds a token, and always let it pass."""
        text = record.getMessage()
        if (short := own_links.cut_links(_TOKEN.sub("…", text))) != text:
            record.msg, record.args = short, ()
        return True
