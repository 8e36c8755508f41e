"""Events: appended in one piece, never changed, and every tampering found and named (M26)."""

import json
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Event as Signal
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction

from factureya.core import audit, guard_install, sql
from factureya.core.models import ChainHead, Event
from factureya.core.record import guard_record
from factureya.testing.people import make_user
from factureya.testing.races import kinds, race

pytestmark = pytest.mark.clause("M26")
NOON = datetime(2026, 11, 24, 18, tzinfo=UTC)


class Thing:
    """What record() needs of a subject."""

    def __init__(self, chain: str) -> None:
        self.chain = chain


def write(chain: str = "cosa:1", events: int = 1, *, actor: Any = None, **data: Any) -> list[Event]:
    with transaction.atomic():
        return [
            audit.record("cosa.movida", Thing(chain), actor=actor, n=n, **data)  # type: ignore[arg-type]
            for n in range(events)
        ]


def flaws() -> list[tuple[str, int, str]]:
    return [(flaw.chain, flaw.seq, flaw.problem) for flaw in audit.find_flaws()]


def tamper(*statements: str) -> None:
    """What only the database's owner can do: lift the guards and write by hand."""
    connection.check_constraints()  # PostgreSQL drops no trigger while a deferred check is pending
    with guard_install.lifted(connection):
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
        connection.check_constraints()


# -- Writing -----------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_the_first_event_of_something_new_looks_for_no_head() -> None:
    with transaction.atomic():
        first = audit.record_first("cosa.hecha", Thing("cosa:1"), actor=None)  # type: ignore[arg-type]
    (second,) = write()
    assert (first.seq, first.prev, second.prev) == (1, audit.GENESIS, first.hash)
    assert flaws() == []
    with pytest.raises(DatabaseError), transaction.atomic():
        audit.record_first("cosa.hecha", Thing("cosa:1"), actor=None)  # type: ignore[arg-type]
    assert ChainHead.objects.get(chain="cosa:1").seq == 2


@pytest.mark.django_db
@time_machine.travel(NOON, tick=False)
def test_an_event_says_who_what_when_and_follows_the_one_before():
    ana = make_user("ana@ejemplo.mx", "Ana Ocaso")
    first, second = write(events=2, actor=ana, antes="ñandú")
    assert (first.seq, first.prev) == (1, audit.GENESIS)
    assert (second.seq, second.prev) == (2, first.hash)
    stored = Event.objects.get(pk=second.pk)
    assert (stored.actor, stored.actor_name, stored.at) == (ana, "Ana Ocaso", NOON)
    assert stored.data == {"n": 1, "antes": "ñandú"}
    assert audit.compute_hash(stored) == stored.hash
    head = ChainHead.objects.get(chain="cosa:1")
    assert (head.seq, head.hash) == (2, second.hash)
    assert str(head) == "cosa:1 #2"
    assert str(stored) == "cosa:1 #2 cosa.movida"
    assert flaws() == []


@pytest.mark.django_db
def test_the_system_acts_without_a_name():
    (event,) = write()
    assert (event.actor, event.actor_name) == (None, "")


@pytest.mark.django_db(transaction=True)
def test_never_outside_a_transaction():
    with pytest.raises(RuntimeError, match="inside the transaction"):
        audit.record("cosa.movida", Thing("cosa:1"), actor=None)  # type: ignore[arg-type]
    assert not Event.objects.exists()


@pytest.mark.django_db
def test_who_finds_the_chain_begun_meanwhile_comes_second(monkeypatch):
    (first,) = write()
    look = audit._lock_head
    answers = iter([None])
    monkeypatch.setattr(audit, "_lock_head", lambda chain: next(answers, look(chain)))
    (second,) = write()
    assert (second.seq, second.prev) == (2, first.hash)
    assert flaws() == []


@pytest.mark.django_db
@pytest.mark.parametrize("value", [1.5, float("nan"), 1e16, datetime.now(UTC), {"a": [0.1]}, object()])
def test_only_what_both_databases_give_back_as_written(value):
    with pytest.raises(TypeError):
        write(value=value)
    assert not Event.objects.exists()


@pytest.mark.django_db
def test_what_is_written_comes_back_with_the_same_hash():
    write(valor={"b": [1, -(2**53), None, True, "\u2028 ñ 😀"], "a": {"": "", "z": [], "y": {}}, "10": 10**30})
    assert flaws() == []


# -- Tampering ---------------------------------------------------------------------------------------

SWAP = [
    "UPDATE core_event SET seq = 99 WHERE chain = 'cosa:1' AND seq = 2",
    "UPDATE core_event SET seq = 2 WHERE chain = 'cosa:1' AND seq = 3",
    "UPDATE core_event SET seq = 3 WHERE chain = 'cosa:1' AND seq = 99",
]
HEAD = "UPDATE core_chainhead SET {} WHERE chain = 'cosa:1'"
THIRD = "UPDATE core_event SET {} WHERE chain = 'cosa:1' AND seq = 3"
COPY = (
    "INSERT INTO core_event (chain, seq, prev, hash, verb, at, actor_name, data) "
    "SELECT chain, {seq}, hash, '{hash}', verb, at, actor_name, data FROM core_event "
    "WHERE chain = 'cosa:1' AND seq = 5"
)
CHANGED = [(3, "el contenido no corresponde a su hash")]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("statements", "found"),
    [
        ([THIRD.format("verb = 'cosa.robada'")], CHANGED),
        ([THIRD.format("data = '{\"n\": 7}'")], CHANGED),
        ([THIRD.format("actor_name = 'Carla'")], CHANGED),
        ([THIRD.format("actor_id = NULL")], CHANGED),
        ([THIRD.format("at = '2020-01-01 00:00:00'")], CHANGED),
        (
            [THIRD.format(f"prev = '{'1' * 64}'")],
            [(3, "no enlaza con el anterior"), (3, "el contenido no corresponde a su hash")],
        ),
        (
            [THIRD.format(f"hash = '{'1' * 64}'")],
            [(3, "el contenido no corresponde a su hash"), (4, "no enlaza con el anterior")],
        ),
        (["DELETE FROM core_event WHERE chain = 'cosa:1' AND seq = 3"], [(4, "falta el evento 3")]),
        (["DELETE FROM core_event WHERE chain = 'cosa:1' AND seq = 1"], [(2, "falta el evento 1")]),
        (
            ["DELETE FROM core_event WHERE chain = 'cosa:1' AND seq > 3"],
            [(3, "la cadena termina en 3 y debía terminar en 5")],
        ),
        (["DELETE FROM core_event WHERE chain = 'cosa:1'"], [(5, "faltan todos los eventos")]),
        (["DELETE FROM core_chainhead WHERE chain = 'cosa:1'"], [(0, "la cadena no tiene cabeza")]),
        ([HEAD.format(f"hash = '{'1' * 64}'")], [(5, "la cabeza no corresponde al último evento")]),
        ([HEAD.format("seq = 6")], [(5, "la cadena termina en 5 y debía terminar en 6")]),
        (
            SWAP,
            [
                (2, "no enlaza con el anterior"),
                (2, "el contenido no corresponde a su hash"),
                (3, "no enlaza con el anterior"),
                (3, "el contenido no corresponde a su hash"),
                (4, "no enlaza con el anterior"),
            ],
        ),
        (
            [COPY.format(seq=6, hash="1" * 64)],
            [(6, "el contenido no corresponde a su hash"), (6, "hay eventos después del final, que es 5")],
        ),
    ],
)
def test_every_tampering_is_found_and_its_place_named(statements, found):
    write("cosa:0", 3)
    write("cosa:1", 5, actor=make_user())
    write("cosa:2", 3)
    tamper(*statements)
    assert flaws() == [("cosa:1", seq, problem) for seq, problem in found]


@pytest.mark.django_db
def test_what_is_appended_while_it_reads_is_no_flaw(monkeypatch):
    write(events=2)
    whole = audit._check_chains

    def appended_meanwhile(heads: dict[str, audit.Head], *names: str | None) -> Any:
        write()
        return whole(heads, *names)

    monkeypatch.setattr(audit, "_check_chains", appended_meanwhile)
    assert flaws() == []
    assert Event.objects.count() == 4  # one in each of two passes


@pytest.mark.django_db
def test_a_chain_that_is_begun_while_it_reads_is_no_flaw(monkeypatch):
    write()
    whole, names = audit._check_chains, iter(["cosa:0", "cosa:2"])

    def begun_meanwhile(heads: dict[str, audit.Head], *bounds: str | None) -> Any:
        write(next(names))
        return whole(heads, *bounds)

    monkeypatch.setattr(audit, "_check_chains", begun_meanwhile)
    assert flaws() == []
    assert ChainHead.objects.count() == 3


@pytest.mark.django_db
def test_all_chains_are_walked_in_pieces(monkeypatch):
    monkeypatch.setattr(audit, "_CHAINS_AT_A_TIME", 2)
    for n in range(5):
        write(f"cosa:{n}", 2)
    tamper("DELETE FROM core_event WHERE seq = 1")
    assert [chain for chain, _, _ in flaws()] == [f"cosa:{n}" for n in range(5)]


@pytest.mark.django_db
def test_memory_does_not_grow_with_the_events(monkeypatch):
    monkeypatch.setattr(sql, "_ROWS_AT_A_TIME", 10)
    monkeypatch.setattr(audit, "_CHAINS_AT_A_TIME", 5)
    peaks = []
    for more in (10, 50):
        for n in range(10):
            write(f"cosa:{n}", more)
        assert flaws() == []  # warm
        tracemalloc.start()
        assert flaws() == []
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] * 1.5, peaks  # six times the events


# -- The command -------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_the_command_says_that_all_is_whole(capsys):
    write(events=3)
    guard_record.record_installed(connection)
    call_command("verify_audit")
    assert capsys.readouterr().out == "Bitácora íntegra: 2 cadenas, 4 eventos, 0 anclas.\n"
    call_command("verify_audit", "--json")
    found = json.loads(capsys.readouterr().out)
    assert found == {"whole": True, "chains": 2, "events": 4, "anchors": 0, "flaws": []}


@pytest.mark.django_db
def test_the_command_names_the_place_and_fails(capsys):
    write(events=3)
    tamper("UPDATE core_event SET verb = 'x' WHERE seq = 2")
    guard_record.record_installed(connection)  # anew after the tampering, which lifted them
    with pytest.raises(CommandError, match="no está íntegra") as failed:
        call_command("verify_audit")
    assert failed.value.returncode == 1
    assert capsys.readouterr().out == "cosa:1 #2: el contenido no corresponde a su hash\n"
    with pytest.raises(CommandError):
        call_command("verify_audit", "--json")
    (flaw,) = json.loads(capsys.readouterr().out)["flaws"]
    assert flaw == {"chain": "cosa:1", "seq": 2, "problem": "el contenido no corresponde a su hash"}


# -- Races -------------------------------------------------------------------------------------------


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_events_of_one_chain_are_contiguous(race_rounds):
    """Also the very first ones, which find no head to lock."""
    for n in range(race_rounds):
        calls = [lambda chain=f"cosa:{n}": [write(chain) for _ in range(5)]] * 10
        assert kinds(race(*calls, connected=False)) == {"ok": 10}
        seqs = Event.objects.filter(chain=f"cosa:{n}").order_by("seq").values_list("seq", flat=True)
        assert list(seqs) == list(range(1, 51))
    assert flaws() == []


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_two_chains_do_not_wait_for_each_other():
    write("cosa:1"), write("cosa:2")
    held, release = Signal(), Signal()

    def hold() -> None:
        with transaction.atomic():
            write("cosa:1")
            held.set()
            assert release.wait(10)
        connection.close()

    def in_a_hurry(chain: str) -> None:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL lock_timeout = '300ms'")
            write(chain)

    with ThreadPoolExecutor(1) as pool:
        holder = pool.submit(hold)
        assert held.wait(10)
        try:
            in_a_hurry("cosa:2")
            with pytest.raises(DatabaseError, match="lock timeout"):
                in_a_hurry("cosa:1")
        finally:
            release.set()
        holder.result()
    assert list(ChainHead.objects.order_by("chain").values_list("seq", flat=True)) == [2, 2]
