"""Check that mail comes in and goes out, for /readyz and for the warning on the agent's page (M6).

The tray has no limit: a mail that waits there is an agent's work, and no fault of the program.
"""

from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import QuerySet

from factureya.core import clock, health
from factureya.core.health import Check
from factureya.core.mail import mailbox
from factureya.core.models import InboundMessage, MailFolder, OutboxMessage

FETCH_MAX_AGE = timedelta(minutes=10)  # beat fetches every minute
TRAY_CAP = 100  # counted no further
Disposition = InboundMessage.Disposition


def last_fetch() -> datetime | None:
    """Return when everything in the polled mailbox had last been stored; None if no mailbox is polled, or never yet."""
    if not (name := mailbox.name()):
        return None
    return MailFolder.objects.filter(name=name).values_list("read_until", flat=True).first()


def fetch() -> dict[str, Check]:
    """Return a check with the time since the polled mailbox was read to its end; nothing if no mailbox is polled.

    There is also a failed check `mail_certificate` as long as the certificate of the mail server is refused.
    """
    if not mailbox.name():
        return {}
    fetched = last_fetch()
    age = clock.now() - fetched if fetched else None
    checks = {"fetch_mail": Check(ok=health.within(fetched, FETCH_MAX_AGE), age=age)}
    if refused_at := mailbox.bad_certificate_at():
        checks["mail_certificate"] = Check(ok=False, age=clock.now() - refused_at)
    return checks


def overdue() -> QuerySet[OutboxMessage]:
    """Return the mails that should have left long ago: the sweep does not run, or the worker is too slow."""
    before = clock.now() - health.OUTBOX_MAX_AGE
    return OutboxMessage.objects.filter(status=OutboxMessage.Status.QUEUED, due_at__lte=before)


def tray() -> QuerySet[InboundMessage]:
    """Return the mails that wait for an agent."""
    return InboundMessage.objects.filter(disposition__in=InboundMessage.IN_TRAY, resolution="")


def tray_size() -> int:
    """Return how many mails wait for an agent, but no more than TRAY_CAP."""
    return len(tray().values_list("pk")[:TRAY_CAP])


def warnings() -> list[str]:
    """Return a text for each setting that is missing; the program works, but every mail goes to quarantine (M5)."""
    if settings.MAIL_IN_REQUIRE_VERDICT and not settings.MAIL_TRUSTED_AUTHSERV:
        return ["mail_verdict"]
    return []
