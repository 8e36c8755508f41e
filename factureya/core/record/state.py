"""Compare the rows that decide who may do what with what the chained events say about them (M26).

An operation that writes such a row puts the whole row into its event, as `rows={kind: facts}`. So a row that somebody
changed past the operations, also as the owner of the tables and with triggers off, differs from its last event.
`settings.STATE_KINDS` names the kinds of rows of each app.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import islice
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Model, QuerySet
from django.utils.module_loading import import_string

from factureya.core import audit
from factureya.core.audit import Flaw
from factureya.core.models import Chained, Event

Facts = dict[str, Any]
ROWS = "rows"  # the key of an event's data that holds whole rows
_READ_AT_A_TIME = 500


@dataclass(frozen=True)
class Kind:
    """Describe one kind of rows: which events hold them, and how a row is found by what an event says."""

    name: str  # the key below «rows» in an event's data
    label: str  # how a flaw calls it
    verbs: tuple[str, ...]  # of all events that hold such a row
    rows: Callable[[], QuerySet[Any]]
    describe: Callable[[Any], Facts]
    subject: Callable[[Any], Chained]  # whose chain tells of a new row
    chains: Callable[[Any], tuple[str, ...]]  # all chains that tell of the row, the subject's first
    key: tuple[str, ...]  # the facts that name the row
    column: str  # the column of the key's first fact
    seq_fact: str = ""  # the fact that is the event's own number, which `data` of the event cannot hold yet

    @property
    def recorded(self) -> str:
        """Return the verb of the event by which `record_missing` writes down a row that no event holds."""
        return f"{self.name}.recorded"

    def identify(self, facts: Mapping[str, Any]) -> Hashable:
        """Return what names the row of these facts."""
        return tuple(facts.get(name) for name in self.key)


@dataclass(frozen=True)
class _LastEvent:
    """Hold the last event about a row: its place in the log, and the row as the event says it."""

    chain: str
    seq: int
    facts: Facts


def find_flaws() -> Iterator[Flaw]:
    """Yield a flaw for each row that differs from its last event, has no event, or is gone (M26).

    The setting AUDIT_STATE_CHECKS names this check. Memory does not grow with the rows, and 500 rows take two queries.
    """
    for kind in list_kinds():
        yield from _find_changed(kind)
        yield from _find_gone(kind)


def record_missing() -> int:
    """Record an event with the present facts of each row that no event holds yet, and return how many.

    An upgrade does this once, for the rows that are older than the rule that events hold whole rows.
    """
    count = 0
    for kind in list_kinds():
        for rows in _group(kind.rows().order_by("pk").iterator(_READ_AT_A_TIME)):
            last_events = _read_last(kind, {chain for row in rows for chain in kind.chains(row)})
            for row in rows:
                facts = kind.describe(row)
                if kind.identify(facts) not in last_events:
                    with transaction.atomic():
                        audit.record(kind.recorded, kind.subject(row), actor=None, **{ROWS: {kind.name: facts}})
                    count += 1
    return count


def list_kinds() -> list[Kind]:
    """Return the kinds of rows of all apps, which `settings.STATE_KINDS` names."""
    return [kind for name in settings.STATE_KINDS for kind in import_string(name)]


def as_fact(value: Any) -> Any:
    """Return a column's value as an event holds it: an instant as ISO text in UTC, a day as ISO text."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return value.isoformat() if isinstance(value, date) else value


def read_facts(row: Model, **columns: str) -> Facts:
    """Return the facts of a row: for each name the value of the column, as an event holds it."""
    return {name: as_fact(getattr(row, column)) for name, column in columns.items()}


def _find_changed(kind: Kind) -> Iterator[Flaw]:
    """Yield the flaws of the rows in the table. A row that differs is read again: it may have changed meanwhile."""
    for rows in _group(kind.rows().order_by("pk").iterator(_READ_AT_A_TIME)):
        changed_keys = [row.pk for row, _flaw in _compare(kind, rows)]
        if changed_keys:
            changed_rows = list(kind.rows().filter(pk__in=changed_keys).order_by("pk"))
            yield from (flaw for _row, flaw in _compare(kind, changed_rows))


def _compare(kind: Kind, rows: list[Any]) -> Iterator[tuple[Any, Flaw]]:
    """Yield each row that differs from its last event or has no event, with the flaw."""
    last_events = _read_last(kind, {chain for row in rows for chain in kind.chains(row)})
    for row in rows:
        facts = kind.describe(row)
        last = last_events.get(kind.identify(facts))
        if last is None:
            # The flaw names the first chain, which is that of the row's subject.
            yield row, Flaw(kind.chains(row)[0], 0, f"{kind.label} {row.pk} no está en ningún evento")
        elif differing := [name for name, value in last.facts.items() if facts[name] != value]:
            names = ", ".join(differing)
            yield row, Flaw(last.chain, last.seq, f"{kind.label} {row.pk} no es como el evento dice: {names}")


def _find_gone(kind: Kind) -> Iterator[Flaw]:
    """Yield a flaw for each row that an event holds and the table no longer has; events are read in groups."""
    events = Event.objects.filter(verb__in=(*kind.verbs, kind.recorded)).order_by("pk")
    stream = events.values_list("chain", "seq", "data").iterator(_READ_AT_A_TIME)
    for group in _group(stream):
        last_events = _collect(kind, group)
        column_values = {last.facts[kind.key[0]] for last in last_events.values()}  # of `kind.column`
        remaining = kind.rows().filter(**{f"{kind.column}__in": column_values})
        remaining_rows = {kind.identify(kind.describe(row)) for row in remaining.iterator(_READ_AT_A_TIME)}
        for identity, last in last_events.items():
            if identity not in remaining_rows:
                yield Flaw(last.chain, last.seq, f"{kind.label} que el evento dice ya no está")


def _read_last(kind: Kind, chains: set[str]) -> dict[Hashable, _LastEvent]:
    """Return the last event about each row in these chains; its key is what `Kind.identify` returns for the row."""
    events = Event.objects.filter(chain__in=chains, verb__in=(*kind.verbs, kind.recorded)).order_by("pk")
    return _collect(kind, events.values_list("chain", "seq", "data").iterator(_READ_AT_A_TIME))


def _collect(kind: Kind, events: Any) -> dict[Hashable, _LastEvent]:
    """Return the last event about each row; `events` are (chain, seq, data) in the order in which they were written."""
    last_events: dict[Hashable, _LastEvent] = {}
    for chain, seq, data in events:
        entry = data.get(ROWS, {}).get(kind.name)
        for facts in entry if isinstance(entry, list) else [entry] if entry else []:  # many rows, one, none
            row_facts = {kind.seq_fact: seq, **facts} if kind.seq_fact else facts
            last_events[kind.identify(row_facts)] = _LastEvent(chain, seq, row_facts)
    return last_events


def _group(items: Iterable[Any]) -> Iterator[list[Any]]:
    """Yield the items in lists of _READ_AT_A_TIME; the last list may be shorter."""
    stream = iter(items)
    while group := list(islice(stream, _READ_AT_A_TIME)):
        yield group
