"""Check that the parts on which the program depends work, for /readyz. Ages are in seconds."""

import logging
import os
import shutil
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from celery import current_app
from django.conf import settings
from django.db import connection

from factureya.core import clock, guard_install
from factureya.core.models import Heartbeat, OutboxMessage, UnwrittenAnchor
from factureya.core.record import anchors

logger = logging.getLogger(__name__)
MIN_FREE_BYTES = 100 * 1024 * 1024  # of the disk of attachments; one mail brings up to 25 MB
OUTBOX_MAX_AGE = timedelta(minutes=10)  # sweeps come every minute and take what is overdue
SWEEP_MAX_AGE = {
    **dict.fromkeys(("sweep_outbox", "sweep_inbound"), timedelta(minutes=5)),
    **dict.fromkeys(
        ("warn_before_close", "close_unanswered", "lapse_charges", "expire_due", "remind_due"), timedelta(minutes=15)
    ),
    **dict.fromkeys(("tidy_emergencies", "sweep_imports"), timedelta(minutes=5)),
    "compare_package_files": timedelta(hours=1),
}
ANCHOR_MAX_AGE = timedelta(hours=26)  # one a day, and beat may have stood still for a while
FILE_MAX_AGE = timedelta(hours=1)  # of an anchor without its file; beat tries again every half hour
_started_at = clock.now()


@dataclass(frozen=True)
class Check:
    """Hold one line of /readyz."""

    ok: bool
    age: timedelta | None = None

    def as_dict(self) -> dict[str, bool | int]:
        """Return this line of /readyz as a dictionary for JSON, with `age_seconds` if it has an age."""
        return {"ok": self.ok} | ({"age_seconds": int(self.age.total_seconds())} if self.age is not None else {})


def check_database() -> Check:
    """Return a check for /readyz that is ok if the database answers. Raises DatabaseError if it does not."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        return Check(ok=cursor.fetchone() == (1,))


def check_clocks() -> Check:
    """Return a check that is ok if our clock and the database's agree (M23). Raises DatabaseError if it is down."""
    return Check(ok=clock.clocks_agree())


def check_guards() -> Check:
    """Return a check that is ok if the database holds every guard. Raises DatabaseError if the database is down."""
    return Check(ok=not guard_install.differences(connection))


def check_broker() -> Check:
    """Return a check for /readyz that is ok if Celery's broker works: its folder is writable, or it answers in 1 s."""
    if settings.CELERY_BROKER_URL.startswith("filesystem:"):
        folder = settings.CELERY_BROKER_TRANSPORT_OPTIONS["data_folder_in"]
        return Check(ok=os.access(str(folder), os.W_OK | os.X_OK))
    try:
        with current_app.connection_for_write() as link:
            link.ensure_connection(max_retries=1, interval_start=0, timeout=1)
            link.default_channel.close()
    except Exception as error:  # each transport has errors of its own
        logger.warning("broker not ready: %s", error)
        return Check(ok=False)
    return Check(ok=True)


def check_media() -> Check:
    """Return a check for /readyz that is ok if files can be stored: the folder is writable and has room (M17).

    Before the first file is sent the folder does not exist; then the nearest folder above it is checked.
    """
    folder = Path(settings.MEDIA_ROOT)
    while not folder.exists():
        folder = folder.parent
    is_writable = folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)
    return Check(ok=is_writable and shutil.disk_usage(folder).free > MIN_FREE_BYTES)


def check_outbox() -> Check:
    """Return a check for /readyz with the age of the oldest overdue mail; one that waits for a retry is not overdue."""
    overdue = OutboxMessage.objects.filter(status=OutboxMessage.Status.QUEUED, due_at__lte=clock.now())
    oldest = overdue.order_by("due_at").values_list("due_at", flat=True).first()
    return check_age(oldest, OUTBOX_MAX_AGE) if oldest else Check(ok=True, age=timedelta())


def check_sweeps() -> dict[str, Check]:
    """Return a check for each sweep (periodic task) with the time since it ran, so that /readyz finds a stopped one."""
    last_runs = dict(Heartbeat.objects.values_list("name", "at"))
    return {name: check_age(last_runs.get(name), limit) for name, limit in SWEEP_MAX_AGE.items()}


def list_anchor_warnings() -> list[str]:
    """Return ["anchors"] if the last anchor is over 26 hours old, or one has had no file for an hour; else [] (M26)."""
    newest = anchors.latest_anchor()
    is_recent = check_age(newest.sealed_at if newest else None, ANCHOR_MAX_AGE).ok
    lacks_file = UnwrittenAnchor.objects.filter(anchor__sealed_at__lt=clock.now() - FILE_MAX_AGE).exists()
    return [] if is_recent and not lacks_file else ["anchors"]


def check_age(last: datetime | None, limit: timedelta) -> Check:
    """Return a check that is ok if `last`, when something last happened, is no longer than `limit` ago.

    If this process started later, `limit` counts from its start: nothing ran before. `age` is the time since `last`.
    """
    now = clock.now()
    return Check(ok=now - max(last or _started_at, _started_at) <= limit, age=now - last if last else None)
