"""Lock one row and read it again, as every operation does before it decides."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from django.db import IntegrityError, connection, transaction
from django.db.models import Model, QuerySet

Row = TypeVar("Row", bound=Model)


def lock(queryset: QuerySet[Row], pk: int | None) -> Row:
    """Lock the row `pk` until the open transaction ends; then read it with `queryset`, and return it.

    A queryset with joins takes two statements, the lock and the read. One statement that waits for the lock would
    give old joined rows on PostgreSQL. SQLite locks no rows: its transactions keep other writers out from the start.
    Raises the model's DoesNotExist.
    """
    if not queryset.query.select_related:
        return queryset.select_for_update().get(pk=pk)
    if connection.features.has_select_for_update:
        queryset.model._base_manager.select_for_update().only("pk").get(pk=pk)
    return queryset.get(pk=pk)


@contextmanager
def locked(queryset: QuerySet[Row], pk: int | None) -> Iterator[Row]:
    """Open a transaction, and yield the row `pk` locked and read again, with the joins of `queryset`.

    Everything written inside is undone when the block raises. Raises the model's DoesNotExist.
    """
    with transaction.atomic():
        yield lock(queryset, pk)


def save_once(row: Row, made_before: QuerySet[Row]) -> Row | None:
    """Insert a row with a one-time key, in the open transaction, and return None; if it was made before, return that.

    `made_before` finds the row with the same key. Of two at the same instant the second waits for the first on
    PostgreSQL, and then finds it. Raises IntegrityError if the database refuses the row for another reason.
    """
    if made := made_before.first():
        return made
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        if made := made_before.first():
            return made
        raise
    return None
