"""Run Celery's beat without a file: the database knows what is due, so the schedule need not (M15)."""

from datetime import UTC, datetime
from typing import Any

from celery.beat import Scheduler

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


class FreshScheduler(Scheduler):
    """Send every job once when beat starts, and then at its period; every job is safe to run twice."""

    def setup_schedule(self) -> None:
        """Load the schedule, and make every job due now, as if it had last run long ago."""
        super().setup_schedule()
        entries: dict[str, Any] = self.schedule
        for entry in entries.values():
            entry.last_run_at = LONG_AGO
