"""Tell which mailbox is polled (`MAIL_IN_IMAP_URL`), and how far it was read."""

from datetime import datetime
from urllib.parse import unquote, urlsplit

from django.conf import settings

from factureya.core.models import Heartbeat, MailFolder

BAD_CERTIFICATE = "mail_certificate"  # the Heartbeat that is there while the mail server does not prove its name


def name() -> str:
    """Return `user@host/folder` without the password, with INBOX by default; empty if no mailbox is polled."""
    if not settings.MAIL_IN_IMAP_URL:
        return ""
    url = urlsplit(settings.MAIL_IN_IMAP_URL)
    folder = unquote(url.path.strip("/")) or "INBOX"
    whole = f"{unquote(url.username or '')}@{url.hostname or ''}/{folder}"
    return whole[: MailFolder._meta.pk.max_length]


def is_read_until(instant: datetime) -> bool:
    """Return True if all polled mails that came before `instant` are stored, or if no mailbox is polled (M15)."""
    if not (mailbox := name()):
        return True
    return MailFolder.objects.filter(name=mailbox, read_until__gte=instant).exists()


def bad_certificate_at() -> datetime | None:
    """Return when the certificate of the mail server was last refused; None if it is good, or no mailbox is polled."""
    if not name():
        return None
    return Heartbeat.objects.filter(name=BAD_CERTIFICATE).values_list("at", flat=True).first()
