"""Write the guards (triggers) of every app into the database, and compare the database with them (M15, M26).

No migration names a guard. `migrate` drops all guards before it changes a table, and installs today's guards when no
migration is left to apply. A database that stopped half-way has none, and `check`, `/readyz` and `up` say so.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Tags, Warning, register
from django.db import DatabaseError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.executor import MigrationExecutor

from factureya.core.triggers import Guard, Recorder

# For each engine: name, table, statement, body of the function, and O for enabled (the last two are PostgreSQL's). A
# function that has another search path than ours is no «O»: it may read a temporary table in place of a table of ours.
_SELECT_TRIGGERS = {
    "sqlite": "SELECT name, tbl_name, sql, '', 'O' FROM sqlite_master WHERE type = 'trigger'",
    "postgresql": """SELECT t.tgname, c.relname, pg_get_triggerdef(t.oid, true), p.prosrc,
        concat(t.tgenabled, CASE
            WHEN p.proconfig = ARRAY['search_path=' || quote_ident(current_schema()) || ', pg_temp'] THEN ''
            ELSE ' with another search path' END)
        FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid
        WHERE NOT t.tgisinternal AND c.relnamespace = current_schema()::regnamespace""",
}


def guards(vendor: str) -> list[Guard | Recorder]:
    """Return the guards (triggers) that all our apps together define for the database engine `vendor`."""
    modules = [import_module(name) for name in settings.GUARDS]
    return [guard for module in modules for guard in module.GUARDS if vendor in guard.engines]


def install(connection: BaseDatabaseWrapper) -> None:
    """Replace all triggers of the database by the guards of this version of the program, in one transaction."""
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        lift(connection)
        schema = read_schema(connection) if connection.vendor == "postgresql" else ""
        for guard in guards(connection.vendor):
            for statement in guard.statements(connection.vendor, schema):
                cursor.execute(statement)


def read_schema(connection: BaseDatabaseWrapper) -> str:
    """Return the schema of PostgreSQL that holds the tables, quoted for SQL."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT quote_ident(current_schema())")
        return str(cursor.fetchone()[0])


def lift(connection: BaseDatabaseWrapper) -> None:
    """Drop all guards (triggers) of the database, also those that the program does not know any more."""
    with connection.cursor() as cursor:
        triggers = _read_triggers(connection)
        for name, table, *_texts in triggers:
            cursor.execute(f'DROP TRIGGER "{name}"' + ("" if connection.vendor == "sqlite" else f' ON "{table}"'))
        if connection.vendor == "postgresql":  # a function can be dropped after the triggers that call it
            for name, *_texts in triggers:
                cursor.execute(f'DROP FUNCTION IF EXISTS "{name}_fn"()')


@contextmanager
def lifted(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Run a block on a database without guards (triggers), and install them again.

    Only tests do so: to empty the tables, or to change a row that a check must find.
    """
    lift(connection)
    try:
        yield
    finally:
        install(connection)


def differences(connection: BaseDatabaseWrapper) -> list[str]:
    """Return a line for each guard that is missing in the database, and each trigger that is changed or unknown.

    A disabled trigger counts as changed.
    """
    vendor = connection.vendor
    expected = {
        guard.name: [guard.trigger(vendor), guard.function_body() if vendor == "postgresql" else "", "O"]  # O: enabled
        for guard in guards(vendor)
    }
    actual = {name: texts for name, _table, *texts in _read_triggers(connection)}
    return sorted(
        [f"missing: {name}" for name in expected.keys() - actual.keys()]
        + [f"unknown: {name}" for name in actual.keys() - expected.keys()]
        + [f"changed: {name}" for name in expected.keys() & actual.keys() if expected[name] != actual[name]]
    )


def lift_before_migrating(*, using: str, plan: list[Any], **_options: Any) -> None:
    """Drop the guards (triggers) before migrations change tables (`pre_migrate`). If `plan` is empty, do nothing."""
    if plan:
        lift(connections[using])


def install_after_migrating(*, using: str, **_options: Any) -> None:
    """Install the guards (triggers) after the last migration (`post_migrate`), if any is missing or differs."""
    connection = connections[using]
    if not has_pending(connection) and differences(connection):
        install(connection)


@register(Tags.database)
def guards_are_in_place(databases: Any = None, **_options: Any) -> list[CheckMessage]:
    """Return a warning for `check` if the guards (triggers) in the database differ from those of the program.

    It is no error, because an error would stop `migrate`, which repairs them.
    """
    warnings: list[CheckMessage] = []
    for connection in (connections[alias] for alias in databases or ()):
        if not has_pending(connection) and (lines := differences(connection)):
            text = f"{len(lines)} guards differ in the database: {', '.join(lines[:5])}."
            warnings.append(Warning(text, hint="Run `manage.py migrate`.", id="core.W001"))
    return warnings


def why_not_ready(connection: BaseDatabaseWrapper) -> str:
    """Return why the program must not start on this database; "" if it may, or if the database cannot be read."""
    try:
        if has_pending(connection):
            return "migrations are not applied: run `manage.py migrate`"
        lines = differences(connection)
    except DatabaseError:
        return ""
    return f"guards differ ({', '.join(lines[:5])}): run `manage.py migrate`" if lines else ""


def _read_triggers(connection: BaseDatabaseWrapper) -> list[tuple[str, str, str, str, str]]:
    """Return each trigger of the database: name, table, SQL, function body, and O if it is enabled."""
    with connection.cursor() as cursor:
        cursor.execute(_SELECT_TRIGGERS[connection.vendor])
        return list(cursor.fetchall())


def has_pending(connection: BaseDatabaseWrapper) -> bool:
    """Return True if the database lacks a migration of the program."""
    executor = MigrationExecutor(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))
