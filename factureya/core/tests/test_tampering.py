"""Three hundred changes by the owner of the database, each found and its place named (M26, issue F)."""

import shutil
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from factureya.core.audit import Flaw
from factureya.core.management.commands.verify_audit import find_all_flaws
from factureya.core.models import Anchor, Event, OutboxMessage
from factureya.testing import tampering
from factureya.testing.people import make_user
from factureya.testing.raw_sql import execute

pytestmark = [pytest.mark.clause("M26"), pytest.mark.django_db]


@pytest.fixture
def folder(settings, tmp_path: Path) -> Path:
    """The folder of the anchors' files, over a record with eight chains and two anchors."""
    settings.ANCHORS_DIR = tmp_path / "anchors"
    tampering.seed_chains(make_user("dueno@ejemplo.mx", "Ana Ocaso"))
    return tmp_path / "anchors"


def places(copy: Path | None = None) -> set[tuple[str, int]]:
    return {(flaw.chain, flaw.seq) for flaw in find_all_flaws(copy)}


def test_each_of_300_tampers_is_found_and_its_place_named(folder, tmp_path):
    assert places() == set()
    shutil.copytree(folder, tmp_path / "whole")
    tampers = tampering.list_tampers(folder)
    assert len({tamper.name for tamper in tampers}) == len(tampers) >= 300
    missed = []
    for tamper in tampers:
        with transaction.atomic():
            tamper.do()
            named = places()
            transaction.set_rollback(True)
        shutil.copytree(tmp_path / "whole", folder, dirs_exist_ok=True)
        if (tamper.chain, tamper.seq) not in named:
            missed.append((tamper, named))
    assert missed == []
    assert places() == set()


def test_chain_and_anchors_forged_together_are_found_by_a_copy_from_another_machine(folder, tmp_path, capsys):
    copy = tmp_path / "elsewhere"
    shutil.copytree(folder, copy)
    call_command("verify_audit", anchors=copy)

    def steal(events: list[Event]) -> None:
        events[2].verb = "cosa.robada"

    tampering.rewrite("cosa:4", 3, steal)
    prev = tampering.NOTHING
    for anchor in Anchor.objects.order_by("seq"):  # all that the owner of database and folder can do
        path = folder / f"{anchor.day}.json"
        text = path.read_bytes().replace(anchor.prev.encode(), prev.encode(), 1)
        until = next(place for place, day in tampering.SEALED.items() if day == anchor.day)
        lines = text.splitlines(keepends=True)
        forged = Event.objects.get(chain="cosa:4", seq=until)
        lines = [f'["cosa:4",{until},"{forged.hash}"],\n'.encode() if b'"cosa:4"' in line else line for line in lines]
        path.write_bytes(text := tampering.reseal(b"".join(lines)))
        own = text.splitlines()[-1].decode()[8:-2]
        sql = f"UPDATE core_anchor SET prev = '{prev}', hash = '{own}' WHERE seq = {anchor.seq}"
        tampering.run("core_anchor", (sql,))
        prev = own
    seen_here = {chain for chain, _ in places() if not chain.startswith("trigger:")}
    assert seen_here == set()
    with pytest.raises(CommandError):
        call_command("verify_audit", anchors=copy)
    said = capsys.readouterr().out
    assert "cosa:4 #6: no es el que selló el ancla del 2026-11-23: se reescribió o se cortó" in said
    assert "ancla:2026-11-23 #1: el ancla de la base de datos no corresponde a su archivo" in said


def test_what_is_cut_with_its_head_before_the_next_anchor_is_found_by_the_mail_that_names_it(folder):
    hashes = Event.objects.filter(chain="cosa:2", seq__gte=10).order_by("seq").values_list("hash", flat=True)
    for event_hash in [*hashes, "form"]:
        OutboxMessage.objects.create(
            key=f"{event_hash}:1", message_id=event_hash, kind="cosas/movida", to="ana@ocaso.mx", about="cosa:2"
        )
    assert places() == set()
    tampering.rewrite("cosa:2", 11, lambda events: events.__delitem__(-1))
    found = [flaw for flaw in find_all_flaws() if not flaw.chain.startswith("trigger:")]
    assert found == [Flaw("cosa:2", 0, "un correo (cosas/movida) nombra un evento que no está")]


@pytest.mark.skipif(connection.vendor != "sqlite", reason="only SQLite keeps any value in any column")
@pytest.mark.parametrize(
    ("table", "change", "place"),
    [
        ("core_event", "seq = 'x'", ("cosa:1", "x")),
        ("core_event", "data = 'x'", ("cosa:1", 5)),
        ("core_event", "at = 'x'", ("cosa:1", 5)),
        ("core_event", "verb = CAST('x' AS BLOB)", ("cosa:1", 5)),
        ("core_chainhead", "seq = 'x'", ("cosa:1", 11)),
    ],
)
def test_a_value_that_cannot_be_read_is_a_flaw_not_an_error(folder, table, change, place):
    execute("PRAGMA ignore_check_constraints = ON")
    try:
        seq = 5 if table == "core_event" else 11
        tampering.run(table, (f"UPDATE {table} SET {change} WHERE chain = 'cosa:1' AND seq = {seq}",))
        assert place in places()
    finally:
        execute("PRAGMA ignore_check_constraints = OFF")
