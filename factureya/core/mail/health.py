"""Check that mail comes in and goes out, for /readyz and for the warning on the agent's page (M6)."""

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


def find_last_fetch() -> datetime | None:
    """Return when the last whole poll of the mailbox began: all earlier mails are stored. None if there was none."""
    if not (name := mailbox.get_mailbox_name()):
        return None
    return MailFolder.objects.filter(name=name).values_list("read_until", flat=True).first()


def check_fetch() -> dict[str, Check]:
    """Return the checks of incoming mail for /readyz: the age of the last whole fetch, and a refused certificate."""
    if not mailbox.get_mailbox_name():
        return {}
    checks = {"fetch_mail": health.check_age(find_last_fetch(), FETCH_MAX_AGE)}
    if refused_at := mailbox.find_bad_certificate():
        checks["mail_certificate"] = Check(ok=False, age=clock.now() - refused_at)
    return checks


def find_overdue() -> QuerySet[OutboxMessage]:
    """Return the queued mails that are OUTBOX_MAX_AGE or more overdue: the sweep does not run, or is too slow."""
    latest = clock.now() - health.OUTBOX_MAX_AGE
    return OutboxMessage.objects.filter(status=OutboxMessage.Status.QUEUED, due_at__lte=latest)


def find_tray() -> QuerySet[InboundMessage]:
    """Return the mails that wait for an agent."""
    return InboundMessage.objects.filter(disposition__in=InboundMessage.IN_TRAY, resolution="")


def count_tray() -> int:
    """Return how many mails wait for an agent, but no more than TRAY_CAP."""
    return len(find_tray().values_list("pk")[:TRAY_CAP])


def list_warnings() -> list[str]:
    """Return ["mail_verdict"] if incoming mail needs a verdict and no server is trusted to give one (M5); else []."""
    is_server_missing = settings.MAIL_IN_REQUIRE_VERDICT and not settings.MAIL_TRUSTED_AUTHSERV
    return ["mail_verdict"] if is_server_missing else []  # then every mail is quarantined
