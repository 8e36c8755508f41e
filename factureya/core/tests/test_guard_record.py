"""When the guards were installed is recorded, and one that was lifted and put back since is named (M26)."""

import getpass

import pytest
from django.core.management import call_command
from django.db import connection

from factureya.core import guard_install
from factureya.core.models import Event
from factureya.core.record import guard_record

pytestmark = [pytest.mark.clause("M26"), pytest.mark.django_db]


def flaws() -> list[tuple[str, int]]:
    return [(flaw.chain, flaw.seq) for flaw in guard_record.find_flaws(connection)]


def installed() -> list[Event]:
    return list(Event.objects.filter(chain="system:guards", verb="guards.installed").order_by("seq"))


def test_a_database_in_which_nothing_is_recorded_is_told():
    assert flaws() == [("system:guards", 0)]
    guard_record.record_installed(connection)
    assert flaws() == []


def test_it_says_who_and_every_guard():
    event = guard_record.record_installed(connection)
    assert event.data["by"] == getpass.getuser()
    names = {guard.name for guard in guard_install.guards(connection.vendor)}
    assert names == event.data["marks"].keys() - {guard_record.SCHEMA}


@pytest.mark.parametrize("error", [KeyError, OSError])
def test_a_user_without_a_name_is_named_by_the_number(monkeypatch, error):
    def nameless() -> str:
        raise error

    monkeypatch.setattr(guard_record, "getuser", nameless)
    assert guard_record.record_installed(connection).data["by"].isdecimal()


def test_lifted_and_installed_again_by_our_own_function_is_told_too():
    guard_record.record_installed(connection)
    connection.check_constraints()
    with guard_install.lifted(connection):
        pass
    told = {name.partition(":")[2] for name, _ in flaws()}
    every = {guard.name for guard in guard_install.guards(connection.vendor)}
    # SQLite gives the same row numbers to all of them when all are made again in the same order.
    assert told == ({guard_record.SCHEMA} if connection.vendor == "sqlite" else every)


@pytest.mark.skipif(connection.vendor != "sqlite", reason="only SQLite counts the changes of its schema")
def test_the_last_trigger_of_sqlite_is_told_by_the_schema():
    guard_record.record_installed(connection)
    name, sql = guard_install._read_triggers(connection)[-1][::2][:2]
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TRIGGER {name}")
        cursor.execute(sql)
    assert flaws() == [(f"trigger:{guard_record.SCHEMA}", 1)]


@pytest.mark.django_db(transaction=True)
def test_migrate_records_what_differs_and_nothing_twice():
    migrate = {"verbosity": 0, "interactive": False}
    call_command("migrate", **migrate)
    call_command("migrate", **migrate)
    assert len(installed()) == 1
    assert flaws() == []
    guard_install.install(connection)  # as after a restore: the same guards, another catalogue
    assert flaws() != []
    call_command("migrate", **migrate)
    assert [event.seq for event in installed()] == [1, 2]
    assert flaws() == []


@pytest.mark.django_db(transaction=True)
def test_a_half_migrated_database_records_nothing():
    try:
        call_command("migrate", "change_requests", "0002", verbosity=0, interactive=False)
        assert installed() == []
    finally:
        call_command("migrate", verbosity=0, interactive=False)
    assert len(installed()) == 1
