"""Read a ticket's history for the customer: public messages and public events, in plain Spanish (M16).

The words of each event, and which events are public, stand in `tickets.events`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple

from django.db.models import F, QuerySet
from django.utils.safestring import SafeString

from accounts.models import User
from factureya.core.models import Event, is_picture_type
from factureya.core.templatetags.fy import when
from tickets.calls.note_takers import find_note_takers
from tickets.events import EVENTS, NOTHING, PUBLIC
from tickets.merging.family import Family, read_family
from tickets.message_text import Block, read_blocks
from tickets.models import Message, Ticket


class File(NamedTuple):
    """Hold what a page shows of a file of a public message."""

    name: str
    size: int
    token: str
    is_picture: bool
    width: int | None
    height: int | None


@dataclass(frozen=True)
class Entry:
    """Hold a line of the history: an event (`icon`, `text`) or a message (`message` and what belongs to it)."""

    at: datetime
    icon: str = ""
    text: SafeString = NOTHING
    message: Message | None = None
    author: str = ""
    noted_by: str = ""  # the agent who wrote it down by phone
    blocks: Sequence[Block] = ()
    files: Sequence[File] = ()
    was_cut: bool = False  # the quote of a mail's answer
    origin: str = ""  # the number of another ticket of the company, in which the message was written (M11)

    @cached_property
    def when(self) -> str:
        return when(self.at)

    @property
    def is_ours(self) -> bool:
        return self.message is not None and self.message.side == Message.Side.STAFF


def read_events(ticket: Ticket) -> list[Event]:
    """Return the events of the ticket that a customer may see, oldest first; one query."""
    return list(_find_public_events(ticket))


def may_have_charges(events: Iterable[Event]) -> bool:
    """Return whether a charge was ever proposed in the ticket of these events; none is stored without one (M18)."""
    return any(event.verb == "ticket.charge_proposed" for event in events)


def read_history(ticket: Ticket, reader: User, events: Sequence[Event]) -> list[Entry]:
    """Return the public messages and events of a ticket that this customer reads, oldest first; one query for most.

    The messages of tickets merged into it, if he sees them, stand here too; it takes a query more for each step (M11).
    «Usted» is the author of the reader's own messages. An event without a text is left out: a message says the same.
    """
    entries = []
    rows = list(_read_messages(read_family(ticket, reader, events)))
    noted_by = find_note_takers((message for message, _files, _was_cut in rows), events)
    for message, files, was_cut in rows:
        shown = Entry(
            message.created_at,
            message=message,
            author="Usted" if message.author_id == reader.pk else message.author_name,
            noted_by=noted_by.get(message.pk, ""),
            blocks=read_blocks(message.body),
            files=files,
            was_cut=was_cut,
        )
        entries.append(shown if message.ticket_id == ticket.pk else replace(shown, origin=message.origin))
    for event in events:
        icon, text = EVENTS[event.verb].read_for_customer(event, reader)
        if text:
            entries.append(Entry(event.at, icon, text))
    # Python's sort keeps the order of equals: a message stands before the event that it caused.
    return sorted(entries, key=lambda entry: entry.at)


def read_actions(ticket: Ticket) -> list[Entry]:
    """Return the ticket's public events for the look-up page: what happened and when, nobody's name (M16)."""
    return [
        Entry(event.at, icon, text)
        for event in _find_public_events(ticket)
        for icon, text in EVENTS[event.verb].read_for_lookup(event)
    ]


def _find_public_events(ticket: Ticket) -> Iterable[Event]:
    """Return the events of the ticket that a customer may see."""
    return ticket.events().filter(verb__in=PUBLIC).only("chain", "verb", "at", "actor_id", "actor_name", "data")


def _read_messages(family: Family) -> Iterable[tuple[Any, list[File], bool]]:
    """Yield each public message that is read with the ticket, with its files and whether a quote was cut from its mail.

    There is one query. It returns a message once for each of its files, so the rows of one message are grouped.
    """
    attachment = "files__attachment__"
    rows: QuerySet[Any] = family.select_messages()
    rows = rows.annotate(
        file_name=F(f"{attachment}name"),
        file_size=F(f"{attachment}size"),
        file_token=F(f"{attachment}token"),
        was_cut=F("inbound__reading__was_cut"),
        file_type=F(f"{attachment}content_type"),
        file_width=F(f"{attachment}width"),
        file_height=F(f"{attachment}height"),
    )
    in_order = rows.order_by("created_at", "pk", "files__pk")
    for _pk, group in groupby(in_order, key=attrgetter("pk")):
        message_rows = list(group)  # each row is the same message with another of its files, or with none
        files = [_read_file(row) for row in message_rows if row.file_token is not None]
        yield message_rows[0], files, bool(message_rows[0].was_cut)


def _read_file(row: Any) -> File:
    """Return the file of a public message from a `row` of `_read_messages`: the message with one of its files."""
    is_picture = is_picture_type(row.file_type)
    return File(row.file_name, row.file_size, row.file_token, is_picture, row.file_width, row.file_height)
