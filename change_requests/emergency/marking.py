"""Mark that an emergency writes now: only then do the guards let its one change through, and triggers record it (M1).

The mark is a transaction-local setting on PostgreSQL, and a table of one row on SQLite, as with an execution.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction

from change_requests.emergency.models import EmergencyContext, EmergencyGrant

SETTING = "factureya.emergency"


@contextmanager
def writing(grant: EmergencyGrant) -> Iterator[None]:
    """Mark the emergency as the one that writes, while the block stores the value of its last `EmergencyChange`.

    The mark is removed after the block, or rolled back if the block raises. Raises RuntimeError outside a transaction.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("an emergency writes inside a transaction")
    with transaction.atomic():  # a savepoint: an error removes the mark, too
        write_mark(grant.pk)
        yield
        write_mark(None)


def write_mark(grant_pk: int | None) -> None:
    """Store which emergency writes now, where the database's guards look for it; None removes this mark."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:  # the `true` ends the setting with the transaction
            cursor.execute("SELECT set_config(%s, %s, true)", [SETTING, str(grant_pk or "")])
        return
    EmergencyContext.objects.all().delete()  # SQLite has no such setting: the mark is a row
    if grant_pk is not None:
        EmergencyContext.objects.create(id=1, grant_id=grant_pk)
