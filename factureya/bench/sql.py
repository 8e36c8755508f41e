"""Rows in bulk: COPY on PostgreSQL, executemany on SQLite. The bench's reviewed raw SQL; names come from models.

The ORM's bulk_create spends four times as long preparing values as the database does storing them.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from django.db import connection
from django.db.models import Model


def insert(model: type[Model], columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Append rows of plain values (JSON as text) in the order of `columns`; guards and constraints hold as ever."""
    quote = connection.ops.quote_name
    into = f"{quote(model._meta.db_table)} ({', '.join(quote(column) for column in columns)})"
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with cursor.copy(f"COPY {into} FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
        else:
            places = ", ".join("%s" for _ in columns)
            cursor.executemany(f"INSERT INTO {into} VALUES ({places})", [_as_text(row) for row in rows])


def reserve(model: type[Model], count: int) -> list[int]:
    """Return primary keys for `count` rows to come."""
    table = model._meta.db_table
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)", [table, count]
            )
            return [row[0] for row in cursor.fetchall()]
        cursor.execute(f"SELECT COALESCE(MAX(id), 0) FROM {connection.ops.quote_name(table)}")
        last: int = cursor.fetchone()[0]
    return list(range(last + 1, last + 1 + count))


def settle() -> None:
    """Give the planner fresh statistics and sweep dead rows away, as autovacuum does in the days of a real load."""
    vacuum = connection.vendor == "postgresql" and not connection.in_atomic_block
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE" if vacuum else "ANALYZE")


def plan(sql: str, params: Sequence[Any]) -> str:
    """Return how the database would run a statement, one line per step."""
    explain = "EXPLAIN" if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN"
    with connection.cursor() as cursor:
        cursor.execute(f"{explain} {sql}", params)
        return "\n".join(str(row[-1]) for row in cursor.fetchall())


def _as_text(row: Sequence[Any]) -> list[Any]:
    """Return an instant as SQLite keeps it: text in UTC, as Django writes it."""
    return [str(value.astimezone(UTC).replace(tzinfo=None)) if isinstance(value, datetime) else value for value in row]
