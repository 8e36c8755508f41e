"""Whether what the program depends on does its work. Ages are in seconds."""

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
from factureya.core.models import Heartbeat, OutboxMessage

logger = logging.getLogger(__name__)
MIN_FREE_BYTES = 100 * 1024 * 1024  # of the disk of attachments; one mail brings up to 25 MB
OUTBOX_MAX_AGE = timedelta(minutes=10)  # sweeps come every minute and take what is overdue
SWEEP_MAX_AGE = {
    "sweep_outbox": timedelta(minutes=5),
    "sweep_inbound": timedelta(minutes=5),
    "warn_before_close": timedelta(minutes=15),
    "close_unanswered": timedelta(minutes=15),
    "expire_due": timedelta(minutes=15),
    "remind_due": timedelta(minutes=15),
}
_started_at = clock.now()


@dataclass(frozen=True)
class Check:
    """One line of /readyz."""

    ok: bool
    age: timedelta | None = None

    def as_dict(self) -> dict[str, bool | int]:
        """For JSON; `age_seconds` where the check has an age."""
        return {"ok": self.ok} | ({"age_seconds": int(self.age.total_seconds())} if self.age is not None else {})


def database() -> Check:
    """The database answers. Raises DatabaseError when it does not."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        return Check(ok=cursor.fetchone() == (1,))


def guards() -> Check:
    """The database holds every guard of the program, by name and text. Raises DatabaseError when it does not answer."""
    return Check(ok=not guard_install.differences(connection))


def broker() -> Check:
    """The broker takes messages: the folder can be written, or the server answers within a second."""
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


def media() -> Check:
    """Files can be stored: their folder, or the one it will be made in, can be written and has room (M17)."""
    folder = Path(settings.MEDIA_ROOT)
    while not folder.exists():
        folder = folder.parent
    is_writable = folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)
    return Check(ok=is_writable and shutil.disk_usage(folder).free > MIN_FREE_BYTES)


def outbox() -> Check:
    """How long the oldest overdue mail has been waiting; one that waits for its next try is not overdue."""
    now = clock.now()
    overdue = OutboxMessage.objects.filter(status=OutboxMessage.Status.QUEUED, due_at__lte=now)
    oldest = overdue.order_by("due_at").values_list("due_at", flat=True).first()
    if oldest is None:
        return Check(ok=True, age=timedelta())
    return Check(ok=within(oldest, OUTBOX_MAX_AGE), age=now - oldest)


def sweeps() -> dict[str, Check]:
    """How long ago each sweep of beat ran; a process that has just started gives them their time."""
    beats = dict(Heartbeat.objects.values_list("name", "at"))
    return {name: _sweep(beats.get(name), limit) for name, limit in SWEEP_MAX_AGE.items()}


def _sweep(last: datetime | None, limit: timedelta) -> Check:
    return Check(ok=within(last, limit), age=clock.now() - last if last else None)


def within(since: datetime | None, limit: timedelta) -> bool:
    """Whether `since` is at most `limit` ago, counted from our own start at the earliest."""
    return clock.now() - max(since or _started_at, _started_at) <= limit
