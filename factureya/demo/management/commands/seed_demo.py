"""Make the demo's accounts and some forty tickets: `manage.py seed_demo`. It is safe to repeat."""

from datetime import timedelta
from typing import Any

from celery import current_app
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils.module_loading import import_string

from factureya.core import clock
from factureya.core.record import verification
from factureya.demo import people, tickets

FIRST_DAY = timedelta(days=75)


class Command(BaseCommand):
    help = "Datos de demostración: cuentas y unos cuarenta tickets. Se puede repetir."

    def handle(self, *args: Any, **options: Any) -> None:
        """Make the demo's data if it is not there yet, and print its accounts and their password."""
        if not settings.DEMO:
            raise CommandError("seed_demo crea cuentas con una contraseña pública: pida DEMO=on para usarlo.")
        if people.exists():
            self.stdout.write("Los datos de demostración ya estaban.")
        else:
            self.stdout.write(f"Sembrados {seed()} tickets de demostración.")
        self.stdout.write(f"\n  {settings.SITE_URL}/\n\n  Contraseña de todas las cuentas: {people.PASSWORD}\n")
        for email, name, role in people.list_accounts():
            self.stdout.write(f"  {email:22} {name:24} {role}")
        if not settings.STAFF_MFA_REQUIRED:
            self.stdout.write("\n  En la demostración el personal entra sin segundo factor.\n")


def seed() -> int:
    """Make the demo's accounts, formal requests and tickets, all or nothing; return the number of tickets."""
    now = clock.now()
    # A broker in memory: no worker starts a task for this data. Later a periodic task sends the mails still queued.
    current_app.conf.broker_url = "memory://localhost/"
    with transaction.atomic():
        users = people.create(now - FIRST_DAY)
        for function_path in settings.DEMO_SEEDS:
            import_string(function_path)(users, now)
        seeded = tickets.StoryRunner(users, now).run(tickets.load_stories())
    verification.verify_log()  # so that the log's page and the board have something true to say at once
    return seeded
