"""Hold core's own SQL, which was reviewed: the statements that the ORM cannot write."""

from datetime import timedelta
from typing import Any

from django.db import connection

from factureya.core.clock import now


def insert_original(message_pk: int, raw: bytes) -> None:
    """Store the bytes of a mail; the ORM would write them as hexadecimal digits and take 200 MB of memory for 25 MB."""
    table = "INSERT INTO core_inboundoriginal (message_id, raw) VALUES"
    if connection.vendor == "postgresql":
        wrapper: Any = connection
        make_cursor = wrapper.Database.Cursor  # psycopg's, which a process on SQLite does not load
        with connection.wrap_database_errors, make_cursor(connection.connection) as cursor:
            cursor.execute(f"{table} (%s, %b)", [message_pk, raw])  # %b: sent in binary form
    else:
        with connection.cursor() as cursor:
            cursor.execute(f"{table} (%s, %s)", [message_pk, raw])


def count_one_more(name: str, limit: int, period: timedelta) -> bool:
    """Count one more automatic mail under `name` and return True. Return False if `limit` was reached in `period`.

    A counter whose period is over begins anew at 1. One statement reads and writes it, for speed: it returns the new
    count, or no row if the limit was reached. The counter's row stays locked until the commit.
    """
    at = now()
    period_start, present = (connection.ops.adapt_datetimefield_value(instant) for instant in (at - period, at))
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO core_mailquota AS quota (name, since, count) VALUES (%s, %s, 1) "
            "ON CONFLICT (name) DO UPDATE SET "
            "count = CASE WHEN quota.since <= %s THEN 1 ELSE quota.count + 1 END, "  # 1: the period is over
            "since = CASE WHEN quota.since <= %s THEN excluded.since ELSE quota.since END "
            "WHERE quota.since <= %s OR quota.count < %s RETURNING count",
            [name, present, period_start, period_start, period_start, limit],
        )
        return cursor.fetchone() is not None
