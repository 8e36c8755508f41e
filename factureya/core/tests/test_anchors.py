"""The daily anchors: sealed once, written to a file that a crash cannot lose, mailed, and compared (M26)."""

import gzip
import hashlib
import json
import stat
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction

from factureya.core import audit, clock, health, tasks
from factureya.core.models import Anchor, Event, UnwrittenAnchor
from factureya.core.record import anchors, guard_record
from factureya.testing import tampering
from factureya.testing.people import make_user
from factureya.testing.races import kinds, race
from factureya.testing.raw_sql import postgres_only, sqlite_only

pytestmark = [pytest.mark.clause("M26"), pytest.mark.django_db]
NOON = datetime(2026, 11, 24, 18, tzinfo=UTC)
NEXT = NOON + timedelta(days=1)


@pytest.fixture(autouse=True)
def folder(settings, tmp_path: Path) -> Path:
    settings.ANCHORS_DIR = tmp_path / "anchors"
    return tmp_path / "anchors"


def seal(at: datetime = NOON, events: int = 1) -> Anchor:
    """Write events on two chains and seal the day."""
    with time_machine.travel(at, tick=False):
        tampering.write_events(make_user(), events, ["cosa:1", "cosa:ñ"])
        anchor = anchors.seal_day()
    assert anchor is not None
    return anchor


def flaws(folder: Path | None = None) -> list[tuple[str, int, str]]:
    return [(flaw.chain, flaw.seq, flaw.problem) for flaw in anchors.find_flaws(folder)]


def refused(sql: str, name: str) -> None:
    with pytest.raises(IntegrityError, match=name), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)


# -- Sealing -----------------------------------------------------------------------------------------


def test_a_day_is_sealed_once_and_each_anchor_holds_the_one_before(folder):
    first = seal()
    with time_machine.travel(NOON + timedelta(hours=2)):
        assert anchors.seal_day() is None
    second = seal(NEXT)
    assert (first.day, first.seq, first.prev, first.heads, first.events) == (date(2026, 11, 24), 1, audit.GENESIS, 3, 3)
    assert (second.day, second.seq, second.prev, second.events) == (date(2026, 11, 25), 2, first.hash, 6)
    assert str(second) == "ancla 2 (2026-11-25)"
    assert flaws() == []


def test_the_first_day_of_a_database_without_an_event_can_be_sealed():
    with time_machine.travel(NOON, tick=False):
        anchor = anchors.seal_day()
    assert anchor is not None
    assert (anchor.heads, anchor.events) == (0, 0)
    assert flaws() == []


def test_the_day_is_the_one_of_mexico():
    assert seal(datetime(2026, 11, 25, 5, tzinfo=UTC)).day == date(2026, 11, 24)  # 23:00
    assert seal(datetime(2026, 11, 25, 6, tzinfo=UTC)).day == date(2026, 11, 25)


def test_the_file_is_json_for_its_owner_alone_and_anybody_can_hash_it(folder):
    anchor = seal(events=3)
    path = folder / "2026-11-24.json"
    assert anchors.find_path(anchor) == path
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [file.name for file in folder.iterdir()] == [path.name]  # nothing half-written stays
    *lines, _last = path.read_bytes().splitlines(keepends=True)  # head -n -1 FILE | sha256sum
    assert hashlib.sha256(b"".join(lines)).hexdigest() == anchor.hash
    said = json.loads(path.read_bytes())
    assert said["hash"] == anchor.hash
    *of_things, of_the_person = [head[:2] for head in said["heads"]]
    assert of_things == [["cosa:1", 3], ["cosa:ñ", 3]]
    assert of_the_person[1] == 1
    assert list(anchors.read_heads(path)) == [anchors.Head(*head) for head in said["heads"]]


def test_the_last_anchor_is_named_in_a_line():
    assert anchors.latest_anchor() is None
    assert anchors.describe_anchor() == ""
    first, second = seal(), seal(NEXT)
    assert anchors.latest_anchor() == second
    assert anchors.latest_anchor(before=NEXT) == first
    named = f"ancla 1 de la bitácora, del 24 de noviembre de 2026: {first.hash[:16]}"
    assert anchors.describe_anchor(before=NEXT) == named
    assert anchors.describe_anchor(before=NOON) == ""


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_two_processes_seal_one_day_once(race_rounds, folder):
    for number in range(race_rounds):
        with time_machine.travel(NOON + timedelta(days=number), tick=False):
            assert kinds(race(*[anchors.seal_day] * 4)) == {"ok": 4}
        assert Anchor.objects.count() == number + 1
    assert flaws() == []


def test_who_finds_the_day_sealed_meanwhile_does_nothing(monkeypatch, caplog):
    def sealed_meanwhile(*_args: object) -> Anchor:
        raise IntegrityError

    monkeypatch.setattr(anchors, "_store_anchor", sealed_meanwhile)
    assert anchors.seal_day() is None
    assert "the day was not sealed here" in caplog.text


def test_the_task_and_the_command_seal_once(capsys):
    assert [tasks.seal_day(), tasks.seal_day()] == [True, False]
    call_command("seal_day")
    assert capsys.readouterr().out == f"Ya estaba sellado: {anchors.describe_anchor()}\n"
    with time_machine.travel(clock.now() + timedelta(days=1)):
        call_command("seal_day")
    assert capsys.readouterr().out.startswith("Se selló: ancla 2 de la bitácora")


# -- A crash between the commit and the file ---------------------------------------------------------


def test_a_file_that_could_not_be_written_is_written_by_the_next_run(folder, monkeypatch, caplog):
    def full(*_args: object) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(anchors, "_write_file", full)
        anchor = seal()
    assert "no space left" in caplog.text
    assert str(UnwrittenAnchor.objects.get()) == "texto de ancla 1 (2026-11-24)"
    assert flaws() == [("ancla:2026-11-24", 1, "falta el archivo del ancla")]
    tampering.write_events(make_user(), 2, ["cosa:1"])  # the chains have moved on since
    with time_machine.travel(NOON + timedelta(hours=1)):
        assert anchors.seal_day() is None
    assert not UnwrittenAnchor.objects.exists()
    assert flaws() == []
    assert next(anchors.read_heads(folder / "2026-11-24.json")).seq == 1
    assert anchor == anchors.latest_anchor()


def test_a_process_that_died_after_it_wrote_leaves_the_same_file(folder, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(UnwrittenAnchor, "delete", lambda _row: None)
        seal()
    path = folder / "2026-11-24.json"
    text = path.read_bytes()
    assert anchors.write_files() == 1
    assert (path.read_bytes(), UnwrittenAnchor.objects.count()) == (text, 0)


def test_a_file_that_says_something_else_is_never_replaced(folder, caplog):
    folder.mkdir()
    (folder / "2026-11-24.json").write_text("older")
    seal()
    assert (folder / "2026-11-24.json").read_text() == "older"
    assert "2026-11-24.json says something else" in caplog.text
    assert UnwrittenAnchor.objects.exists()


# -- Guards ------------------------------------------------------------------------------------------


def test_anchors_are_append_only_and_follow_each_other():
    anchor = seal()
    refused("UPDATE core_anchor SET heads = 0", "core_anchor_no_update")
    refused("DELETE FROM core_anchor", "core_anchor_no_delete")
    again = "INSERT INTO core_anchor (day, seq, prev, hash, heads, events, sealed_at) SELECT {} FROM core_anchor"
    for values in (
        "'2026-12-01', 3, hash, 'x', 0, 0, sealed_at",  # not the next one
        "'2026-12-01', 2, 'x', 'y', 0, 0, sealed_at",  # not after the last one
    ):
        refused(again.format(values), "core_anchor_follows")
    refused(again.format("day, 2, hash, 'y', 0, 0, sealed_at"), "core_anchor_no_replace|core_anchor_day_")
    assert anchors.latest_anchor() == anchor


@postgres_only
def test_anchors_are_not_truncated():
    seal()
    connection.check_constraints()
    refused("TRUNCATE core_anchor CASCADE", "core_anchor_no_truncate")


@sqlite_only
def test_an_anchor_is_not_replaced():
    seal()
    refused(
        "REPLACE INTO core_anchor SELECT id, '2026-12-01', 2, hash, 'y', 0, 0, sealed_at FROM core_anchor", "no_replace"
    )


# -- Comparing ---------------------------------------------------------------------------------------


def test_compressed_files_are_read_too(folder):
    seal()
    seal(NEXT)
    path = folder / "2026-11-24.json"
    (folder / "2026-11-24.json.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    assert flaws() == []


def test_an_anchor_that_is_sealed_while_it_reads_is_no_flaw(folder, monkeypatch):
    seal()
    list_files = anchors.list_files

    def sealed_meanwhile(place: Path) -> list[Path]:
        seal(NEXT)
        return list_files(place)

    monkeypatch.setattr(anchors, "list_files", sealed_meanwhile)
    assert flaws() == []


def test_a_file_of_another_database_is_told(folder, tmp_path):
    seal()
    seal(NEXT)
    tampering.run("core_anchor", ("DELETE FROM core_anchor WHERE seq = 2",))
    assert flaws() == [("ancla:2026-11-25", 2, "el ancla del archivo falta en la base de datos")]


def test_a_file_under_another_name_is_told(folder):
    seal()
    (folder / "2026-11-24.json").rename(folder / "2026-11-20.json")
    assert flaws() == [("ancla:2026-11-24", 1, "el archivo del ancla fue alterado")]


@pytest.mark.parametrize(
    "text", [b"", b"{}\n", b"[1,2]\n", b"x\ny\nz\n", b'{"day":1,"heads":[\n],"chains":0,\n"hash":"x"}\n']
)
def test_a_file_that_is_none_of_ours_is_told_by_its_name(folder, text):
    folder.mkdir()
    (folder / "2026-11-24.json").write_bytes(text)
    assert flaws() == [("ancla:2026-11-24.json", 0, "el archivo no se puede leer")]


def test_a_line_that_is_no_head_makes_the_file_unreadable(folder):
    seal()
    path = folder / "2026-11-24.json"
    path.write_bytes(tampering.reseal(path.read_bytes().replace(b'["cosa:1",1,', b'[["cosa:1"],1,')))
    assert ("ancla:2026-11-24.json", 0, "el archivo no se puede leer") in flaws()


def test_many_heads_are_looked_up_in_pieces_and_a_chain_is_named_once(monkeypatch):
    monkeypatch.setattr(anchors, "_LOOKED_UP_AT_A_TIME", 1)
    seal()
    seal(NEXT)
    tampering.rewrite("cosa:1", 1, lambda events: events.reverse())
    problem = "no es el que selló el ancla del 2026-11-24: se reescribió o se cortó"
    assert flaws() == [("cosa:1", 1, problem)]


def test_a_chain_that_came_between_two_anchors_is_looked_up(folder):
    seal()
    with time_machine.travel(NEXT, tick=False):
        tampering.write_events(make_user(), 1, ["cosa:0", "cosa:2"])
        anchors.seal_day()
    files = anchors.list_files(folder)
    moved = [head.chain for head in anchors._find_new_heads(files[1], files[0])]
    assert moved[:-1] == ["cosa:0", "cosa:2"]  # the last one is the new person's
    assert flaws() == []


def test_a_chain_that_a_later_file_lacks_hides_no_head_after_it(folder):
    seal()
    with time_machine.travel(NEXT, tick=False):
        tampering.write_events(make_user(), 1, ["cosa:ñ"])
        anchors.seal_day()
    old, new = anchors.list_files(folder)
    for file, moved in ((new, ["cosa:ñ"]), (old, [])):
        with anchors._open_file(file) as opened:
            lines = opened.readlines()
        shorter = folder / "sin-la-primera.json"
        shorter.write_bytes(b"".join([lines[0], *lines[2:]]))  # without the first chain
        found = [head.chain for head in anchors._find_new_heads(shorter, old)]
        assert [chain for chain in found if chain.startswith("cosa:")] == moved


def test_a_head_that_did_not_move_is_not_parsed_again(folder, monkeypatch):
    """The cost of a day is that of what moved in it, and of reading its file."""
    chains, person = [f"cosa:{number:03}" for number in range(60)], make_user()
    for day in range(6):
        with time_machine.travel(NOON + timedelta(days=day), tick=False):
            tampering.write_events(person, 1, [*chains, "otra:1"] if day == 0 else ["cosa:007", "cosa:059"])
            anchors.seal_day()
    parsed: list[object] = []
    loads = json.loads

    def count(text: bytes) -> object:
        parsed.append(text)
        return loads(text)

    monkeypatch.setattr(anchors.json, "loads", count)
    assert list(anchors.find_flaws()) == []
    assert len(parsed) <= 62 + 6 * 2 + 5 * 2 * 4  # all heads once, each file's first and last lines, and what moved
    monkeypatch.undo()
    moved = [head.chain for head in anchors._find_new_heads(*reversed(anchors.list_files(folder)[:2]))]
    assert moved == ["cosa:007", "cosa:059"]


@pytest.mark.parametrize("name", [b"\\x41", b"\xff", b"a\tb", b'a"'])
def test_a_name_that_is_no_json_makes_the_file_unreadable(folder, name):
    seal()
    path = folder / "2026-11-24.json"
    path.write_bytes(tampering.reseal(path.read_bytes().replace(b'["cosa:1",', b'["cosa:1' + name + b'",')))
    assert ("ancla:2026-11-24.json", 0, "el archivo no se puede leer") in flaws()


# -- A backup that is older than the last anchor ------------------------------------------------------


def restore_after_an_anchor(folder: Path) -> bytes:
    """Seal a second day, take the database back to the first, seal again, and return the lost file."""
    seal()
    with suppress(ZeroDivisionError), transaction.atomic():
        seal(NEXT, events=2)
        raise ZeroDivisionError  # the database forgets the day, and its file stays
    lost = (folder / "2026-11-25.json").read_bytes()
    seal(NEXT + timedelta(hours=2))
    return lost


def test_after_a_restore_the_anchors_of_the_lost_log_are_set_aside_and_named(folder, capsys):
    lost = restore_after_an_anchor(folder)
    assert ("ancla:2026-11-25", 2, "el ancla de la base de datos no corresponde a su archivo") in flaws()
    assert UnwrittenAnchor.objects.exists()
    call_command("set_anchors_aside", reason="Se restauró el respaldo del día 24.")
    assert capsys.readouterr().out == "Se apartaron 1 anclas: 2026-11-25.json\n"
    assert (flaws(), UnwrittenAnchor.objects.count()) == ([], 0)
    event = Event.objects.get(verb="anchors.set_aside")
    kept = folder / event.data["folder"] / "2026-11-25.json"
    assert (kept.read_bytes(), stat.S_IMODE(kept.parent.stat().st_mode)) == (lost, 0o700)
    assert event.data["files"] == [{"name": kept.name, "seq": 2, "hash": json.loads(lost)["hash"]}]
    assert event.data["reason"] == "Se restauró el respaldo del día 24."
    assert event.data["by"]
    call_command("set_anchors_aside", reason="Otra vez.")
    assert capsys.readouterr().out == "Nada que apartar.\n"
    assert Event.objects.filter(verb="anchors.set_aside").count() == 1


def test_an_altered_anchor_is_not_set_aside_and_stays_a_flaw(folder):
    seal()
    path = folder / "2026-11-24.json"
    path.write_bytes(path.read_bytes().replace(b'["cosa:1",1,', b'["cosa:1",2,'))
    call_command("set_anchors_aside", reason="Se restauró.")
    assert flaws() == [("ancla:2026-11-24", 1, "el archivo del ancla fue alterado")]


def test_anchors_are_not_set_aside_without_a_reason_or_beside_an_unreadable_file(folder):
    restore_after_an_anchor(folder)
    with pytest.raises(CommandError, match="motivo"):
        call_command("set_anchors_aside", reason=" ")
    (folder / "2026-11-20.json").write_bytes(b"x")
    with pytest.raises(CommandError, match="No se pudo leer"):
        call_command("set_anchors_aside", reason="Se restauró.")
    assert not Event.objects.filter(verb="anchors.set_aside").exists()


# -- verify_audit and /readyz ------------------------------------------------------------------------


def find_one() -> list[audit.Flaw]:
    return [audit.Flaw("oficina:1", 2, "la fila no corresponde a sus eventos")]


def test_verify_audit_runs_what_the_apps_compare_and_says_a_missing_folder(settings, capsys, tmp_path):
    guard_record.record_installed(connection)
    seal()
    call_command("verify_audit")
    settings.AUDIT_STATE_CHECKS = [f"{__name__}.find_one"]
    with pytest.raises(CommandError, match="no está íntegra"):
        call_command("verify_audit")
    assert "oficina:1 #2: la fila no corresponde a sus eventos\n" in capsys.readouterr().out
    with pytest.raises(CommandError, match="No existe la carpeta"):
        call_command("verify_audit", anchors=tmp_path / "nowhere")


def test_readyz_warns_of_an_anchor_older_than_26_hours(client, monkeypatch, settings):
    settings.MAIL_TRUSTED_AUTHSERV = "mx.factureya.com"
    monkeypatch.setattr(health, "_started_at", NOON - timedelta(days=2))
    with time_machine.travel(NOON, tick=False):
        assert client.get("/readyz").json()["warnings"] == ["anchors"]  # never one, and two days up
    seal()
    for hours, warned in ((26, []), (26.1, ["anchors"])):
        with time_machine.travel(NOON + timedelta(hours=hours), tick=False):
            assert client.get("/readyz").json()["warnings"] == warned


def test_readyz_warns_of_an_anchor_without_its_file(client, monkeypatch, settings):
    settings.MAIL_TRUSTED_AUTHSERV = "mx.factureya.com"
    monkeypatch.setattr(anchors, "_write_file", lambda *_args: Path("/nowhere").stat())
    seal()
    for minutes, warned in ((60, []), (61, ["anchors"])):
        with time_machine.travel(NOON + timedelta(minutes=minutes), tick=False):
            assert client.get("/readyz").json()["warnings"] == warned
