"""Set aside the anchors of a log that a restore took back: `manage.py set_anchors_aside --reason TEXT`."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from factureya.core.record import anchors


class Command(BaseCommand):
    help = "After a restore older than the last anchor: move the newer anchors' files aside, and record it (M26)."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take --reason, which the event keeps."""
        parser.add_argument("--reason", required=True, help="which backup was restored, when and why")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Move the files, and print their names. Raise CommandError without a reason, or if a file cannot be read."""
        if not (reason := " ".join(options["reason"].split())):
            raise CommandError("Escriba el motivo.")
        try:
            names = anchors.set_aside(reason)
        except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
            raise CommandError(f"No se pudo leer o mover un archivo: {error}") from error
        self.stdout.write(f"Se apartaron {len(names)} anclas: {', '.join(names)}" if names else "Nada que apartar.")
