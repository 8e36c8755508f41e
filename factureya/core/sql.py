"""Hold core's own SQL, which was reviewed: the statements that the ORM cannot write, or only too slowly."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.db import connection

from factureya.core.clock import now

_ROWS_AT_A_TIME = 2000
# An event as text that no setting of the server changes, so that a forged value is read too and never raises.
_SELECT_EVENTS = {
    "sqlite": "SELECT chain, seq, prev, hash, verb, CAST(at AS TEXT), actor_id, actor_name, CAST(data AS TEXT)",
    "postgresql": "SELECT chain, seq, prev, hash, verb, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), "
    "actor_id, actor_name, data::text",
}


def read_events(after: str, until: str | None) -> Iterator[tuple[Any, ...]]:
    """Yield the events of the chains whose names come after `after`, up to `until`, by chain and number.

    An event is chain, seq, prev, hash, verb, instant (text, UTC), actor, name, data (text). An empty `after`
    sets no lower limit, and `until` None no upper one. Memory does not grow with the number of events.
    """
    conditions = {"chain > %s": after or None, "chain <= %s": until}
    given = {condition: name for condition, name in conditions.items() if name is not None}
    where = f"WHERE {' AND '.join(given)} " if given else ""
    with connection.chunked_cursor() as cursor:
        cursor.execute(
            f"{_SELECT_EVENTS[connection.vendor]} FROM core_event {where}ORDER BY chain, seq", list(given.values())
        )
        while rows := cursor.fetchmany(_ROWS_AT_A_TIME):
            yield from rows


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
