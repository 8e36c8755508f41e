"""The only writer of Event, and the check that nobody else wrote.

Each subject has a chain of its own, so two subjects never wait for each other. The head of a chain is a row
that is locked while an event is appended; inside a ticket's operation that lock is never contended, because
the ticket's own row is locked first.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import transaction

from factureya.core import clock
from factureya.core.models import Chained, ChainHead, Event

GENESIS = "0" * 64


@dataclass(frozen=True)
class Flaw:
    """A place where a chain is not whole."""

    chain: str
    seq: int
    problem: str


def record(verb: str, subject: Chained, *, actor: Any, **data: Any) -> Event:
    """Append one event to the subject's chain (M26); must run inside the operation's transaction.

    `actor` is the user who acted, or None for the system; his name is kept as text beside the key.
    `data` must be JSON (strings, numbers, lists, dicts).
    """
    chain = subject.chain
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("record() must run inside the transaction of its operation")
    head = ChainHead.objects.select_for_update().filter(chain=chain).first()
    seq, prev = (head.seq + 1, head.hash) if head else (1, GENESIS)
    at = clock.now()
    event = Event(
        chain=chain, seq=seq, prev=prev, verb=verb, at=at, actor=actor, data=data,
        actor_name=actor.get_full_name() if actor else "",
    )  # fmt: skip
    event.hash = digest(event)
    event.save(force_insert=True)
    if head:
        ChainHead.objects.filter(chain=chain).update(seq=seq, hash=event.hash)
    else:
        ChainHead.objects.create(chain=chain, seq=seq, hash=event.hash)
    return event


def digest(event: Event) -> str:
    """SHA-256 (hex) of the event's content and of the hash before it, over canonical JSON."""
    content = [
        event.chain, event.seq, event.prev, event.verb, _instant(event.at), event.actor_id, event.actor_name, event.data,
    ]  # fmt: skip
    canonical = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def verify() -> Iterator[Flaw]:
    """Walk every chain and yield each flaw: an edit, a gap, a wrong link, a cut-off tail, a chain without head."""
    heads = dict(ChainHead.objects.values_list("chain", "seq"))
    hashes = dict(ChainHead.objects.values_list("chain", "hash"))
    chain, seq, prev = "", 0, GENESIS
    for event in Event.objects.order_by("chain", "seq").iterator(chunk_size=2000):
        if event.chain != chain:
            yield from _check_end(chain, seq, prev, heads, hashes)
            chain, seq, prev = event.chain, 0, GENESIS
        if event.seq != seq + 1:
            yield Flaw(chain, event.seq, f"falta el evento {seq + 1}")
        elif event.prev != prev:
            yield Flaw(chain, event.seq, "no enlaza con el anterior")
        if event.hash != digest(event):
            yield Flaw(chain, event.seq, "el contenido no corresponde a su hash")
        seq, prev = event.seq, event.hash
    yield from _check_end(chain, seq, prev, heads, hashes)
    for leftover, expected in heads.items():
        yield Flaw(leftover, expected, "faltan todos los eventos")


def _check_end(
    chain: str, seq: int, last: str, heads: dict[str, int], hashes: dict[str, str]
) -> Iterator[Flaw]:
    if not chain:
        return
    expected = heads.pop(chain, None)
    if expected is None:
        yield Flaw(chain, seq, "la cadena no tiene cabeza")
    elif expected != seq:
        yield Flaw(chain, seq, f"la cadena termina en {seq} y debía terminar en {expected}")
    elif hashes[chain] != last:
        yield Flaw(chain, seq, "la cabeza no corresponde al último evento")


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")
