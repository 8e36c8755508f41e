"""Core's SQL of our own, reviewed: what the ORM cannot say."""

from typing import Any

from django.db import connection


def insert_original(message_pk: int, raw: bytes) -> None:
    """Store the bytes of a mail.

    To PostgreSQL they go as they are: the ORM writes them into the statement as hexadecimal digits, several times
    over, and a mail of 25 MB then takes 200 MB.
    """
    table = "INSERT INTO core_inboundoriginal (message_id, raw) VALUES"
    if connection.vendor == "postgresql":
        wrapper: Any = connection
        cursor_of = wrapper.Database.Cursor  # psycopg's, which a process on SQLite does not load
        with connection.wrap_database_errors, cursor_of(connection.connection) as cursor:
            cursor.execute(f"{table} (%s, %b)", [message_pk, raw])
    else:
        with connection.cursor() as cursor:
            cursor.execute(f"{table} (%s, %s)", [message_pk, raw])
