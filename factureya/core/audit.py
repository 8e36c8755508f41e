"""Write the events, and check that nobody changed them. This module alone writes Event.

Each subject has a chain of its own, so two subjects never wait for each other. The row at the head of a chain is locked
while an event is appended.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC
from itertools import groupby
from operator import itemgetter
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Value
from django.db.models.functions import StrIndex, Substr

from factureya.core import clock, sql
from factureya.core.models import Chained, ChainHead, Event, OutboxMessage

GENESIS = "0" * 64
_CHAINS_AT_A_TIME = 500
_encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode
Head = tuple[Any, str]  # the number and the hash of a chain's last event; SQLite keeps any value in any column
Row = tuple[Any, ...]  # an event as `sql.read_events` gives it


@dataclass(frozen=True)
class Flaw:
    """Hold one place where a chain is not whole."""

    chain: str
    seq: int
    problem: str


def record(verb: str, subject: Chained, *, actor: Any, **data: Any) -> Event:
    """Append one event to the chain of `subject` and return it, inside the operation's transaction (M26).

    `verb` says what happened. `actor` is the user who did it, or None for the system; the event holds the user's key
    and, as text, the name. `data` must be JSON without floats, because PostgreSQL writes floats in its own way: give
    money as text, hours as text or whole minutes. Raises TypeError for other data, RuntimeError outside a transaction.
    """
    event = _build_event(verb, subject, actor, data)
    head = _lock_head(event.chain)  # the row with the number and the hash of the chain's last event
    if head is None and _begin_chain(event):
        return event
    head = head or _lock_head(event.chain)  # None: somebody else began the chain after we looked
    assert head is not None  # a head is never deleted
    _link_event(event, head.seq + 1, head.hash)
    event.save(force_insert=True)
    ChainHead.objects.filter(chain=event.chain).update(seq=event.seq, hash=event.hash)
    return event


def record_first(verb: str, subject: Chained, *, actor: Any, **data: Any) -> Event:
    """Write the first event of `subject`, which was made in this same transaction, and return the event.

    The chain is new, so no lock is needed: this is faster than `record`. Raises IntegrityError if the chain exists.
    """
    event = _build_event(verb, subject, actor, data)
    _link_event(event, 1, GENESIS)
    ChainHead.objects.create(chain=event.chain, seq=1, hash=event.hash)
    event.save(force_insert=True)
    return event


def compute_hash(event: Event) -> str:
    """Return the SHA-256 (hex) of an event's content and of the hash before it, over canonical JSON."""
    at = event.at.astimezone(UTC).isoformat(timespec="microseconds")
    content = [event.chain, event.seq, event.prev, event.verb, at, event.actor_id, event.actor_name, event.data]
    return _hash_content(content)


def find_flaws() -> Iterator[Flaw]:
    """Read every chain and yield each flaw: an edit, a gap, a wrong link, a cut or forged end, a missing head.

    A head is the row that stores where a chain ends. It is read before the events, so that an event appended while
    we read is no flaw. Memory does not grow with the number of events.
    """
    last_name = ""  # of the last head that was read; heads come in the order of names
    while heads := _read_heads(last_name):
        name_before, last_name = last_name, next(reversed(heads))  # the dict's last key
        yield from _check_chains(heads, name_before, last_name)
    yield from _check_chains({}, last_name, None)  # the chains after the last head's name


def find_unrecorded_mails() -> Iterator[Flaw]:
    """Yield a flaw for each mail whose key begins with the hash of an event that is not there any more.

    This also finds an event that was cut off before an anchor sealed it, if the event sent a mail.
    """
    length = len(GENESIS)  # of every hash
    mails = OutboxMessage.objects.annotate(event_hash=Substr("key", 1, length), colon=StrIndex("key", Value(":")))
    is_there = Exists(Event.objects.filter(hash=OuterRef("event_hash")))
    orphans = mails.filter(~is_there, colon=length + 1).order_by("pk")  # the key is «hash:…»
    for about, kind in orphans.values_list("about", "kind").iterator():
        yield Flaw(about, 0, f"un correo ({kind}) nombra un evento que no está")


def _build_event(verb: str, subject: Chained, actor: Any, data: dict[str, Any]) -> Event:
    """Return a new, unsaved event that has no number in its chain yet.

    Raises RuntimeError outside a transaction, and TypeError if `data` is not JSON or holds a float.
    """
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("record() must run inside the transaction of its operation")
    json.loads(json.dumps(data), parse_float=_refuse_float, parse_constant=_refuse_float)  # only to check the data
    name = actor.get_full_name() if actor else ""
    return Event(chain=subject.chain, verb=verb, at=clock.now(), actor=actor, actor_name=name, data=data)


def _refuse_float(text: str) -> None:
    """Raise TypeError for a float in an event's data, which the two databases do not give back in the same way."""
    raise TypeError(f"an event holds no float: {text}")


def _lock_head(chain: str) -> ChainHead | None:
    """Lock and return the head of a chain, or None if the chain has no event yet."""
    return ChainHead.objects.select_for_update().filter(chain=chain).first()


def _begin_chain(event: Event) -> bool:
    """Begin a chain with its first event and return True, or False if somebody else began it at the same instant."""
    _link_event(event, 1, GENESIS)
    try:
        with transaction.atomic():
            ChainHead.objects.create(chain=event.chain, seq=1, hash=event.hash)
    except IntegrityError:
        return False
    event.save(force_insert=True)
    return True


def _link_event(event: Event, seq: int, prev: str) -> None:
    """Set the number of the event in its chain, the hash before it, and its own hash."""
    event.seq, event.prev = seq, prev
    event.hash = compute_hash(event)


def _hash_content(content: list[Any]) -> str:
    """Return the SHA-256 (hex) of the values that make an event, as canonical JSON."""
    return hashlib.sha256(_encode(content).encode()).hexdigest()


def _hash_row(row: Row) -> str:
    """Return the hash that fits an event's columns, read as text; "" if they cannot be read: we did not write them."""
    chain, seq, prev, _hash, verb, at, actor_id, actor_name, data = row
    try:
        day, _, time = at.partition(" ")
        time, _, fraction = time.partition(".")
        instant = f"{day}T{time}.{fraction:0<6}+00:00"  # SQLite leaves out a fraction of zero
        return _hash_content([chain, seq, prev, verb, instant, actor_id, actor_name, json.loads(data)])
    except (AttributeError, TypeError, ValueError):
        return ""


def _read_heads(after: str) -> dict[str, Head]:
    """Return the next heads after the name `after`, by chain name. A head is (number, hash) of the last event."""
    heads = ChainHead.objects.order_by("chain").values_list("chain", "seq", "hash")
    if after:
        heads = heads.filter(chain__gt=after)
    return {chain: (seq, last_hash) for chain, seq, last_hash in heads[:_CHAINS_AT_A_TIME]}


def _check_chains(heads: dict[str, Head], after: str, until: str | None) -> Iterator[Flaw]:
    """Yield the flaws of the chains whose names come after `after`, up to `until` (None: to the end).

    `heads` maps the name of each of these chains to its head. All their events are read in one stream.
    """
    for chain, events in groupby(sql.read_events(after, until), key=itemgetter(0)):
        if chain in heads:
            yield from _check_chain(chain, heads.pop(chain), events)
        elif not ChainHead.objects.filter(chain=chain).exists():  # else it was begun while we read
            yield Flaw(chain, 0, "la cadena no tiene cabeza")
    for chain, (seq, _hash) in heads.items():  # those left have no event
        yield Flaw(chain, seq, "faltan todos los eventos")


def _check_chain(chain: str, head: Head, events: Iterable[Row]) -> Iterator[Flaw]:
    """Yield the flaws of one chain; `head` holds the number and the hash of the last event."""
    last_seq, last_hash, hash_at_head = 0, GENESIS, ""
    for event in events:
        _chain, seq, prev, own_hash, *_rest = event
        if seq != last_seq + 1 or prev != last_hash or own_hash != _hash_row(event):
            yield from _describe_event(event, last_seq, last_hash)
        if isinstance(seq, int):  # a forged row of SQLite may hold a text
            last_seq, last_hash = seq, own_hash
            hash_at_head = own_hash if seq == head[0] else hash_at_head  # the event that the head calls last
    yield from _check_end(chain, head, last_seq, hash_at_head)


def _describe_event(event: Row, last_seq: int, last_hash: str) -> Iterator[Flaw]:
    """Yield what is wrong with one event that follows the event `last_seq`, whose hash is `last_hash`."""
    chain, seq, prev, own_hash, *_rest = event
    if seq != last_seq + 1:
        yield Flaw(chain, seq, f"falta el evento {last_seq + 1}")
    elif prev != last_hash:
        yield Flaw(chain, seq, "no enlaza con el anterior")
    if own_hash != _hash_row(event):
        yield Flaw(chain, seq, "el contenido no corresponde a su hash")


def _check_end(chain: str, head: Head, last_seq: int, hash_at_head: str) -> Iterator[Flaw]:
    """Yield the flaws of a chain's end; `hash_at_head` is the hash of the event that the head calls last, if any."""
    seq, last_hash = head
    if not isinstance(seq, int):
        yield Flaw(chain, last_seq, "la cabeza no dice dónde termina la cadena")
    elif last_seq < seq:
        yield Flaw(chain, last_seq, f"la cadena termina en {last_seq} y debía terminar en {seq}")
    elif hash_at_head and hash_at_head != last_hash:
        yield Flaw(chain, seq, "la cabeza no corresponde al último evento")
    elif last_seq > seq and (end := ChainHead.objects.get(chain=chain).seq) < last_seq:
        # Events after the head are a flaw, unless the head moved too: then they were appended while we read.
        yield Flaw(chain, end + 1, f"hay eventos después del final, que es {end}")
