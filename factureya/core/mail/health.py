"""Whether mail comes in and goes out: for /readyz, and for the line on the agent's page (M6).

The tray has no limit: what waits there is an agent's work, not a fault of the program's.
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
    """When all that was in the polled mailbox had been kept; None when nothing is polled, or never."""
    if not (name := mailbox.name()):
        return None
    return MailFolder.objects.filter(name=name).values_list("read_until", flat=True).first()


def fetch() -> dict[str, Check]:
    """How long ago the polled mailbox was read to its end; no check when none is polled.

    `mail_certificate` stands there, and is not ready, while the certificate of the mail server is refused.
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
    """Mails that should have left long ago: the sweep does not run, or the worker is too slow."""
    before = clock.now() - health.OUTBOX_MAX_AGE
    return OutboxMessage.objects.filter(status=OutboxMessage.Status.QUEUED, due_at__lte=before)


def tray() -> QuerySet[InboundMessage]:
    """Mails that wait for an agent."""
    return InboundMessage.objects.filter(disposition__in=InboundMessage.IN_TRAY, resolution="")


def tray_size() -> int:
    """How many mails wait for an agent, counting no further than TRAY_CAP."""
    return len(tray().values_list("pk")[:TRAY_CAP])


def warnings() -> list[str]:
    """What is not set up and should be: the program works, but every mail goes to quarantine (M5)."""
    if settings.MAIL_IN_REQUIRE_VERDICT and not settings.MAIL_TRUSTED_AUTHSERV:
        return ["mail_verdict"]
    return []
