"""Compare the pointers of merged and split tickets with their events, for `verify_audit` (M11, M26).

Who sets a pointer past the operations hides a ticket from queues, and stops its clock; who clears one brings it back.
An event cannot be changed, so the pointer must be what the last event about it says.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

from django.db import transaction

from factureya.core.audit import Flaw
from factureya.core.models import Event
from tickets.models import Ticket, chain_of

Item = TypeVar("Item")
_AT_A_TIME = 500
_MERGE_VERBS = ("ticket.merged", "ticket.unmerged")


def find_flaws() -> Iterator[Flaw]:
    """Yield a flaw for each ticket whose pointer differs from its events. A doubtful one is locked and read again."""
    merged = Ticket.objects.filter(merged_into__isnull=False).order_by("pk").values_list("number", flat=True)
    told = Event.objects.filter(verb__in=_MERGE_VERBS).order_by("chain").values_list("chain", flat=True).distinct()
    told_numbers = (chain.removeprefix(chain_of("")) for chain in told.iterator(_AT_A_TIME))
    for group in _group(merged.iterator(_AT_A_TIME)):
        yield from _check_group(group)
    for group in _group(told_numbers):  # of these, the merged ones were checked above
        unmerged = Ticket.objects.unmerged().filter(number__in=group)
        yield from _check_group(list(unmerged.values_list("number", flat=True)))
    yield from _check_splits()


def _check_group(numbers: list[str]) -> Iterator[Flaw]:
    """Yield a flaw for each of these tickets whose pointer differs from its events, and still does under a lock."""
    for number in _find_differing(numbers):
        yield from _check_locked(number)


def _find_differing(numbers: list[str]) -> list[str]:
    """Return those of these tickets whose pointer is not what their last event about a merge says."""
    rows = Ticket.objects.filter(number__in=numbers).values_list("number", "merged_into__number")
    targets = _read_told_targets(numbers)
    return [number for number, target in rows if target != targets.get(number)]


def _read_told_targets(numbers: list[str]) -> dict[str, str | None]:
    """Return for each of these tickets the number that it is merged into, as its last event says; None: not merged."""
    chains = [chain_of(number) for number in numbers]
    events = Event.objects.filter(chain__in=chains, verb__in=_MERGE_VERBS).order_by("seq")
    return {
        chain.removeprefix(chain_of("")): data.get("into") if verb == "ticket.merged" else None
        for chain, verb, data in events.values_list("chain", "verb", "data")
    }


def _check_locked(number: str) -> Iterator[Flaw]:
    """Yield the flaw of a ticket's pointer, unless it was being changed when it was read without a lock."""
    with transaction.atomic():
        Ticket.objects.select_for_update().only("pk").filter(number=number).first()
        differing = _find_differing([number])
    if differing:
        yield Flaw(chain_of(number), 0, f"{number}: no está combinado como dicen sus eventos")


def _check_splits() -> Iterator[Flaw]:
    """Yield a flaw for each ticket whose first event does not tell the message that it was split from."""
    splits = Ticket.objects.filter(split_from__isnull=False).order_by("pk")
    rows = splits.values_list("number", "split_from__ticket__number", "split_from__seq")
    for group in _group(rows.iterator(_AT_A_TIME)):
        chains = [chain_of(number) for number, _source, _place in group]
        events = Event.objects.filter(chain__in=chains, seq=1, verb="ticket.split_off").values_list("chain", "data")
        told = {chain: (data.get("source"), data.get("place")) for chain, data in events}
        for number, source, place in group:
            if told.get(chain_of(number)) != (source, place):
                yield Flaw(chain_of(number), 1, f"{number}: no se separó del mensaje que dice su evento")


def _group(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Yield the items in lists of 500; the last list may be shorter."""
    stream = iter(items)
    while group := list(islice(stream, _AT_A_TIME)):
        yield group
