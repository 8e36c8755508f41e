"""How long the closing sweep takes for a ticket, beside the very statements it sends, sent raw."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import connection, transaction

from factureya.bench import sql
from tickets import operations, tasks

Statement = tuple[str, Any]
_NOT_COUNTED = ("SAVEPOINT", "RELEASE", "ROLLBACK", "BEGIN", "COMMIT")


def close(pk: int) -> float:
    """Close one ticket as the sweep does, in a transaction of its own; return the seconds."""
    start = time.perf_counter()
    operations.close_unanswered(pk)
    return time.perf_counter() - start


def close_raw(pk: int) -> float:
    """Close one ticket by sending the sweep's own statements to the driver in one transaction; return the seconds."""
    with recorded() as statements, transaction.atomic():
        operations.close_unanswered(pk)
        transaction.set_rollback(True)
    start = time.perf_counter()
    with transaction.atomic(), connection.cursor() as cursor:
        for statement, params in statements:
            cursor.execute(statement, params)
    return time.perf_counter() - start


def nothing_due() -> tuple[float, list[Statement]]:
    """Run one pass with nothing to close; return the seconds and its statements."""
    with recorded() as statements:
        start = time.perf_counter()
        closed = tasks.close_unanswered()
        seconds = time.perf_counter() - start
    if closed:
        raise RuntimeError(f"{closed} tickets were due")
    return seconds, statements


def plan_of_nothing_due() -> str:
    """Return how the database looks for what is due."""
    _seconds, statements = nothing_due()
    looking = [(text, params) for text, params in statements if "tickets_ticket" in text]
    return "\n".join(sql.plan(text, params) for text, params in looking)


@contextmanager
def recorded() -> Iterator[list[Statement]]:
    """Collect the statements that read or write, as they are sent inside the block."""
    statements: list[Statement] = []

    def note(execute: Any, text: str, params: Sequence[Any], many: bool, context: Any) -> Any:
        if not text.startswith(_NOT_COUNTED):
            statements.append((text, params))
        return execute(text, params, many, context)

    with connection.execute_wrapper(note):
        yield statements
