"""The SQL of our own in this app, besides the guards: the mark «inside an execution» that the guards look for."""

from django.db import connection

SETTING = "factureya.execution"


def mark_execution(request_pk: int | None) -> None:
    """Set (None: take away) PostgreSQL's transaction-local setting, and read it back.

    Outside a transaction it would be silently empty: that raises RuntimeError.
    """
    value = "" if request_pk is None else str(request_pk)
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config(%s, %s, true)", [SETTING, value])
        cursor.execute("SELECT current_setting(%s, true)", [SETTING])
        (kept,) = cursor.fetchone()
    if kept != value:
        raise RuntimeError("an execution runs inside a transaction")
