"""How mails leave: one connection for many, and one sender on each machine, so that nothing else waits for it (M6)."""

import fcntl
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from django.conf import settings
from django.core.mail import EmailMessage, get_connection

logger = logging.getLogger(__name__)


class Line:
    """One connection to the mail server, for the mails of one pass; `fault` says why it could not be had."""

    def __init__(self) -> None:
        self.connection = get_connection()
        self.fault: Exception | None = None

    def send(self, email: EmailMessage) -> None:
        """Send it over the connection, which is opened first. Raises whatever the mail server does."""
        try:
            self.connection.open()
        except Exception as error:
            self.fault = error
            raise
        email.connection = self.connection
        try:
            email.send()
        except Exception:
            self.close()  # whatever state it is in: the next mail opens another
            raise

    def close(self) -> None:
        """End the connection, whatever the other side says to it."""
        with suppress(Exception):
            self.connection.close()


@contextmanager
def only_sender() -> Iterator[bool]:
    """Say whether this is the one sender of the machine; it stays so to the end of the block, or of the process.

    So a mail server that hangs holds one thread of the worker, and the others go on with mail in and sweeps.
    """
    try:
        file = (settings.VAR_DIR / "outbox.lock").open("w")
    except OSError as error:  # to send twice at a time is better than not at all
        logger.warning("mails are sent without a lock: %s", error)
        yield True
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True
