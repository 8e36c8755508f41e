"""One process of the bench: one database of one size. Reads commands from stdin, answers JSON lines.

Started by `manage.py bench` as `manage.py bench --worker`; the parent lets the workers take turns, so that all of
them meet the same weather.
"""

import json
import sys
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.db import connection

from factureya.bench import chains_scene, correspondence, formal_scene, scene, sql, sweep
from factureya.core.management.commands.up import make_folders
from factureya.core.models import Event
from tickets.models import chain_of


class Worker:
    """Answer the bench's commands."""

    def __init__(self) -> None:
        self.pages: dict[str, scene.Page] = {}
        self.before: dict[str, int] = {}

    def prepare(self, tickets: int) -> dict[str, Any]:
        """Migrate an empty database and load it."""
        self._migrate()
        self.scene = scene.build(tickets)
        self.pages = scene.pages(self.scene)
        return {"rate": self.scene.rate, "engine": _engine()}

    def prepare_requests(self, waiting: int) -> dict[str, Any]:
        """Migrate an empty database and make so many formal requests that wait."""
        self._migrate()
        self.pages = formal_scene.pages(formal_scene.Scene(waiting))
        return {"engine": _engine()}

    def prepare_chains(self) -> dict[str, Any]:
        """Migrate an empty database and load chains of events."""
        self._migrate()
        self.chains = chains_scene.Chains()
        self.chains.load()
        return {"engine": _engine()}

    def insert_bare(self, threads: int) -> float:
        """Insert rows without a chain; return how many in a second."""
        return self.chains.insert_bare(threads)

    def record_events(self, threads: int, subjects: int) -> float:
        """Record events over so many subjects; return how many in a second."""
        return self.chains.record_events(threads, subjects)

    def verify_events(self) -> float:
        """Verify all chains; return the events in a second."""
        return self.chains.verify_events()

    def _migrate(self) -> None:
        make_folders()
        call_command("migrate", interactive=False, verbosity=0)

    def page(self, name: str) -> float:
        """Ask for a page once; return the milliseconds."""
        page = self.pages[name]
        page.ready()
        seconds = page.send()
        page.over()
        return 1000 * seconds

    def statements(self, name: str) -> int:
        """Return how many statements that read or write the page sends."""
        page = self.pages[name]
        page.ready()
        with sweep.recorded() as statements:
            page.send()
        page.over()
        return len(statements)

    def close(self) -> tuple[float, float]:
        """Close a ticket by the operation and another by its raw statements; return the milliseconds of each."""
        return 1000 * sweep.close(self.scene.to_close.pop()), 1000 * sweep.close_raw(self.scene.to_close.pop())

    def finish_closing(self) -> None:
        """Close what is still due."""
        while self.scene.to_close:
            sweep.close(self.scene.to_close.pop())
        sql.settle()

    def nothing_due(self) -> float:
        """Run one pass of the sweep with nothing to close; return the milliseconds."""
        seconds, _statements = sweep.nothing_due()
        return 1000 * seconds

    def plan(self) -> dict[str, Any]:
        """Return how the sweep looks for what is due: statements on tickets, all statements, the plan."""
        _seconds, statements = sweep.nothing_due()
        on_tickets = [text for text, _ in statements if "tickets_ticket" in text]
        return {"tickets": len(on_tickets), "all": len(statements), "plan": sweep.plan_of_nothing_due()}

    def entries(self) -> int:
        """Return how many things have happened to all tickets."""
        return Event.objects.filter(chain__startswith=chain_of("")).count()

    def mail_senders(self) -> list[str]:
        """Return the registered addresses that write to us."""
        return [user.email for user in self.scene.writers]

    def mail_seeds(self, senders: list[str]) -> list[dict[str, Any]]:
        """Return a ticket of each sender that has an agent and waits for the customer, and what a reply to it says."""
        people = {user.email: user for user in self.scene.writers}
        seeds = [correspondence.seed(people[email], self.scene.agent) for email in senders]
        self.before = correspondence.outcome()
        return seeds

    def mail_outcome(self) -> dict[str, int]:
        """Return what the mails that came since then have become."""
        now = correspondence.outcome()
        return {what: number - self.before.get(what, 0) for what, number in now.items()}


def _engine() -> str:
    """Return the name and version of the database engine."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT version()" if connection.vendor == "postgresql" else "SELECT sqlite_version()")
        version = str(cursor.fetchone()[0])
    return " ".join(version.split()[:2]) if connection.vendor == "postgresql" else f"SQLite {version}"


def main() -> None:
    """Answer commands until stdin ends."""
    settings.ROOT_URLCONF = "factureya.bench.urls"
    worker = Worker()
    for line in sys.stdin:
        name, *args = json.loads(line)
        sys.stdout.write(json.dumps(getattr(worker, name)(*args)) + "\n")
        sys.stdout.flush()
