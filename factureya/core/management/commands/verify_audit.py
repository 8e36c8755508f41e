"""Check that the record is whole: chains of events, their anchors, the guards: `manage.py verify_audit`."""

import json
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Count, Sum

from factureya.core.models import Anchor, ChainHead
from factureya.core.record.verification import MOST_FLAWS, find_all_flaws


class Command(BaseCommand):
    help = (
        "Check that no event was changed, removed or forged, no chain rewritten since an anchor sealed it, and no "
        "guard lifted (M26). Exit 0 when whole; else 1 and the places."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take --json, which prints one JSON object, and --anchors, the folder with the anchors' files to compare."""
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        parser.add_argument(
            "--anchors",
            type=Path,
            metavar="DIR",
            help=f"the folder of the anchors' files, best a copy from another machine ({settings.ANCHORS_DIR})",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        """Print the flaws of the record, and raise CommandError (exit 1) if there is one, else the totals."""
        folder = options["anchors"]
        if folder and not folder.is_dir():
            raise CommandError(f"No existe la carpeta {folder}.")
        flaws = list(islice(find_all_flaws(folder), MOST_FLAWS))
        size = ChainHead.objects.aggregate(chains=Count("chain"), events=Sum("seq", default=0))
        size["anchors"] = Anchor.objects.count()
        if options["json"]:
            report = {"whole": not flaws, **size, "flaws": [asdict(flaw) for flaw in flaws]}
            self.stdout.write(json.dumps(report, ensure_ascii=False))
        else:
            for flaw in flaws:
                self.stdout.write(f"{flaw.chain} #{flaw.seq}: {flaw.problem}")
        if flaws:
            raise CommandError("La bitácora no está íntegra.", returncode=1)
        if not options["json"]:
            totals = f"{size['chains']} cadenas, {size['events']} eventos, {size['anchors']} anclas"
            self.stdout.write(f"Bitácora íntegra: {totals}.")
