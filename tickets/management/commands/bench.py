"""`manage.py bench`: measures the pages, the sweep, the load and the start; prints the page docs/benchmarks.md."""

import tempfile
import time
from argparse import SUPPRESS, ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand

from tickets.bench import engines, report, startup, worker
from tickets.bench.engines import Place
from tickets.bench.report import Findings

SIZES = "1000,100000"
ROUNDS = 60
CLOSINGS = 60  # each takes two of the scene's tickets


class Command(BaseCommand):
    """Scratch databases of its own; touches neither `.env` nor `var/`."""

    help = (
        "Mide las páginas con 1,000 y 100,000 tickets en SQLite y PostgreSQL (docs/benchmarks.md)."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--sizes", default=SIZES, help=f"tickets, separados por comas ({SIZES})"
        )
        parser.add_argument("--engines", default="sqlite,postgresql")
        parser.add_argument("--rounds", type=int, default=ROUNDS)
        parser.add_argument("--write", type=Path, metavar="FILE", help="escribe la página aquí")
        parser.add_argument("--no-start", action="store_true", help="no mide el arranque")
        parser.add_argument("--worker", action="store_true", help=SUPPRESS)

    def handle(self, *args: Any, **options: Any) -> None:
        if options["worker"]:
            worker.main()
            return
        start = time.perf_counter()
        with tempfile.TemporaryDirectory(prefix="factureya-bench-") as folder:
            found = self._measure(Path(folder), options)
        page = report.render(found, options["rounds"], time.perf_counter() - start)
        if options["write"]:
            options["write"].write_text(page)
        self.stdout.write(page)

    def _measure(self, folder: Path, options: dict[str, Any]) -> Findings:
        found, wanted = Findings(), options["engines"].split(",")
        if "postgresql" in wanted and (reason := engines.missing_service()):
            found.left_out = reason
            wanted.remove("postgresql")
        if not options["no_start"]:
            self._say("arranque y memoria")
            found.start = startup.measure(folder / "start")
        sizes = [int(size) for size in options["sizes"].split(",")]
        settings.STATIC_ROOT = folder / "static"
        call_command("collectstatic", interactive=False, verbosity=0)
        with engines.places(wanted, sizes, folder) as places:
            self._say("carga")
            _load(places, found)
            for number in range(options["rounds"]):
                self._say(f"vuelta {number + 1} de {options['rounds']}", every=10, number=number)
                _round(places, found, is_warm=number > 0)
            self._say("barridos")
            _sweeps(places, found)
        return found

    def _say(self, text: str, *, every: int = 1, number: int = 0) -> None:
        if number % every == 0:
            self.stderr.write(f"  {text}…")


def _load(places: Sequence[Place], found: Findings) -> None:
    """One after the other, so that the rates are those of `seed_load`; then every page once, to compile it."""
    for place in places:
        found.loaded[place.engine, place.tickets] = place.ask("prepare", place.tickets)
    for place in places:
        for page in ("auth", "auth (agent)", *report.TARGETS):
            place.ask("page", page)  # templates and plans are compiled
            found.statements[(place.engine, place.tickets), page] = place.ask("statements", page)


def _round(places: Sequence[Place], found: Findings, *, is_warm: bool) -> None:
    """Every page once at every place, one after the other."""
    for page in ("auth", "my tickets", "detail", "create", "auth (agent)", "queue", "workspace"):
        for place in places:
            taken = place.ask("page", page)
            if is_warm:
                key = (place.engine, place.tickets)
                found.times.setdefault((key, page), []).append(taken)


def _sweeps(places: Sequence[Place], found: Findings) -> None:
    for _ in range(CLOSINGS):
        for place in places:
            found.closing.setdefault((place.engine, place.tickets), []).append(place.ask("close"))
    for place in places:
        key = (place.engine, place.tickets)
        place.ask("finish_closing")
        found.nothing_due[key] = [place.ask("nothing_due") for _ in range(CLOSINGS)]
        found.plans[key] = place.ask("plan")
