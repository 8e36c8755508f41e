"""Tell which mailbox is polled (`MAIL_IN_IMAP_URL`), and how far it was read."""

from datetime import datetime
from urllib.parse import unquote, urlsplit

from django.conf import settings

from factureya.core.models import Heartbeat, MailFolder

BAD_CERTIFICATE = "mail_certificate"  # the Heartbeat that is there while the mail server does not prove its name


def get_mailbox_name() -> str:
    """Return the name `user@host/folder` of the polled mailbox, without the password; "" if no mailbox is polled."""
    if not settings.MAIL_IN_IMAP_URL:
        return ""
    url = urlsplit(settings.MAIL_IN_IMAP_URL)
    folder = unquote(url.path.strip("/")) or "INBOX"
    name = f"{unquote(url.username or '')}@{url.hostname or ''}/{folder}"
    return name[: MailFolder._meta.pk.max_length]


def is_read_until(instant: datetime) -> bool:
    """Return True if all mails that came to the polled mailbox before `instant` are stored, or none is polled (M15)."""
    if not (name := get_mailbox_name()):
        return True
    return MailFolder.objects.filter(name=name, read_until__gte=instant).exists()


def find_bad_certificate() -> datetime | None:
    """Return when the mail server's certificate was refused, to warn of it; None if it is good or nothing is polled."""
    if not get_mailbox_name():
        return None
    # The poll writes this row when it refuses a certificate, and deletes it when it accepts one.
    return Heartbeat.objects.filter(name=BAD_CERTIFICATE).values_list("at", flat=True).first()
