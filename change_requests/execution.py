"""Mark that a request is being executed: only then do the guards let its approved values through (M1).

The mark is a transaction-local setting on PostgreSQL, and a table of one row on SQLite.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction

from change_requests.models import ExecutionContext, FormalRequest

SETTING = "factureya.execution"


@contextmanager
def executing(request: FormalRequest) -> Iterator[None]:
    """Mark the approved request as being executed, while a `with` block writes its new values.

    The guards of the database let these values through only if the mark is set and an Execution row exists. The mark
    ends with the block or the transaction. Raises RuntimeError outside a transaction.
    """
    _require_transaction()
    with transaction.atomic():
        _write_mark(request.pk)
        yield
        _write_mark(None)


def mark_execution(request_pk: int | None) -> None:
    """Tell the guards on PostgreSQL, by a setting, which request is being executed; None clears the setting.

    The `true` in set_config ends the setting with the transaction. Raises RuntimeError outside a transaction, where the
    setting would be lost at once.
    """
    _require_transaction()
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config(%s, %s, true)", [SETTING, "" if request_pk is None else str(request_pk)])


def _require_transaction() -> None:
    """Raise RuntimeError outside a transaction."""
    if not connection.in_atomic_block:
        raise RuntimeError("an execution runs inside a transaction")


def _write_mark(request_pk: int | None) -> None:
    """Store which request is being executed, where the database's guards read it; None removes the mark."""
    if connection.vendor == "postgresql":
        mark_execution(request_pk)
        return
    ExecutionContext.objects.all().delete()
    if request_pk is not None:
        ExecutionContext.objects.create(id=1, request_id=request_pk)
