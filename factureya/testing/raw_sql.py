"""What raw SQL and the ORM may not do: helpers of the tests of guards."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, models, transaction

from accounts.models import Contact, Customer, Representative
from tickets.tests.test_guards import copy_statement, execute, stored

__all__ = ["bare", "copy_statement", "execute", "insert", "named", "refused_by", "update"]
SQLITE = connection.vendor == "sqlite"
sqlite_only = pytest.mark.skipif(not SQLITE, reason="only SQLite has REPLACE")
postgres_only = pytest.mark.skipif(SQLITE, reason="only PostgreSQL has this")


def named(value: object) -> str:
    """Return the name of a test case, which must not depend on when the tests are collected."""
    columns = value if isinstance(value, dict) else {}
    instants = [key for key, each in columns.items() if isinstance(each, datetime)]
    return str({**columns, **dict.fromkeys(instants, "an instant")} if instants else value)


def everything() -> list[list[dict[str, Any]]]:
    """Return every row of formal requests, and of the companies they are about."""
    kept: list[type[models.Model]] = [
        *apps.get_app_config("change_requests").get_models(),
        Customer,
        Contact,
        Representative,
    ]
    return [list(model._default_manager.order_by("pk").values()) for model in kept]


@contextmanager
def refused_by(*names: str) -> Iterator[None]:
    """The statement is refused by one of these constraints or triggers, and nothing changes."""
    before = everything()
    with pytest.raises(IntegrityError, match="|".join(names)), transaction.atomic():
        yield
    assert everything() == before


def update(row: models.Model, **columns: Any) -> None:
    """UPDATE columns of a row by SQL."""
    pairs = ", ".join(f"{column} = %s" for column in columns)
    table = row._meta.db_table
    execute(f"UPDATE {table} SET {pairs} WHERE id = %s", *columns.values(), row.pk)


def insert(row: models.Model, **columns: Any) -> None:
    """INSERT a copy of a row with other columns, by SQL."""
    sql, params = copy_statement(type(row), row.pk, "INSERT", **columns)
    execute(sql, *params)


def bare(sql: str, *params: Any) -> None:
    """Run a statement on a copy of the database by a plain sqlite3 connection, with all its defaults."""
    shell = sqlite3.connect(":memory:")
    try:
        shell.deserialize(connection.connection.serialize())
        assert shell.execute("PRAGMA recursive_triggers").fetchone() == (0,)
        shell.execute(sql.replace("%s", "?"), [stored(value) for value in params])
    except (sqlite3.IntegrityError, sqlite3.OperationalError) as error:
        raise IntegrityError(*error.args) from error
    finally:
        shell.close()
