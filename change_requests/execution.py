"""«Inside an execution»: it lets the approved values, and only them, through the guards of a verified company (M1)."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction

from change_requests.models import ExecutionContext, FormalRequest
from change_requests.sql import mark_execution


@contextmanager
def executing(request: FormalRequest) -> Iterator[None]:
    """Run a block in which the guards look at this request; it needs its successful Execution row and be approved.

    Must run inside the operation's transaction (RuntimeError otherwise). The mark is gone after the block, and after
    an error in it; it never outlives the transaction.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("an execution runs inside a transaction")
    with transaction.atomic():
        _enter(request.pk)
        yield
        _leave()


def _enter(request_pk: int) -> None:
    if connection.vendor == "postgresql":
        mark_execution(request_pk)
        return
    ExecutionContext.objects.all().delete()
    ExecutionContext.objects.create(id=1, request_id=request_pk)


def _leave() -> None:
    if connection.vendor == "postgresql":
        mark_execution(None)
        return
    ExecutionContext.objects.all().delete()
