"""Send the mails that are due, as beat does every minute: `manage.py sweep_outbox`."""

from typing import Any

from django.core.management.base import BaseCommand

from factureya.core import tasks


class Command(BaseCommand):
    help = "Send the mails that are due, and those a dead process left behind; print how many."

    def handle(self, *_args: Any, **_options: Any) -> None:
        self.stdout.write(f"{tasks.sweep_outbox()} correos enviados")
