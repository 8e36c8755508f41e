"""Triggers on both engines, named, dropped and re-created by one function per app.

SQLite drops a table's triggers silently when a later migration rebuilds it, and a trigger that reads another
table makes that table's rebuild fail. So every app keeps its guards in `guards.py` as data, and each migration
that touches a guarded or referenced table is wrapped: `lift` first, `install` last. A test lists them all by name.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Guard:
    """A trigger: `when` is the SQL condition under which the row is refused; `message` is what the refusal says.

    `when` is one text for both engines, or a (sqlite, postgresql) pair where they differ.
    """

    name: str
    table: str
    event: str  # INSERT, UPDATE, DELETE, or (PostgreSQL only) TRUNCATE
    when: str | tuple[str, str] = ""
    message: str = ""
    engines: tuple[str, ...] = ("sqlite", "postgresql")

    def condition(self, vendor: str) -> str:
        """The SQL condition for this engine; empty means always."""
        if isinstance(self.when, tuple):
            return self.when[0] if vendor == "sqlite" else self.when[1]
        return self.when


def append_only(table: str, *unique: str) -> list[Guard]:
    """Guards of a table whose rows never change: no UPDATE, DELETE, TRUNCATE, INSERT OR REPLACE over a unique key.

    `unique` lists the unique keys besides `id`, each as comma-separated columns ("chain, seq").
    """
    return [
        Guard(f"{table}_no_update", table, "UPDATE", message="append-only"),
        Guard(f"{table}_no_delete", table, "DELETE", message="append-only"),
        no_truncate(table),
        no_replace(table, "id", *unique),
    ]


def no_truncate(table: str) -> Guard:
    """Refuse TRUNCATE, which passes PostgreSQL's row triggers; SQLite has no such statement."""
    return Guard(
        f"{table}_no_truncate", table, "TRUNCATE", message="append-only", engines=("postgresql",)
    )


def no_replace(table: str, *unique: str) -> Guard:
    """Refuse an INSERT over an existing key, because SQLite's INSERT OR REPLACE passes the other triggers.

    PostgreSQL has no such statement (ON CONFLICT DO UPDATE meets the UPDATE triggers), so it needs no such guard.
    """
    # One EXISTS for each key: with one OR over all of them SQLite may scan the table (a nullable key that is
    # nearly always empty looks useless to it), and an insert would grow with the table.
    taken = " OR ".join(f"EXISTS (SELECT 1 FROM {table} WHERE {_same(key)})" for key in unique)
    return Guard(
        f"{table}_no_replace",
        table,
        "INSERT",
        when=taken,
        message="row exists",
        engines=("sqlite",),
    )


def _same(key: str) -> str:
    return " AND ".join(f"{column.strip()} = NEW.{column.strip()}" for column in key.split(","))


def install(schema_editor: Any, guards: Iterable[Guard]) -> None:
    """Create every guard meant for this engine (dropping an older one of the same name).

    Early migrations install the guards of tables that a later one creates: those are left to the later one.
    """
    vendor = schema_editor.connection.vendor
    tables = set(schema_editor.connection.introspection.table_names())
    for guard in guards:
        if vendor in guard.engines and guard.table in tables:
            for statement in _create(vendor, guard):
                schema_editor.execute(statement, params=None)


def lift(schema_editor: Any, guards: Iterable[Guard]) -> None:
    """Drop every guard that is there."""
    for guard in guards:
        for statement in _drop(schema_editor.connection.vendor, guard):
            schema_editor.execute(statement, params=None)


def _create(vendor: str, guard: Guard) -> list[str]:
    condition = guard.condition(vendor)
    message = f"{guard.name}: {guard.message}".replace("'", "''")
    if vendor == "sqlite":
        when = f"WHEN {condition} " if condition else ""
        return [
            f"DROP TRIGGER IF EXISTS {guard.name}",
            f"CREATE TRIGGER {guard.name} BEFORE {guard.event} ON {guard.table} FOR EACH ROW {when}"
            f"BEGIN SELECT RAISE(ABORT, '{message}'); END",
        ]
    row = "NEW" if guard.event in ("INSERT", "UPDATE") else "OLD"
    level = "STATEMENT" if guard.event == "TRUNCATE" else "ROW"
    refusal = f"RAISE EXCEPTION '{message.replace('%', '%%')}' USING ERRCODE = 'check_violation';"
    body = f"IF {condition} THEN {refusal} END IF;" if condition else refusal
    return [
        f"CREATE OR REPLACE FUNCTION {guard.name}_fn() RETURNS trigger AS $$ BEGIN {body} RETURN {row}; END $$ "
        "LANGUAGE plpgsql",
        f"DROP TRIGGER IF EXISTS {guard.name} ON {guard.table}",
        f"CREATE TRIGGER {guard.name} BEFORE {guard.event} ON {guard.table} FOR EACH {level} "
        f"EXECUTE FUNCTION {guard.name}_fn()",
    ]


def _drop(vendor: str, guard: Guard) -> list[str]:
    if vendor == "sqlite":
        return [f"DROP TRIGGER IF EXISTS {guard.name}"]
    return [
        f"DROP TRIGGER IF EXISTS {guard.name} ON {guard.table}",
        f"DROP FUNCTION IF EXISTS {guard.name}_fn()",
    ]
