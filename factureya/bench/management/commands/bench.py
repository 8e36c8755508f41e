"""`manage.py bench`: measures start, pages, formal requests, mail and events; prints the page docs/benchmarks.md."""

import tempfile
import time
from argparse import SUPPRESS, ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand

from factureya.bench import chains, engines, formal, mail, report, startup, worker
from factureya.bench.engines import Place
from factureya.bench.mail import MailFindings
from factureya.bench.report import Findings

SIZES = "1000,100000"
ROUNDS = 60
MAIL_ROUNDS, MAIL_BATCH = 6, 40
START, PAGES, REQUESTS, MAIL, AUDIT = PARTS = ("start", "pages", "requests", "mail", "audit")
AUDIT_ROUNDS = 20  # at most: each round verifies all events
CLOSINGS = 60  # each takes two of the scene's tickets


class Command(BaseCommand):
    """Measure on scratch databases; touch neither `.env` nor `var/`."""

    help = "Mide las páginas con 1,000 y 100,000 tickets en SQLite y PostgreSQL (docs/benchmarks.md)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--sizes", default=SIZES, help=f"tickets, separados por comas ({SIZES})")
        parser.add_argument("--engines", default="sqlite,postgresql")
        parser.add_argument("--rounds", type=int, default=ROUNDS)
        parser.add_argument("--write", type=Path, metavar="FILE", help="escribe la página aquí")
        parser.add_argument(
            "--only",
            nargs="+",
            choices=PARTS,
            default=PARTS,
            metavar="PART",
            help=f"mide solo estas partes ({', '.join(PARTS)}); con --write, cambia solo esas en la página",
        )
        parser.add_argument(
            "--requests",
            default=formal.SIZES,
            metavar="SIZES",
            help=f"solicitudes que esperan, separadas por comas ({formal.SIZES})",
        )
        parser.add_argument("--mail-rounds", type=int, default=MAIL_ROUNDS)
        parser.add_argument("--mail-batch", type=int, default=MAIL_BATCH, help="correos de una vuelta")
        parser.add_argument("--no-peer", action="store_true", help="sin django-helpdesk al lado")
        parser.add_argument("--peer", type=Path, metavar="FOLDER", help="guarda aquí el venv de django-helpdesk")
        parser.add_argument("--worker", action="store_true", help=SUPPRESS)

    def handle(self, *args: Any, **options: Any) -> None:
        if options["worker"]:
            worker.main()
            return
        start = time.perf_counter()
        with tempfile.TemporaryDirectory(prefix="factureya-bench-") as folder:
            found = self._measure(Path(folder), options)
        seconds = time.perf_counter() - start
        self._show(found, seconds, options)

    def _show(self, found: Findings, seconds: float, options: dict[str, Any]) -> None:
        """Write the report, to the file of `--write` too."""
        target: Path | None = options["write"]
        is_whole = set(options["only"]) == set(PARTS)
        earlier = target.read_text() if target and target.exists() and not is_whole else ""
        page = report.render(found, options["rounds"], seconds, earlier)
        if target:
            target.write_text(page)
        self.stdout.write(page)

    def _measure(self, folder: Path, options: dict[str, Any]) -> Findings:
        """Measure the wanted parts on the wanted engines, and return what was found."""
        found, wanted, parts = Findings(), options["engines"].split(","), set(options["only"])
        if "postgresql" in wanted and (reason := engines.missing_service()):
            found.left_out = reason
            wanted.remove("postgresql")
        if START in parts:
            self._say("arranque y memoria")
            found.start = startup.measure(folder / "start")
        settings.STATIC_ROOT = folder / "static"
        call_command("collectstatic", interactive=False, verbosity=0)
        if parts & {PAGES, MAIL}:
            with engines.places(wanted, _sizes(options["sizes"]), folder) as places:
                self._measure_tickets(places, folder, found, options)
        if REQUESTS in parts:
            sizes = _sizes(options["requests"])
            with engines.places(wanted, sizes, folder, "requests_") as places:
                self._measure_requests(places, found, options["rounds"])
        if AUDIT in parts:
            with engines.places(wanted, [chains.EVENTS], folder, "audit_") as places:
                self._measure_chains(places, found, min(options["rounds"], AUDIT_ROUNDS))
        return found

    def _measure_chains(self, places: Sequence[Place], found: Findings, rounds: int) -> None:
        """Measure how fast events are recorded and verified."""
        for place in places:
            self._say(f"bitácora, {place.engine}")
            found.engines.add(place.ask("prepare_chains")["engine"])
        found.chains = chains.measure(places, rounds, self._say)

    def _measure_tickets(self, places: Sequence[Place], folder: Path, found: Findings, options: dict[str, Any]) -> None:
        """Load the tickets, and measure pages and mail with them."""
        self._say("carga")
        _load(places, found)
        if PAGES in options["only"]:
            self._measure_pages(places, found, options["rounds"])
        if MAIL in options["only"]:
            found.mail = self._measure_mail(places, folder, options)

    def _measure_requests(self, places: Sequence[Place], found: Findings, rounds: int) -> None:
        """Measure the pages of formal requests."""
        for place in places:
            self._say(f"solicitudes, {place.engine} con {place.size} que esperan")
            found.engines.add(place.ask("prepare_requests", place.size)["engine"])
        found.formal = formal.measure(places, rounds, self._say)

    def _measure_pages(self, places: Sequence[Place], found: Findings, rounds: int) -> None:
        """Measure the pages of tickets in rounds, and then the sweeps."""
        _compile(places, found)
        for number in range(rounds):
            self._say(f"vuelta {number + 1} de {rounds}", every=10, number=number)
            _round(places, found, is_warm=number > 0)
        self._say("barridos")
        _sweeps(places, found)

    def _measure_mail(self, places: Sequence[Place], folder: Path, options: dict[str, Any]) -> MailFindings:
        """Measure the mail that comes in, beside django-helpdesk if it can be installed."""
        python, reason = None, "not wanted"
        if not options["no_peer"]:
            self._say("django-helpdesk en un venv aparte")
            try:
                python, reason = mail.install(options["peer"] or folder / "peer"), ""
            except RuntimeError as error:
                reason = f"it could not be installed ({error})"
        rounds, batch = options["mail_rounds"], options["mail_batch"]
        found = mail.measure(places, folder, rounds=rounds, batch=batch, python=python, say=self._say)
        found.left_out = reason
        return found

    def _say(self, text: str, *, every: int = 1, number: int = 0) -> None:
        if number % every == 0:
            self.stderr.write(f"  {text}…")


def _sizes(text: str) -> list[int]:
    return [int(size) for size in text.split(",")]


def _load(places: Sequence[Place], found: Findings) -> None:
    """Load one place after the other, so that the rates are those of `seed_load`."""
    for place in places:
        loaded = found.loaded[place.engine, place.size] = place.ask("prepare", place.size)
        found.engines.add(loaded["engine"])


def _compile(places: Sequence[Place], found: Findings) -> None:
    """Ask for every page once, for its templates; return how many statements it sends."""
    for place in places:
        for page in ("auth", "auth (agent)", *report.TARGETS):
            place.ask("page", page)  # templates and plans are compiled
            found.statements[(place.engine, place.size), page] = place.ask("statements", page)


def _round(places: Sequence[Place], found: Findings, *, is_warm: bool) -> None:
    """Ask for every page once at every place, one after the other."""
    for page in ("auth", "my tickets", "detail", "create", "auth (agent)", "queue", "workspace"):
        for place in places:
            taken = place.ask("page", page)
            if is_warm:
                key = (place.engine, place.size)
                found.times.setdefault((key, page), []).append(taken)


def _sweeps(places: Sequence[Place], found: Findings) -> None:
    """Measure on each database how long the sweep that closes tickets takes."""
    for _ in range(CLOSINGS):
        for place in places:
            found.closing.setdefault((place.engine, place.size), []).append(place.ask("close"))
    for place in places:
        key = (place.engine, place.size)
        place.ask("finish_closing")
        found.nothing_due[key] = [place.ask("nothing_due") for _ in range(CLOSINGS)]
        found.plans[key] = place.ask("plan")
