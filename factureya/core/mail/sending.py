"""Send mails over one connection for many, with one sender on each machine, so that no other task waits for it (M6)."""

import fcntl
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from django.conf import settings
from django.core.mail import EmailMessage, get_connection

logger = logging.getLogger(__name__)


class MailConnection:
    """Hold one connection to the mail server for the mails of one pass; `open_error` tells why there is none."""

    def __init__(self) -> None:
        self.connection = get_connection()
        self.open_error: Exception | None = None

    def send(self, email: EmailMessage) -> None:
        """Send a mail over the connection, which is opened first if needed. Raises the errors of the mail server."""
        try:
            self.connection.open()
        except Exception as error:
            self.open_error = error  # no mail of this pass can be sent
            raise
        email.connection = self.connection
        try:
            email.send()
        except Exception:
            self.close()  # whatever state it is in: the next mail opens another
            raise

    def close(self) -> None:
        """Close the connection, whatever the server answers."""
        with suppress(Exception):
            self.connection.close()


@contextmanager
def only_sender() -> Iterator[bool]:
    """Yield True if this process alone may send mails on this machine until the block ends; False if another does.

    A lock on a file decides. If the file cannot be opened, the process may send.
    """
    try:
        lock_file = (settings.VAR_DIR / "outbox.lock").open("w")
    except OSError as error:  # two senders at a time are better than none
        logger.warning("mails are sent without a lock: %s", error)
        yield True
        return
    with lock_file:
        try:
            fcntl.flock(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True
