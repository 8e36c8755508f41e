"""Seal the day by hand: `manage.py seal_day`; beat does it every day."""

from typing import Any

from django.core.management.base import BaseCommand

from factureya.core.record import anchors


class Command(BaseCommand):
    help = "Seal the ends of all chains of events for today, unless it was done, and write the missing files (M26)."

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Seal the day, and print the last anchor and whether it is new."""
        anchor = anchors.seal_day()
        self.stdout.write(f"{'Se selló' if anchor else 'Ya estaba sellado'}: {anchors.describe_anchor()}")
