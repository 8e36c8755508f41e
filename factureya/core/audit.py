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
from operator import attrgetter
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef

from factureya.core import clock
from factureya.core.models import Chained, ChainHead, Event

GENESIS = "0" * 64
_CHAINS_AT_A_TIME = 500
_EVENTS_AT_A_TIME = 2000


@dataclass(frozen=True)
class Flaw:
    """Hold one place where a chain is not whole."""

    chain: str
    seq: int
    problem: str


def record(verb: str, subject: Chained, *, actor: Any, **data: Any) -> Event:
    """Append one event to the subject's chain and return it, inside the operation's transaction (M26).

    `actor` is the user who acted, or None for the system; the name is stored as text beside the key. `data` must be
    JSON without floats, because PostgreSQL writes floats in its own way: give money as text, hours as text or whole
    minutes. Raises TypeError for anything else.
    """
    event = _build_event(verb, subject, actor, data)
    head = _lock_head(event.chain)  # the row with the number and the hash of the chain's last event
    if head is None and _begin_chain(event):
        return event
    head = head or _lock_head(event.chain)
    assert head is not None  # somebody began the chain, and a head is never deleted
    _link_event(event, head.seq + 1, head.hash)
    event.save(force_insert=True)
    ChainHead.objects.filter(chain=event.chain).update(seq=event.seq, hash=event.hash)
    return event


def record_first(verb: str, subject: Chained, *, actor: Any, **data: Any) -> Event:
    """Write and return the first event of a subject that was made in this same transaction.

    Its chain is new, so nothing needs a lock: it is faster than `record`. Raises IntegrityError if the chain exists.
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
    canonical = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def find_flaws() -> Iterator[Flaw]:
    """Read every chain and yield each flaw: an edit, a gap, a wrong link, a cut or forged end, a missing head.

    A head is the row that stores where a chain ends. It is read before the events, so that an event appended at
    this moment is no flaw. Memory does not grow with the number of events.
    """
    last_name = ""
    while heads := list(ChainHead.objects.filter(chain__gt=last_name).order_by("chain")[:_CHAINS_AT_A_TIME]):
        yield from _check_chains({head.chain: head for head in heads})
        last_name = heads[-1].chain
    headless = Event.objects.exclude(Exists(ChainHead.objects.filter(chain=OuterRef("chain"))))
    for chain in headless.order_by("chain").values_list("chain", flat=True).distinct().iterator():
        yield Flaw(chain, 0, "la cadena no tiene cabeza")


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


def _check_chains(heads: dict[str, ChainHead]) -> Iterator[Flaw]:
    """Read the events of some chains in one stream and yield the flaws; `heads` maps each chain's name to its head."""
    events = Event.objects.filter(chain__in=heads).order_by("chain", "seq")
    stream = events.iterator(chunk_size=_EVENTS_AT_A_TIME)
    for chain, events_of_chain in groupby(stream, key=attrgetter("chain")):
        yield from _check_chain(heads.pop(chain), events_of_chain)
    for head in heads.values():  # those left have no event
        yield Flaw(head.chain, head.seq, "faltan todos los eventos")


def _check_chain(head: ChainHead, events: Iterable[Event]) -> Iterator[Flaw]:
    """Yield the flaws of one chain; `head` is the row that holds the number and the hash of the last event."""
    seq, last_hash, hash_at_head = 0, GENESIS, ""
    for event in events:
        if event.seq != seq + 1:
            yield Flaw(head.chain, event.seq, f"falta el evento {seq + 1}")
        elif event.prev != last_hash:
            yield Flaw(head.chain, event.seq, "no enlaza con el anterior")
        if event.hash != compute_hash(event):
            yield Flaw(head.chain, event.seq, "el contenido no corresponde a su hash")
        seq, last_hash = event.seq, event.hash
        hash_at_head = last_hash if seq == head.seq else hash_at_head  # the event that the head calls last
    if seq < head.seq:
        yield Flaw(head.chain, seq, f"la cadena termina en {seq} y debía terminar en {head.seq}")
    elif hash_at_head and hash_at_head != head.hash:
        yield Flaw(head.chain, head.seq, "la cabeza no corresponde al último evento")
    # Events after the head are a flaw, unless the head moved too: then they were appended while we read.
    if seq > head.seq and (current := ChainHead.objects.get(chain=head.chain)).seq < seq:
        yield Flaw(head.chain, current.seq + 1, f"hay eventos después del final, que es {current.seq}")
