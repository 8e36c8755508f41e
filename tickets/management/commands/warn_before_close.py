"""Run one pass of what beat does every 5 minutes (M15)."""

from typing import Any

from django.core.management.base import BaseCommand

from tickets import tasks


class Command(BaseCommand):
    help = "Queues the reminder of the tickets that close within 24 h (M15)."

    def handle(self, *_args: Any, **_options: Any) -> None:
        self.stdout.write(f"Reminders queued: {tasks.warn_before_close()}")
