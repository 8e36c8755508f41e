"""Record when the guards (triggers) were installed, and find one that was lifted and put back since (M26).

A guard that was disabled or dropped and put back looks as it should. The database's own catalogue tells it apart:
PostgreSQL gives each trigger and function a number, and the number of the transaction that wrote it last; SQLite gives
each trigger a row number, and counts every change of its schema. `migrate` records both; `verify_audit` compares.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from getpass import getuser
from typing import Any

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone

from factureya.core import audit, guard_install
from factureya.core.audit import Flaw
from factureya.core.models import Event

CHAIN, VERB = "system:guards", "guards.installed"
SCHEMA = "schema_version"  # SQLite's counter, beside the names of the triggers
_SELECT_MARKS = {
    "sqlite": "SELECT name, CAST(rowid AS TEXT) FROM sqlite_master WHERE type = 'trigger' "
    "UNION ALL SELECT 'schema_version', CAST(schema_version AS TEXT) FROM pragma_schema_version",
    "postgresql": """SELECT t.tgname, concat_ws('.', t.oid, t.xmin, p.oid, p.xmin)
        FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid
        WHERE NOT t.tgisinternal AND c.relnamespace = current_schema()::regnamespace""",
}
_PROBLEMS = {
    "missing": "el candado falta en la base de datos",
    "unknown": "el disparador no es de este programa",
    "changed": "el candado fue alterado o está desactivado",
}


@dataclass(frozen=True)
class System:
    """Name the chain of events of the system itself: it has no row of its own."""

    chain: str


def record_after_migrating(*, using: str, **_options: Any) -> None:
    """After the last migration (`post_migrate`), record which guards (triggers) are installed, if that changed.

    A restored or moved database has new marks; the next `migrate` records them, with the time and the person.
    """
    connection = connections[using]
    if not guard_install.has_pending(connection) and _find_recorded() != read_marks(connection):
        record_installed(connection)


def record_installed(connection: BaseDatabaseWrapper) -> Event:
    """Record how the database's catalogue marks each guard now and who asked for it, and return the event."""
    with transaction.atomic():
        return audit.record(VERB, System(CHAIN), actor=None, by=find_person(), marks=read_marks(connection))  # type: ignore[arg-type]  # it has a chain


def read_marks(connection: BaseDatabaseWrapper) -> dict[str, str]:
    """Return for each trigger, by name, its mark: a text that changes when it is dropped, disabled or made again."""
    with connection.cursor() as cursor:
        cursor.execute(_SELECT_MARKS[connection.vendor])
        return dict(cursor.fetchall())


def find_flaws(connection: BaseDatabaseWrapper) -> Iterator[Flaw]:
    """Yield a flaw for each guard (trigger) that differs from ours or from its record, or one if there is no record."""
    differing = set()
    for line in guard_install.differences(connection):
        problem, _, name = line.partition(": ")
        differing.add(name)
        yield Flaw(f"trigger:{name}", 0, _PROBLEMS[problem])
    if (installed := _find_last()) is None:
        yield Flaw(CHAIN, 0, "no consta la instalación de los candados: ejecute «manage.py migrate»")
        return
    yield from _compare_marks(installed, read_marks(connection), differing)


def _compare_marks(installed: Event, current: dict[str, str], differing: set[str]) -> Iterator[Flaw]:
    """Yield a flaw for each mark that changed since the event `installed`, except those of the guards `differing`."""
    recorded = installed.data["marks"]
    changed_names = {name for name in recorded.keys() | current.keys() if recorded.get(name) != current.get(name)}
    day = f"{timezone.localtime(installed.at):%Y-%m-%d %H:%M}"
    for name in sorted(changed_names - differing - {SCHEMA}):  # each in `differing` has its flaw already
        yield Flaw(f"trigger:{name}", installed.seq, f"se quitó o se desactivó después de instalarse ({day})")
    if SCHEMA in changed_names:  # only SQLite has this mark: a count of all changes of its tables and triggers
        yield Flaw(f"trigger:{SCHEMA}", installed.seq, f"el esquema cambió después de instalar los candados ({day})")


def _find_last() -> Event | None:
    """Return the event of the last installation of the guards, or None."""
    return Event.objects.filter(chain=CHAIN, verb=VERB).order_by("-seq").first()


def _find_recorded() -> dict[str, str] | None:
    """Return the guards' marks as they were recorded last, or None if they never were."""
    installed = _find_last()
    return installed.data["marks"] if installed else None


def find_person() -> str:
    """Return the name of the machine's user who runs the program, or the user's number if there is no name."""
    try:
        return getuser()
    except (KeyError, OSError):
        return str(os.getuid())
