"""Write the demo's mails: each becomes one `.eml` file in `var/mail/` that a person can open."""

import os
import re
import secrets
from collections.abc import Sequence
from pathlib import Path

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.utils import timezone
from django.utils.text import slugify

from factureya.core import clock

_TICKET_NUMBER = re.compile(r"\b[A-Z]{2}-[0-9A-Z]{4}-[0-9A-Z]{4}\b")


class EmlFileBackend(BaseEmailBackend):
    """Write each mail to a file in EMAIL_FILE_PATH, whole or not at all; it has no state, so any thread may use it."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Write each mail with a recipient to an `.eml` file instead of sending it; return how many. Raises OSError."""
        addressed = [message for message in email_messages if message.recipients()]
        for message in addressed:
            # Django's own message takes `linesep`, which the stubs of the class above it do not know.
            content = message.message().as_bytes(linesep="\r\n")  # type: ignore[call-arg]
            folder = Path(settings.EMAIL_FILE_PATH)
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _write_mail(folder / _make_file_name(str(message.subject)), content)
        return len(addressed)


def _make_file_name(subject: str) -> str:
    """Return the file name for a mail: local time, its ticket's number or else its subject, and random characters."""
    moment = timezone.localtime(clock.now()).strftime("%Y%m%d-%H%M%S")
    number = _TICKET_NUMBER.search(subject)
    about = number.group() if number else slugify(subject)[:40].strip("-_") or "correo"
    return f"{moment}-{about}-{secrets.token_hex(4)}.eml"


def _write_mail(path: Path, content: bytes) -> None:
    """Write a mail to a temporary file and rename that to `path`, so that nobody reads half a mail."""
    temporary = path.with_name(f".{path.name}.part")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
