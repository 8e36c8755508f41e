"""Guards survive every migration, and a database that holds other ones is told (M26; findings house D1–D3)."""

import io
from dataclasses import replace

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from change_requests.models import FormalRequest
from factureya.core import guard_install, guards
from factureya.core.management.commands import up
from factureya.testing.tickets import make_ticket

pytestmark = pytest.mark.clause("M26")
EARLIER = [("tickets", "0001"), ("change_requests", "0002"), ("change_requests", "zero"), ("tickets", "zero")]


def execute(*statements: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def drop(name: str, table: str) -> str:
    return f"DROP TRIGGER {name}" + (f" ON {table}" if connection.vendor == "postgresql" else "")


def warned() -> str:
    return "".join(found.msg for found in guard_install.guards_are_in_place(databases=["default"]))


@pytest.fixture
def _whole_again():
    yield
    call_command("migrate", verbosity=0, interactive=False)
    assert guard_install.differences(connection) == []


# -- Migrations: no guard stands in the way, and all of them are there at the end --------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_whole_again")
@pytest.mark.parametrize(("app", "earlier"), EARLIER)
def test_back_to_an_earlier_state_and_forward_again(app, earlier):
    call_command("migrate", app, earlier, verbosity=0, interactive=False)
    assert {row[0] for row in guard_install._read_triggers(connection)} == set()
    assert "migrations are not applied" in guard_install.why_not_ready(connection)
    call_command("migrate", verbosity=0, interactive=False)
    assert guard_install.differences(connection) == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_whole_again")
def test_house_d1_after_going_back_a_ticket_can_be_written():
    call_command("migrate", "tickets", "0001", verbosity=0, interactive=False)
    call_command("migrate", verbosity=0, interactive=False)
    ticket = make_ticket()
    assert ticket.events().count() >= 1
    assert not FormalRequest.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_whole_again")
def test_a_migrate_without_anything_to_do_leaves_the_guards_alone(monkeypatch):
    lifted = []
    monkeypatch.setattr(guard_install, "lift", lambda _connection: lifted.append(True))
    call_command("migrate", verbosity=0, interactive=False)
    assert lifted == []


# -- A database that holds other guards --------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_whole_again")
def test_house_d2_a_changed_guard_is_told_and_the_next_migrate_installs_it(monkeypatch, client):
    assert warned() == ""
    last = guards.GUARDS[-3]
    monkeypatch.setattr(guards, "GUARDS", [*guards.GUARDS[:-3], replace(last, message="otro"), *guards.GUARDS[-2:]])
    assert guard_install.differences(connection) == [f"changed: {last.name}"]
    assert f"changed: {last.name}" in warned()
    assert client.get("/readyz").json()["checks"]["guards"] == {"ok": False}
    with pytest.raises(CommandError, match="guards differ"):
        call_command(up.Command(), bind="127.0.0.1:0")
    call_command("migrate", verbosity=0, interactive=False)
    assert guard_install.differences(connection) == []
    assert client.get("/readyz").json()["checks"]["guards"] == {"ok": True}


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_whole_again")
def test_a_dropped_and_an_unknown_trigger_are_told():
    create = guards.GUARDS[0].trigger(connection.vendor).replace(guards.GUARDS[0].name, "stranger", 1)
    execute(drop("core_chainhead_forward", "core_chainhead"), create)
    assert guard_install.differences(connection) == ["missing: core_chainhead_forward", "unknown: stranger"]
    call_command("migrate", verbosity=0, interactive=False)
    assert guard_install.differences(connection) == []


@pytest.mark.skipif(connection.vendor == "sqlite", reason="only PostgreSQL disables triggers and has functions")
@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_whole_again")
@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE core_event DISABLE TRIGGER core_event_no_delete",
        "ALTER TABLE core_event DISABLE TRIGGER USER",
        "CREATE OR REPLACE FUNCTION core_event_no_delete_fn() RETURNS trigger AS $$ BEGIN RETURN OLD; END $$ "
        "LANGUAGE plpgsql",
        "ALTER FUNCTION core_event_no_delete_fn() RESET search_path",
        "ALTER FUNCTION core_event_no_delete_fn() SET search_path = pg_temp, public",
    ],
)
def test_a_disabled_trigger_and_an_altered_function_are_told(statement):
    execute(statement)
    assert "changed: core_event_no_delete" in guard_install.differences(connection)


@pytest.mark.django_db(transaction=True)
def test_the_program_does_not_start_on_a_database_without_its_guards():
    with guard_install.lifted(connection), pytest.raises(CommandError, match="guards differ"):
        call_command(up.Command(), bind="127.0.0.1:0")


# -- show_guards -------------------------------------------------------------------------------------


def test_show_guards_prints_the_final_sql_of_each_engine():
    said = io.StringIO()
    call_command("show_guards", stdout=said)
    sqlite, postgresql = said.getvalue().split("-- postgresql\n")
    for guard in guard_install.guards("sqlite"):
        assert guard.trigger("sqlite") in sqlite
    for guard in guard_install.guards("postgresql"):
        assert guard.trigger("postgresql") in postgresql


def test_show_guards_takes_names_and_an_engine():
    said = io.StringIO()
    call_command("show_guards", "core_event_no_delete", engine=["sqlite"], stdout=said)
    assert said.getvalue().splitlines() == ["-- sqlite", guards.GUARDS[1].trigger("sqlite") + ";"]
