"""What raw SQL and the ORM may not do: helpers of the tests of constraints and guards."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, models, transaction

from accounts.models import Branding, BrandLogo, Contact, Customer, Representative
from factureya.core import guard_install
from factureya.core.models import ChainHead, Event
from tickets.models import Message, Note, Ticket, TicketFile

SQLITE = connection.vendor == "sqlite"
sqlite_only = pytest.mark.skipif(not SQLITE, reason="only SQLite has REPLACE and text instants")
postgres_only = pytest.mark.skipif(SQLITE, reason="only PostgreSQL has this")


def named(value: object) -> str:
    """Return a case's name, the same in every test process: an instant of collection is none."""
    columns = value if isinstance(value, dict) else {}
    instants = [key for key, each in columns.items() if isinstance(each, datetime)]
    return str({**columns, **dict.fromkeys(instants, "an instant")} if instants else value)


def everything() -> list[list[dict[str, Any]]]:
    """Return every row of tickets, of formal requests, of the companies they are about, every event and chain."""
    kept: list[type[models.Model]] = [
        *apps.get_app_config("change_requests").get_models(),
        *(Customer, Contact, Representative, Branding, BrandLogo, Ticket, Message, Note, TicketFile, Event, ChainHead),
    ]
    return [list(model._default_manager.order_by("pk").values()) for model in kept]


@contextmanager
def refused_by(*names: str) -> Iterator[None]:
    """Expect that a statement is refused by one of these constraints or triggers, and that nothing changes."""
    before = everything()
    with pytest.raises(IntegrityError, match="|".join(names)), transaction.atomic():
        yield
    assert everything() == before


def execute(sql: str, *params: Any) -> list[Any]:
    """Run one statement as it stands, in a transaction of its own; instants as Django stores them. Return its rows."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql, [stored(value) for value in params])
        return cursor.fetchall() if cursor.description else []


def stored(value: Any) -> Any:
    """Return a parameter as the engine keeps it."""
    return connection.ops.adapt_datetimefield_value(value) if isinstance(value, datetime) else value


def update(row: models.Model, **columns: Any) -> None:
    """UPDATE columns of a row by SQL, behind everybody's back."""
    pairs = ", ".join(f"{column} = %s" for column in columns)
    execute(f"UPDATE {row._meta.db_table} SET {pairs} WHERE id = %s", *columns.values(), row.pk)


def insert(row: models.Model, **columns: Any) -> None:
    """INSERT a copy of a row with other columns, by SQL."""
    sql, params = copy_statement(type(row), row.pk, "INSERT", **columns)
    execute(sql, *params)


def copy_statement(model: type[models.Model], row: int, verb: str, **columns: Any) -> tuple[str, list[Any]]:
    """Return the statement, and its parameters, that does `verb` with a copy of a row with some columns changed."""
    names = [field.column for field in model._meta.concrete_fields]
    chosen = [name for name in names if name != "id" or "id" in columns]
    values = ", ".join("%s" if name in columns else name for name in chosen)
    table = model._meta.db_table
    sql = f"{verb} INTO {table} ({', '.join(chosen)}) SELECT {values} FROM {table} WHERE id = %s"
    return sql, [*(columns[name] for name in chosen if name in columns), row]


def execute_as_owner(sql: str, *params: Any) -> None:
    """Run one statement as the tables' owner can: every guard is off meanwhile, and on again afterwards."""
    connection.check_constraints()  # PostgreSQL drops no trigger while a deferred check is pending
    with guard_install.lifted(connection):
        execute(sql, *params)
        connection.check_constraints()


def execute_bare(sql: str, *params: Any) -> None:
    """Run a statement on a copy of the database by a plain sqlite3 connection, with all its defaults."""
    shell = sqlite3.connect(":memory:")
    try:
        shell.deserialize(connection.connection.serialize())
        for pragma in ("recursive_triggers", "foreign_keys"):
            assert shell.execute(f"PRAGMA {pragma}").fetchone() == (0,)
        shell.execute(sql.replace("%s", "?"), [stored(value) for value in params])
    except (sqlite3.IntegrityError, sqlite3.OperationalError) as error:
        raise IntegrityError(*error.args) from error
    finally:
        shell.close()
