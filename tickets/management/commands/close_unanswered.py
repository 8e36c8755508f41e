"""Run one pass of what beat does every 5 minutes (M15)."""

from typing import Any

from django.core.management.base import BaseCommand

from tickets import tasks


class Command(BaseCommand):
    help = "Closes the tickets left unanswered for more than 3 days, 24 h after their reminder (M15)."

    def handle(self, *_args: Any, **_options: Any) -> None:
        self.stdout.write(f"Closed: {tasks.close_unanswered()}")
