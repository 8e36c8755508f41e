"""Migrate as the owner of the tables, whom `DATABASE_OWNER_URL` names; without it as the program, like Django."""

from typing import Any

from django.core.management.commands import migrate
from django.db import connections

from factureya.core import grants


class Command(migrate.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        """Migrate, install the guards and grant the program's role its privileges, all as the owner of the tables."""
        with grants.as_owner(connections[options["database"]]):
            super().handle(*args, **options)
