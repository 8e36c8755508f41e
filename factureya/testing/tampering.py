"""Change the record as the owner of the database can, past every guard; a test must find each change and its place.

Guards are lifted by hand (ALTER TABLE … DISABLE TRIGGER, DROP TRIGGER), not by our function, and put back as they were.
Every choice is made by a seeded generator, so the list is the same on every run and on both engines.
"""

import hashlib
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import time_machine
from django.db import connection, transaction

from accounts.models import User
from factureya.core import audit, guard_install
from factureya.core.models import Event
from factureya.core.record import anchors, guard_record
from factureya.core.triggers import Guard
from factureya.testing.raw_sql import execute

CHAINS = [f"cosa:{number}" for number in range(1, 9)]
FIRST_DAY = datetime(2026, 11, 23, 18, tzinfo=UTC)
SEALED = {6: date(2026, 11, 23), 9: date(2026, 11, 24)}  # where each chain ended when an anchor was sealed
LAST = 11  # two events of each chain came after the last anchor
NOTHING = "0" * 64
PLACE = "WHERE chain = %s AND seq = %s"


@dataclass(frozen=True)
class Thing:
    """Hold what record() needs of a subject."""

    chain: str


@dataclass(frozen=True)
class Tamper:
    """Hold one change: what is done, and the place (chain or name, and number) that must be named."""

    name: str
    chain: str
    seq: int
    do: Callable[[], Any]


def seed_chains(actor: User) -> None:
    """Record the guards, write LAST events on each chain over three days, and seal the first two days."""
    done = 0
    with time_machine.travel(FIRST_DAY - timedelta(hours=1), tick=False):
        guard_record.record_installed(connection)
    for number, until in enumerate([*SEALED, LAST]):
        with time_machine.travel(FIRST_DAY + timedelta(days=number), tick=False):
            write_events(actor, until - done)
            if until in SEALED:
                anchors.seal_day()
        done = until


def write_events(actor: User, count: int, chains: list[str] = CHAINS) -> None:
    """Append so many events to each chain."""
    with transaction.atomic():
        for chain in chains:
            for number in range(count):
                audit.record("cosa.movida", Thing(chain), actor=actor, n=number, motivo="mudanza")  # type: ignore[arg-type]


def list_tampers(folder: Path) -> list[Tamper]:
    """Return every tamper; `folder` holds the anchors' files."""
    chance = random.Random(2026)
    kinds = (list_edits, list_moves, list_inserts, list_cuts, list_rewrites, list_heads, list_triggers)
    tampers = [tamper for kind in kinds for tamper in kind(chance)]
    return [*tampers, *list_anchor_rows(), *list_anchor_files(folder)]


# -- The owner's tools -------------------------------------------------------------------------------


@contextmanager
def unguarded(table: str) -> Iterator[None]:
    """Lift the triggers of a table by hand, and put them back as they were."""
    connection.check_constraints()  # PostgreSQL alters no table while a deferred check is pending
    if connection.vendor == "postgresql":
        execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        yield
        connection.check_constraints()
        execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
        return
    triggers = execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = %s", table)
    for name, _sql in triggers:
        execute(f"DROP TRIGGER {name}")
    yield
    for _name, sql in triggers:
        execute(sql)


def run(table: str, *statements: tuple[Any, ...]) -> None:
    """Run statements, each with its parameters, on an unguarded table."""
    with unguarded(table):
        for sql, *params in statements:
            execute(sql, *params)


def run_on_both(*statements: tuple[Any, ...]) -> None:
    """Run statements on events and heads, both unguarded."""
    with unguarded("core_chainhead"):
        run("core_event", *statements)


def rewrite(chain: str, since: int, change: Callable[[list[Event]], None]) -> None:
    """Change the events of a chain and give all from `since` on right numbers, links and hashes, and the head too."""
    events = list(Event.objects.filter(chain=chain).order_by("seq"))
    change(events)
    prev = events[since - 2].hash if since > 1 else NOTHING
    for number, event in enumerate(events[since - 1 :], since):
        event.seq, event.prev = number, prev
        event.hash = prev = audit.compute_hash(event)
    with unguarded("core_chainhead"), unguarded("core_event"):
        execute(f"DELETE FROM core_event WHERE chain = %s AND seq >= {since}", chain)
        Event.objects.bulk_create(events[since - 1 :])
        execute("UPDATE core_chainhead SET seq = %s, hash = %s WHERE chain = %s", len(events), prev, chain)


# -- Chains ------------------------------------------------------------------------------------------


def list_edits(chance: random.Random) -> list[Tamper]:
    """Return an edit of every column of an event, at ten places each."""
    values = {
        "chain": "otra:1",
        "seq": 99,
        "prev": "1" * 64,
        "hash": "2" * 64,
        "verb": "cosa.robada",
        "at": datetime(2020, 1, 1, tzinfo=UTC),
        "actor_id": None,
        "actor_name": "Carla Cetina",
        "data": '{"n": 777, "motivo": "mudanza"}',
    }
    return [
        Tamper(
            f"{column} of {chain} #{seq}",
            chain,
            seq + 1 if column in {"chain", "seq"} else seq,  # the next one misses it
            partial(run, "core_event", (f"UPDATE core_event SET {column} = %s {PLACE}", value, chain, seq)),
        )
        for column, value in values.items()
        for chain, seq in _choose(chance, 10, LAST - 1)
    ]


def list_moves(chance: random.Random) -> list[Tamper]:
    """Return deletions of one event, and swaps of two."""
    deletions = [
        Tamper(
            f"without {chain} #{seq}",
            chain,
            seq + 1,
            partial(run, "core_event", (f"DELETE FROM core_event {PLACE}", chain, seq)),
        )
        for chain, seq in _choose(chance, 40, LAST - 1)
    ]
    move = f"UPDATE core_event SET seq = %s {PLACE}"
    swaps = [
        Tamper(
            f"{chain} #{seq} and the next swapped",
            chain,
            seq,
            partial(run, "core_event", (move, 99, chain, seq), (move, seq, chain, seq + 1), (move, seq + 1, chain, 99)),
        )
        for chain, seq in _choose(chance, 30, LAST - 1)
    ]
    return deletions + swaps


def list_inserts(chance: random.Random) -> list[Tamper]:
    """Return insertions: after the end, in the middle with the later ones moved on, and a chain without a head."""
    after = [Tamper(f"one more after {chain}", chain, LAST + 1, partial(_insert, chain, LAST + 1)) for chain in CHAINS]
    middle = [
        Tamper(f"one more at {chain} #{seq}", chain, seq + 1, partial(_insert, chain, seq))
        for chain, seq in _choose(chance, 20, LAST)
    ]
    chains = [Tamper(f"new chain nueva:{n}", f"nueva:{n}", 0, partial(_insert, f"nueva:{n}", 1)) for n in range(4)]
    return after + middle + chains


def _insert(chain: str, seq: int) -> None:
    """Insert a forged event, right in itself and linked to the one before it, and move the later ones on."""
    before = Event.objects.filter(chain=chain, seq=seq - 1).first()
    forged = Event(chain=chain, seq=seq, prev=before.hash if before else NOTHING, verb="cosa.vendida", at=FIRST_DAY)
    forged.hash = audit.compute_hash(forged)
    later = "UPDATE core_event SET seq = seq {} WHERE chain = %s AND seq >= %s"
    with unguarded("core_chainhead"), unguarded("core_event"):
        if seq <= LAST:
            execute(later.format("+ 1000"), chain, seq)
            execute(later.format("- 999"), chain, 1000)
            execute("UPDATE core_chainhead SET seq = seq + 1 WHERE chain = %s", chain)
        forged.save(force_insert=True)


def list_cuts(chance: random.Random) -> list[Tamper]:
    """Return cuts of a chain's tail, without and with its head, and of whole chains."""
    cut, head = "DELETE FROM core_event WHERE chain = %s AND seq > %s", "DELETE FROM core_chainhead WHERE chain = %s"
    bare = [
        Tamper(f"{chain} cut after #{seq}", chain, seq, partial(run, "core_event", (cut, chain, seq)))
        for chain, seq in _choose(chance, 20, LAST - 1)
    ]
    shorten = "UPDATE core_chainhead SET seq = %s, hash = (SELECT hash FROM core_event " + PLACE + ") WHERE chain = %s"
    with_head = [
        Tamper(
            f"{chain} cut after #{seq} with its head",
            chain,
            _next_sealed(seq + 1),
            partial(run_on_both, (cut, chain, seq), (shorten, seq, chain, seq, chain)),
        )
        for chain, seq in _choose(chance, 30, max(SEALED) - 1)
    ]
    whole = [
        Tamper(f"{chain} gone", chain, min(SEALED), partial(run_on_both, (cut, chain, 0), (head, chain)))
        for chain in CHAINS
    ]
    return bare + with_head + whole


def list_rewrites(chance: random.Random) -> list[Tamper]:
    """Return changes after which every number, link, hash and head is right again: an anchor alone tells."""

    def edit(seq: int, events: list[Event]) -> None:
        events[seq - 1].verb = "cosa.regalada"

    def swap(seq: int, events: list[Event]) -> None:
        events[seq - 1], events[seq] = events[seq], events[seq - 1]

    def drop(seq: int, events: list[Event]) -> None:
        del events[seq - 1]

    def add(seq: int, events: list[Event]) -> None:
        events.insert(seq - 1, Event(chain=events[0].chain, verb="cosa.vendida", at=FIRST_DAY))

    counts = {edit: 30, swap: 10, drop: 10, add: 10}
    return [
        Tamper(
            f"{chain} rewritten from #{seq} ({change.__name__})",
            chain,
            _next_sealed(seq),
            partial(rewrite, chain, seq, partial(change, seq)),
        )
        for change, count in counts.items()
        for chain, seq in _choose(chance, count, max(SEALED))
    ]


def list_heads(chance: random.Random) -> list[Tamper]:
    """Return changes of the rows that say where a chain ends."""
    del chance  # every second chain takes part
    update = "UPDATE core_chainhead SET {} WHERE chain = %s"
    changes = {
        update.format(f"hash = '{NOTHING}'"): LAST,
        update.format("seq = seq + 1"): LAST,
        update.format("seq = seq - 1"): LAST - 1,
        "DELETE FROM core_chainhead WHERE chain = %s": 0,
    }
    return [
        Tamper(f"{sql} {chain}", chain, seq, partial(run, "core_chainhead", (sql, chain)))
        for sql, seq in changes.items()
        for chain in CHAINS[::2]
    ]


def _choose(chance: random.Random, count: int, last: int) -> list[tuple[str, int]]:
    """Return so many different places, with a number of at most `last`."""
    return chance.sample([(chain, seq) for chain in CHAINS for seq in range(1, last + 1)], count)


def _next_sealed(seq: int) -> int:
    """Return the first sealed place that is not before `seq`: there the anchor tells."""
    return next(sealed for sealed in SEALED if sealed >= seq)


# -- Triggers ----------------------------------------------------------------------------------------


def list_triggers(chance: random.Random) -> list[Tamper]:
    """Return guards that were disabled or dropped and put back, dropped for good, left disabled, or emptied."""
    guards = [guard for guard in guard_install.guards(connection.vendor) if guard.event != "TRUNCATE"]
    chosen = chance.sample(guards[:-1], 42)  # of SQLite's last trigger the row number does not change
    tampers = []
    for number, guard in enumerate(chosen):
        ways = _list_ways(guard)
        is_put_back, way = ways[number % len(ways)]
        seq = 1 if is_put_back else 0  # 1: the event of the installation
        tampers.append(Tamper("; ".join(way)[:150], f"trigger:{guard.name}", seq, partial(_alter, way)))
    return tampers


def _list_ways(guard: Guard) -> list[tuple[bool, list[str]]]:
    """Return the ways to lift a guard: whether it is as before at the end, and the statements."""
    name, table, create = guard.name, guard.table, guard.trigger(connection.vendor)
    if connection.vendor == "sqlite":
        drop = f"DROP TRIGGER {name}"
        emptied = f"CREATE TRIGGER {name} BEFORE DELETE ON {table} FOR EACH ROW BEGIN SELECT 1; END"
        return [(True, [drop, create]), (False, [drop]), (False, [drop, emptied])]
    drop, off = f"DROP TRIGGER {name} ON {table}", f"ALTER TABLE {table} DISABLE TRIGGER {name}"
    function = guard.statements("postgresql")[0]
    emptied = f"CREATE OR REPLACE FUNCTION {name}_fn() RETURNS trigger AS $$ BEGIN RETURN NEW; END $$ LANGUAGE plpgsql"
    return [
        (True, [off, f"ALTER TABLE {table} ENABLE TRIGGER {name}"]),
        (True, [drop, create]),
        (True, [emptied, function]),
        (False, [drop]),
        (False, [off]),
        (False, [emptied]),
    ]


def _alter(statements: list[str]) -> None:
    """Run statements that change triggers."""
    connection.check_constraints()
    for statement in statements:
        execute(statement)


# -- Anchors -----------------------------------------------------------------------------------------


def list_anchor_rows() -> list[Tamper]:
    """Return an edit of every column of each anchor's row, and its removal."""
    values = {
        "day": "'2026-10-01'",
        "prev": f"'{'1' * 64}'",
        "hash": "'" + "2" * 63 + "{seq}'",
        "heads": "heads + 1",
        "events": "events - 1",
        "sealed_at": "'2026-11-20 10:00:00'",
    }
    tampers = []
    for seq, day in enumerate(SEALED.values(), 1):
        for column, value in values.items():
            sql = f"UPDATE core_anchor SET {column} = {value.format(seq=seq)} WHERE seq = {seq}"
            tampers.append(Tamper(sql, f"ancla:{day}", seq, partial(run, "core_anchor", (sql,))))
        sql = f"UPDATE core_anchor SET seq = 7 WHERE seq = {seq}"
        tampers.append(Tamper(sql, f"ancla:{day}", 7, partial(run, "core_anchor", (sql,))))
        sql = f"DELETE FROM core_anchor WHERE seq = {seq}"
        tampers.append(Tamper(sql, f"ancla:{day}", seq, partial(run, "core_anchor", (sql,))))
    return tampers


def list_anchor_files(folder: Path) -> list[Tamper]:
    """Return changes of each anchor's file: a line, the head, the hash, a cut, its removal, and a whole forgery."""
    tampers = []
    for seq, day in enumerate(SEALED.values(), 1):
        path, name = folder / f"{day}.json", f"ancla:{day}"
        changes: dict[str, Callable[[bytes], bytes]] = {
            "a number": lambda text: text.replace(b'["cosa:3",', b'["cosa:3",1', 1),
            "the instant": lambda text: text.replace(b'"sealed_at":"2026', b'"sealed_at":"2025', 1),
            "a head less": lambda text: b"\n".join(line for line in text.split(b"\n") if b"cosa:5" not in line),
            "the events": lambda text: text.replace(b'"events":', b'"events":1', 1),
        }
        for what, change in changes.items():
            tampers.append(Tamper(f"{path.name}: {what}", name, seq, partial(_edit, path, change)))
            tampers.append(Tamper(f"{path.name} sealed anew: {what}", name, seq, partial(_edit, path, change, True)))
        tampers.append(Tamper(f"{path.name} gone", name, seq, path.unlink))
        cut = partial(_edit, path, lambda text: text[:200])
        tampers.append(Tamper(f"{path.name} cut", f"ancla:{path.name}", 0, cut))
    return tampers


def _edit(path: Path, change: Callable[[bytes], bytes], is_resealed: bool = False) -> None:
    """Change the text of an anchor's file, and give it the hash of its new lines if it is to look right."""
    text = change(path.read_bytes())
    if is_resealed:
        text = reseal(text)
    path.write_bytes(text)


def reseal(text: bytes) -> bytes:
    """Return the text of an anchor's file with the hash of its lines."""
    lines = text.splitlines(keepends=True)[:-1]
    return b"".join([*lines, f'"hash":"{hashlib.sha256(b"".join(lines)).hexdigest()}"}}\n'.encode()])
