"""Follow the pointers of merged tickets and of split messages: whose number leads where, what is read there (M11).

A merge points from a ticket to the one that takes its messages since; that one may be merged too, never in a circle.
A split points from a new ticket to a message of another. No message moves: where it is read follows from the pointers.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Value

from factureya.core.models import Event
from tickets.models import Message, Ticket, TicketFile, TicketQuerySet

# The events of a ticket that say: another was merged into it, a message was split off.
TOOK_IN, SPLIT = "ticket.took_in", "ticket.message_split"


@dataclass(frozen=True)
class Family:
    """Hold the tickets that are read on one ticket's page: itself and those merged into it.

    `numbers` maps each ticket's key to its number; `splits` the key of each message of others that stands in them to
    the key of the ticket where it does.
    """

    numbers: dict[int, str]
    splits: dict[int, int] = field(default_factory=dict)
    has_split_off: bool = True  # whether a message of these tickets may have been split off

    def select_messages(self) -> QuerySet[Message]:
        """Select the public messages that are read on the page; one that was split off is read in its new ticket.

        Each has `origin`, the number of the ticket in which it was written.
        """
        written_here = Q(ticket__in=self.numbers)
        if self.has_split_off:
            written_here &= Q(split_ticket__isnull=True)
        found = Message.objects.filter(written_here | Q(pk__in=list(self.splits)) if self.splits else written_here)
        if self.splits or len(self.numbers) > 1:
            return found.annotate(origin=F("ticket__number"))
        return found.annotate(origin=Value(next(iter(self.numbers.values()))))

    def select_files(self) -> QuerySet[TicketFile]:
        """Select the files of the messages and the notes that are read on the page."""
        attached_here = Q(ticket__in=self.numbers)
        return TicketFile.objects.filter(attached_here | Q(message__in=list(self.splits)))

    def find_owner(self, message: Message) -> int:
        """Return the key of the ticket of the family with which a message is read: a split one's is its new ticket."""
        return self.splits.get(message.pk, message.ticket_id)


def with_merge_flag(tickets: TicketQuerySet) -> TicketQuerySet:
    """Return the tickets, each with `has_merged`: whether another is merged into it. `read_family` then asks less."""
    return tickets.annotate(has_merged=Exists(Ticket.objects.filter(merged_into=OuterRef("pk"))))


def read_family(ticket: Ticket, reader: Any, events: Iterable[Event] | None = None) -> Family:
    """Return the tickets that this person reads on the ticket's page: itself, and the visible ones merged into it.

    No query is needed when `with_merge_flag` said that none is merged into it, or when its `events` do, all of them.
    They also tell whether a message was split off.
    """
    verbs = {TOOK_IN, SPLIT} if events is None else {event.verb for event in events}
    numbers = {ticket.pk: ticket.number}
    splits = {ticket.split_from_id: ticket.pk} if ticket.split_from_id else {}
    if TOOK_IN not in verbs or not getattr(ticket, "has_merged", True):
        return Family(numbers, splits, SPLIT in verbs)
    merged = Ticket.objects.visible_to(reader).filter(pk__in=list_read_pks(ticket)[1:])
    for pk, number, split_pk in merged.order_by("pk").values_list("pk", "number", "split_from"):
        numbers[pk] = number
        splits |= {split_pk: pk} if split_pk else {}
    return Family(numbers, splits)


def list_page_numbers(file: TicketFile) -> Iterator[str]:
    """Yield the numbers of the tickets on whose pages a file is read: where it was sent, and where that leads (M11)."""
    split = Ticket.objects.filter(split_from=file.message_id).first() if file.message_id else None
    for ticket in filter(None, (file.ticket, split)):
        yield ticket.number
        if ticket.is_merged:
            yield ticket.find_survivor().number


def list_read_pks(ticket: Ticket) -> list[int]:
    """Return the keys of the ticket and of those whose numbers lead to it.

    No query is needed when `with_merge_flag` said that there are none; a ticket that was read with it is asked once.
    """
    flagged: Any = ticket
    if not hasattr(ticket, "has_merged"):
        return [ticket.pk, *list_merged_pks(ticket.pk)]
    if not hasattr(ticket, "read_pks"):
        flagged.read_pks = [ticket.pk, *(list_merged_pks(ticket.pk) if flagged.has_merged else ())]
    return list(flagged.read_pks)


def lead_together(pk: int | None, other_pk: int) -> bool:
    """Return whether the numbers of these two tickets lead to the same ticket (M11); None is no ticket."""
    find_survivor_pk = Ticket.objects.find_survivor_pk
    return pk is not None and (pk == other_pk or find_survivor_pk(pk) == find_survivor_pk(other_pk))


def list_merged_pks(pk: int) -> list[int]:
    """Return the keys of the tickets whose numbers lead to this one, directly or through others."""
    found: list[int] = []
    last_found = [pk]
    while last_found:
        last_found = list(Ticket.objects.filter(merged_into__in=last_found).values_list("pk", flat=True))
        found += last_found
    return found
