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

_NUMBER = re.compile(r"\b[A-Z]{2}-[0-9A-Z]{4}-[0-9A-Z]{4}\b")


class EmlFileBackend(BaseEmailBackend):
    """Write each mail to a file in EMAIL_FILE_PATH, whole or not at all; it has no state, so any thread may use it."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Write the mails that have a recipient, and return how many. Raises OSError if the folder is not writable."""
        addressed = [message for message in email_messages if message.recipients()]
        for message in addressed:
            # Django's own message takes `linesep`, which the stubs of the class above it do not know.
            content = message.message().as_bytes(linesep="\r\n")  # type: ignore[call-arg]
            folder = Path(settings.EMAIL_FILE_PATH)
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _write_file(folder / _make_name(str(message.subject)), content)
        return len(addressed)


def _make_name(subject: str) -> str:
    """Return a file name with the local time, the ticket's number or the subject, and random characters."""
    moment = timezone.localtime(clock.now()).strftime("%Y%m%d-%H%M%S")
    number = _NUMBER.search(subject)
    about = number.group() if number else slugify(subject)[:40].strip("-_") or "correo"
    return f"{moment}-{about}-{secrets.token_hex(4)}.eml"


def _write_file(path: Path, content: bytes) -> None:
    """Write the content to another file and rename it, so that nobody reads half a mail."""
    aside = path.with_name(f".{path.name}.part")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        aside.rename(path)
    except OSError:
        aside.unlink(missing_ok=True)
        raise
