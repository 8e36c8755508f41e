"""Prepare the database and the folders: `make run` calls `manage.py prepare` before `up`. It is safe to repeat."""

from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import connection

from factureya.core import guard_install
from factureya.core.management.commands.up import make_folders
from factureya.core.record import state

DEMO_ACCOUNT = "ana@demo.example"


class Command(BaseCommand):
    help = "Migrate, record rows that no event holds, collect static files, seed an empty demo, print where to go."
    requires_system_checks: list[str] = []  # `migrate` runs them

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Prepare folders, database and static files; seed the demo if no account is real, or print the address.

        Rows of before their events are recorded, but only after a migration: else a row that somebody forged would be.
        """
        make_folders()
        is_older = guard_install.has_pending(connection)
        call_command("migrate", interactive=False, verbosity=0)
        if is_older:
            state.record_missing()
        call_command("collectstatic", interactive=False, verbosity=0)
        users = get_user_model().objects
        if settings.DEMO and (not users.exists() or users.filter(email=DEMO_ACCOUNT).exists()):
            call_command("seed_demo")  # idempotent; prints address and accounts
        else:
            self.stdout.write(f"\n  {settings.SITE_URL}/\n")
        self.stdout.flush()
