"""Check that every chain of events is whole: `manage.py verify_audit`."""

import json
from dataclasses import asdict
from itertools import islice
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Count, Sum

from factureya.core import audit
from factureya.core.models import ChainHead

MOST_FLAWS = 1000  # shown; more say nothing new


class Command(BaseCommand):
    help = "Check that no event was changed, removed or forged (M26). Exit 0 when whole; else 1 and the place."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Print the flaws of all event chains, and raise CommandError (exit 1) if there is one, else the totals."""
        flaws = list(islice(audit.find_flaws(), MOST_FLAWS))
        size = ChainHead.objects.aggregate(chains=Count("chain"), events=Sum("seq", default=0))
        if options["json"]:
            report = {"whole": not flaws, **size, "flaws": [asdict(flaw) for flaw in flaws]}
            self.stdout.write(json.dumps(report, ensure_ascii=False))
        else:
            for flaw in flaws:
                self.stdout.write(f"{flaw.chain} #{flaw.seq}: {flaw.problem}")
        if flaws:
            raise CommandError("La bitácora no está íntegra.", returncode=1)
        if not options["json"]:
            self.stdout.write(f"Bitácora íntegra: {size['chains']} cadenas, {size['events']} eventos.")
