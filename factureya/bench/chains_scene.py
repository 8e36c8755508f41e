"""Chains of events in bulk, and the calls that the bench times on them."""

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from django.db import connection, transaction

from factureya.bench import sql
from factureya.bench.chains import BATCH, EVENTS
from factureya.core import audit, clock
from factureya.core.models import ChainHead, Event, MailQuota

LENGTH = 10  # events of a chain that is loaded
DATA = {"status": "waiting", "before": "open", "closes_at": "2026-11-30T18:00:00+00:00", "files": [], "nota": "Sí, año"}
COLUMNS = "chain seq prev hash verb at actor_id actor_name data".split()


@dataclass(frozen=True)
class Subject:
    """Hold what record() needs of a subject."""

    chain: str


@dataclass
class Chains:
    """Hold the database's chains: EVENTS that were loaded, and those that the bench records."""

    names: "count[int]" = field(default_factory=count)

    def load(self) -> None:
        """Load EVENTS events in chains of LENGTH, as the operations would have left them."""
        heads: list[ChainHead] = []
        with transaction.atomic():
            sql.insert(Event, COLUMNS, _make_rows(heads))
            ChainHead.objects.bulk_create(heads, batch_size=2000)
        sql.settle()

    def insert_bare(self, threads: int) -> float:
        """Insert BATCH rows without a chain, each in a transaction of its own; return how many in a second."""
        return _time_calls(threads, lambda _thread: self._insert_one())

    def _insert_one(self) -> None:
        MailQuota.objects.create(name=f"bench:{next(self.names)}", since=clock.now())

    def record_events(self, threads: int, subjects: int) -> float:
        """Record BATCH events over so many subjects, each in a transaction of its own; return how many in a second."""
        return _time_calls(threads, lambda thread: _record(f"bench:{thread % subjects}"))

    def verify_events(self) -> float:
        """Verify all chains and return the events in a second. Raises RuntimeError if there is a flaw."""
        events = Event.objects.count()
        start = time.perf_counter()
        flaws = list(audit.find_flaws())
        seconds = time.perf_counter() - start
        if flaws:
            raise RuntimeError(f"the bench's chains are not whole: {flaws[0]}")
        return events / seconds


def _make_rows(heads: list[ChainHead]) -> Iterator[list[Any]]:
    """Yield the rows of the events to load, and add the head of each chain to `heads`."""
    at = clock.now()
    for number in range(EVENTS // LENGTH):
        prev = audit.GENESIS
        for seq in range(1, LENGTH + 1):
            event = Event(chain=f"carga:{number}", seq=seq, prev=prev, verb="cosa.movida", at=at, data=DATA)
            event.hash = prev = audit.compute_hash(event)
            values = [event.chain, seq, event.prev, event.hash, event.verb, at, None, ""]
            yield [*values, json.dumps(DATA)]
        heads.append(ChainHead(chain=f"carga:{number}", seq=LENGTH, hash=prev))


def _record(chain: str) -> None:
    """Record one event in a transaction of its own."""
    with transaction.atomic():
        audit.record("cosa.movida", Subject(chain), actor=None, **DATA)  # type: ignore[arg-type]  # it has a chain


def _time_calls(threads: int, call: Callable[[int], Any]) -> float:
    """Call BATCH times, shared by so many threads that have their connections; return how many calls in a second."""

    def work(thread: int) -> None:
        for _ in range(BATCH // threads):
            call(thread)

    if threads == 1:
        start = time.perf_counter()
        work(0)
        return BATCH / (time.perf_counter() - start)
    with ThreadPoolExecutor(threads, initializer=connection.ensure_connection) as pool:
        list(pool.map(_wait, range(threads)))  # every thread has started and is connected
        start = time.perf_counter()
        list(pool.map(work, range(threads)))
        seconds = time.perf_counter() - start
        list(pool.map(_hang_up, range(threads)))
    return BATCH // threads * threads / seconds


def _wait(_thread: int) -> None:
    """Keep a thread for a moment, so that the next call needs another one."""
    time.sleep(0.05)


def _hang_up(thread: int) -> None:
    """Close the connection of a thread."""
    connection.close()
    _wait(thread)
