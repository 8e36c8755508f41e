"""What the database itself refuses, and that all of it is there after all migrations (M26)."""

from importlib.util import find_spec

import pytest
from django.apps import apps
from django.conf import settings
from django.db import IntegrityError, connection, transaction

from factureya.core import audit, guard_install
from factureya.core.models import Event
from factureya.testing.raw_sql import SQLITE, execute, postgres_only, refused_by, sqlite_only

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M26")]
TRIGGERS = {
    "sqlite": "SELECT name, tbl_name FROM sqlite_master WHERE type = 'trigger'",
    "postgresql": "SELECT tgname, relname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid "
    "WHERE NOT tgisinternal",
}
COLUMNS = "chain, seq, prev, hash, verb, at, actor_name, data"


class Thing:
    chain = "cosa:1"


@pytest.fixture
def events() -> list[Event]:
    with transaction.atomic():
        return [audit.record("cosa.movida", Thing(), actor=None) for _ in range(3)]  # type: ignore[arg-type]


def refused(sql: str, name: str) -> None:
    with refused_by(name):
        execute(sql)
    assert list(audit.find_flaws()) == []


# -- All of it is there ------------------------------------------------------------------------------


def test_exactly_our_triggers_are_there_on_their_tables():
    wanted = {(guard.name, guard.table) for guard in guard_install.guards(connection.vendor)}
    assert len(wanted) > 10
    assert set(execute(TRIGGERS[connection.vendor])) == wanted


def test_every_module_of_guards_is_listed():
    named = {f"{config.name}.guards" for config in apps.get_app_configs()}
    # Rooms inside an app that have guards of their own.
    rooms = {f"change_requests.{room}.guards" for room in ("emergency", "packages")}
    rooms |= {f"tickets.{room}.guards" for room in ("calls", "charges", "providers")} | {"accounts.branding.guards"}
    assert {name for name in named if find_spec(name)} | rooms == set(settings.GUARDS)
    assert len(settings.GUARDS) == len(set(settings.GUARDS))


@pytest.mark.parametrize("vendor", ["sqlite", "postgresql"])
def test_no_two_guards_share_a_name(vendor):
    names = [guard.name for guard in guard_install.guards(vendor)]
    assert len(names) == len(set(names))
    assert all(len(f"{name}_fn") <= 63 for name in names)  # PostgreSQL cuts longer ones off


def test_every_constraint_and_index_of_the_models_is_there_by_name():
    for model in apps.get_models():
        table = model._meta.db_table
        with connection.cursor() as cursor:
            there = set(connection.introspection.get_constraints(cursor, table))
        wanted = {item.name for item in (*model._meta.constraints, *model._meta.indexes)}
        assert wanted <= there, table


# -- Events ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change", ["verb = 'x'", "data = '{}'", "actor_name = 'x'", "seq = 9", "hash = 'x'", "verb = verb"]
)
def test_an_event_is_not_changed(events, change):
    refused(f"UPDATE core_event SET {change} WHERE seq = 2", "core_event_no_update")


def test_an_event_is_not_deleted(events):
    refused("DELETE FROM core_event WHERE seq = 3", "core_event_no_delete")
    refused("DELETE FROM core_event", "core_event_no_delete")


def test_the_orm_is_refused_too(events):
    with pytest.raises(IntegrityError, match="core_event_no_update"), transaction.atomic():
        Event.objects.update(verb="x")
    with pytest.raises(IntegrityError, match="core_event_no_delete"), transaction.atomic():
        events[0].delete()


@sqlite_only
@pytest.mark.parametrize(
    ("columns", "values"),
    [
        (f"id, {COLUMNS}", "id, chain, 9, prev, 'otro', 'x', at, actor_name, data"),
        (COLUMNS, "chain, 9, prev, hash, 'x', at, actor_name, data"),
        (COLUMNS, "chain, seq, prev, 'otro', 'x', at, actor_name, data"),
    ],
)
@pytest.mark.parametrize("verb", ["INSERT OR REPLACE", "REPLACE"])
def test_an_event_is_not_replaced(events, verb, columns, values):
    sql = f"{verb} INTO core_event ({columns}) SELECT {values} FROM core_event WHERE seq = 2"
    refused(sql, "core_event_no_replace")


@sqlite_only
def test_an_update_or_replace_is_refused(events):
    refused("UPDATE OR REPLACE core_event SET seq = 1 WHERE seq = 2", "core_event_no_update")


@postgres_only
def test_nothing_is_truncated(events):
    connection.check_constraints()  # a table with pending checks cannot be truncated anyway
    # Alone it is refused because others refer to it, so the attack takes these along.
    refused("TRUNCATE core_event CASCADE", "core_event_no_truncate")
    refused("TRUNCATE core_chainhead", "core_chainhead_no_truncate")
    refused("TRUNCATE accounts_user CASCADE", "_no_truncate")


def test_two_events_do_not_share_a_place(events):
    values = "chain, seq, prev, 'otro', 'x', at, actor_name, data"
    sql = f"INSERT INTO core_event ({COLUMNS}) SELECT {values} FROM core_event WHERE seq = 2"
    refused(sql, "core_event_no_replace" if SQLITE else "one_event_per_place_in_chain")


# -- Heads of chains ---------------------------------------------------------------------------------


@pytest.mark.parametrize("change", ["seq = 2", "seq = 5", "seq = 3, hash = 'x'", "chain = 'cosa:2'"])
def test_a_chain_moves_one_step_forward(events, change):
    refused(f"UPDATE core_chainhead SET {change}", "core_chainhead_forward")


def test_a_chain_has_an_end_for_ever(events):
    refused("DELETE FROM core_chainhead", "core_chainhead_no_delete")


@sqlite_only
def test_the_end_of_a_chain_is_not_replaced(events):
    refused("REPLACE INTO core_chainhead VALUES ('cosa:1', 1, 'x')", "core_chainhead_no_replace")
