"""Celery's beat without a file: what is due stands in the database, so the schedule holds no truth (M15)."""

from datetime import UTC, datetime
from typing import Any

from celery.beat import Scheduler

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


class FreshScheduler(Scheduler):
    """Sends every job at once when beat starts, then at its period.

    So no damaged file keeps beat from starting, and a beat that is restarted often starves no rare job. Every job is
    safe to run twice.
    """

    def setup_schedule(self) -> None:
        """Read the schedule of the settings; nothing was run yet."""
        super().setup_schedule()
        entries: dict[str, Any] = self.schedule
        for entry in entries.values():
            entry.last_run_at = LONG_AGO
