"""`manage.py seed_load --tickets N`: realistic tickets in bulk, for measuring. Deterministic but for its dates."""

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.models import User
from factureya.bench import load, sample_people

ACTIVE_SHARE = 0.03
LEAST_ACTIVE = 400


class Command(BaseCommand):
    """Load tickets once; the people it makes cannot sign in."""

    help = "Carga N tickets realistas de golpe, para medir. Una sola vez por base."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--tickets", type=int, required=True, metavar="N")

    def handle(self, *args: Any, tickets: int, **options: Any) -> None:
        if tickets < 1:
            raise CommandError("--tickets debe ser al menos 1.")
        if User.objects.filter(email=f"carga-root@{sample_people.DOMAIN}").exists():
            raise CommandError("Esta base ya tiene carga; use una vacía.")
        start, seconds = time.perf_counter(), 0.0
        for done in seed(tickets):
            seconds = time.perf_counter() - start  # the statistics that the planner wants come after the last one
            if options["verbosity"] > 1:
                self.stdout.write(f"  {done:,} de {tickets:,}")
        self.stdout.write(f"{tickets:,} tickets en {seconds:.1f} s: {tickets / seconds:,.0f} por segundo.")


def seed(tickets: int) -> Any:
    """Make the people and the tickets; yield how many tickets there are so far."""
    active = min(tickets // 2, max(LEAST_ACTIVE, int(tickets * ACTIVE_SHARE)))
    return load.Loader().load(tickets, sample_people.gather(tickets), active=active)
