"""Print the final SQL of every guard, for one engine or for each: `manage.py show_guards`."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from factureya.core import guard_install

ENGINES = ("sqlite", "postgresql")


class Command(BaseCommand):
    help = "Print the SQL of every guard (trigger) as each engine gets it."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("names", nargs="*", help="only these guards")
        parser.add_argument("--engine", choices=ENGINES, action="append")

    def handle(self, *_args: Any, names: list[str], engine: list[str] | None, **_options: Any) -> None:
        """Print the SQL of the named guards (triggers), or of all, for the given engines, or for both."""
        for vendor in engine or ENGINES:
            self.stdout.write(f"-- {vendor}")
            for guard in guard_install.guards(vendor):
                if not names or guard.name in names:
                    self.stdout.write(";\n".join(guard.statements(vendor)) + ";")
