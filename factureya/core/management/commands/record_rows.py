"""Write rows that no event holds into the log, once after an upgrade: `manage.py record_rows`."""

from typing import Any

from django.core.management.base import BaseCommand

from factureya.core.record import state


class Command(BaseCommand):
    help = "Record today's offices, owners, companies, people and powers that no event holds (M26). Safe to repeat."

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Record an event for each row without one, and say how many."""
        self.stdout.write(f"{state.record_missing()} filas anotadas en la bitácora.")
