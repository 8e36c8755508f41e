"""Read a ticket's whole history for the agent: messages, notes, every event, and what became of each mail (M6, M16).

The words of each event stand in `tickets.events`. Nothing is left out but what a message or a note beside it says.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db.models import F
from django.utils.safestring import SafeString

from accounts.models import User
from factureya.core.models import Attachment, Event, OutboxMessage
from factureya.core.templatetags.fy import when
from tickets import notifications, policy
from tickets.calls.note_takers import find_note_takers
from tickets.desk.invoices import Card
from tickets.events import EVENTS, NOTHING
from tickets.merging import family
from tickets.message_text import Block, read_blocks
from tickets.models import Note, Ticket
from tickets.providers.hiding import hide_in_entry

MAX_ERROR = 160  # characters of what the mail server said


@dataclass(frozen=True)
class Delivery:
    """Hold what became of one mail: its state as a sentence, and whether an agent can have it tried again."""

    pk: int
    text: str
    is_bad: bool = False
    may_retry: bool = False


@dataclass(frozen=True)
class Entry:
    """Hold a line of the history: an event (`icon`, `text`), a message or a note (`author`, `blocks`, `files`)."""

    at: datetime
    kind: str  # customer, staff, note, event
    icon: str = ""
    text: SafeString = NOTHING
    author: str = ""
    noted_by: str = ""  # the agent who wrote down by phone what the author said
    ticket_pk: int = 0  # the ticket with which it is read: the shown one, or one merged into it (M11)
    anchor: str = ""
    origin: str = ""  # the number of another ticket, in which the message or the note was written (M11)
    seq: int = 0  # of a public message
    inbound: int | None = None  # the mail that the message came in
    was_cut: bool = False  # the quote of that mail
    delivery: Delivery | None = None  # of the mail that it, or the event, sent to the customer
    blocks: Sequence[Block] = ()
    files: Sequence[Attachment] = ()
    invoices: Sequence[Card] = ()


def read_events(ticket: Ticket) -> list[Event]:
    """Return all events of the ticket, oldest first; one query."""
    return list(ticket.events().only("hash", "chain", "verb", "at", "actor_name", "data"))


def read_history_for(ticket: Ticket, reader: User, events: Sequence[Event]) -> list[Entry]:
    """Return the history as this agent may read it: for a third party's without mail addresses, unless shown (M3).

    What came from a merged ticket is shown with addresses only if they were shown in that ticket too (M11).
    """
    entries = read_history(ticket, reader, events)
    hidden = policy.find_mail_hidden(reader, ticket, {entry.ticket_pk for entry in entries})
    return [hide_in_entry(entry) if entry.ticket_pk in hidden else entry for entry in entries]


def read_history(ticket: Ticket, reader: User, events: Sequence[Event]) -> list[Entry]:
    """Return the public messages, internal notes and events of a ticket that an agent reads, oldest first.

    What was written in tickets merged into it, if the agent sees them, stands here too; of their events only what this
    ticket's own say (M11). There are four queries, however long it is. An entry's `delivery` is what became of the mail
    about it; if an event has a message, the message's entry has the delivery. An event without a text is left out, as a
    message says it.
    """
    read_together = family.read_family(ticket, reader, events)
    files_of_message: dict[int | None, list[Attachment]] = defaultdict(list)
    files_of_note: dict[int | None, list[Attachment]] = defaultdict(list)
    for file in read_together.select_files().select_related("attachment__invoice_reading").order_by("pk"):
        files_of_message[file.message_id].append(file.attachment)
        files_of_note[file.note_id].append(file.attachment)
    found = read_together.select_messages().annotate(was_cut=F("inbound__reading__was_cut"))
    messages = list(found.order_by("created_at", "pk"))
    notes = list(Note.objects.filter(ticket__in=read_together.numbers).order_by("pk"))
    deliveries = _read_deliveries(ticket)
    noted_by = find_note_takers(messages, events)
    delivery_by_seq = {event.data.get("message"): deliveries.get(event.hash) for event in events}
    entries = []
    for message in messages:
        entry = _build_message_entry(message, files_of_message[message.pk], noted_by.get(message.pk, ""))
        owner = read_together.find_owner(message)
        if message.ticket_id == ticket.pk:
            entries.append(replace(entry, delivery=delivery_by_seq.get(message.seq), ticket_pk=owner))
        else:
            entries.append(_mark_foreign(entry, message, owner))
    for note in notes:
        entry = _build_note_entry(note, files_of_note[note.pk])
        entries.append(replace(entry, origin=_name_origin(note, ticket, read_together), ticket_pk=note.ticket_id))
    for event in events:
        icon, text = EVENTS[event.verb].read_for_desk(event)
        delivery = None if event.data.get("message") else deliveries.get(event.hash)
        if text:
            entries.append(Entry(event.at, "event", icon, text, delivery=delivery, ticket_pk=ticket.pk))
    # Python's sort keeps the order of equals: a message stands before the event that it caused.
    return sorted(entries, key=lambda entry: entry.at)


def select_newer(entries: Sequence[Entry], seen: int) -> list[Entry]:
    """Return the public messages that came after the `seen`-th."""
    return [entry for entry in entries if entry.seq > seen]


def with_invoices(entries: Sequence[Entry], cards: Mapping[int, Card]) -> list[Entry]:
    """Return the entries with the cards of the invoices among their files; `cards` are by the key of the file."""
    return [_add_invoices(entry, [cards[file.pk] for file in entry.files if file.pk in cards]) for entry in entries]


def without_retry(entry: Entry) -> Entry:
    """Return the entry without the button that tries a mail again, for a person who only reads."""
    return replace(entry, delivery=replace(entry.delivery, may_retry=False)) if entry.delivery else entry


def message_anchor(seq: int) -> str:
    """Return the HTML id of a public message on the ticket's page."""
    return f"mensaje-{seq}"


def note_anchor(pk: int) -> str:
    """Return the HTML id of an internal note on the ticket's page."""
    return f"nota-{pk}"


def _build_message_entry(message: Any, files: Sequence[Attachment], noted_by: str) -> Entry:
    """Return the entry of a public message, annotated with `was_cut`, in the history that an agent reads."""
    return Entry(
        message.created_at,
        str(message.side),
        author=message.author_name,
        noted_by=noted_by,
        anchor=message_anchor(message.seq),
        seq=message.seq,
        inbound=message.inbound_id,
        was_cut=bool(message.was_cut),
        blocks=read_blocks(message.body),
        files=files,
    )


def _add_invoices(entry: Entry, cards: Sequence[Card]) -> Entry:
    """Return the entry with these cards; one of many names its file."""
    return replace(entry, invoices=[replace(card, is_one_of_many=len(cards) > 1) for card in cards]) if cards else entry


def _mark_foreign(entry: Entry, message: Any, owner: int) -> Entry:
    """Return the entry of a message that was written in another ticket: a merged one, or one that it was split off.

    It has no place of its own among the ticket's messages (`seq`). `owner` is the ticket with which it is read.
    """
    anchor = f"{message_anchor(message.seq)}-{message.origin}"
    return replace(entry, seq=0, anchor=anchor, origin=message.origin, ticket_pk=owner)


def _name_origin(note: Note, ticket: Ticket, read_together: family.Family) -> str:
    """Return the number of the merged ticket in which a note was written; "" for a note of the shown ticket."""
    return "" if note.ticket_id == ticket.pk else read_together.numbers[note.ticket_id]


def _build_note_entry(note: Note, files: Sequence[Attachment]) -> Entry:
    """Return the entry of an internal note in the ticket's history that an agent reads."""
    anchor, blocks = note_anchor(note.pk), read_blocks(note.body)
    return Entry(note.created_at, "note", author=note.author_name, anchor=anchor, blocks=blocks, files=files)


def _read_deliveries(ticket: Ticket) -> dict[str, Delivery]:
    """Return what became of each mail to the ticket's customer, by the hash of the event that caused it; one query."""
    # A mail's key begins with that hash and a colon.
    mails = OutboxMessage.objects.filter(about=ticket.chain).exclude(kind__in=notifications.TO_AGENT)
    shown = mails.only("key", "status", "attempts", "due_at", "sent_at", "bounced_at", "last_error")
    own = [mail for mail in shown.order_by("pk") if notifications.TO_MERGED not in mail.key]
    return {mail.key.partition(":")[0]: _describe_delivery(mail) for mail in own}


def _describe_delivery(mail: OutboxMessage) -> Delivery:
    """Return what became of a mail to the customer, in the agent's words; a failed one may be tried again."""
    if mail.bounced_at is not None:
        return Delivery(mail.pk, f"No entregado: el otro servidor lo devolvió {when(mail.bounced_at)}", is_bad=True)
    if mail.status == OutboxMessage.Status.FAILED:
        text = f"No entregado: {_shorten_error(mail)}"
        return Delivery(mail.pk, text, is_bad=True, may_retry=True)
    if mail.status == OutboxMessage.Status.SENT:
        return Delivery(mail.pk, f"Enviado {when(mail.sent_at)}")
    if mail.status == OutboxMessage.Status.DROPPED:
        return Delivery(mail.pk, "Ya no hizo falta enviarlo")
    if mail.last_error:
        text = f"En cola: no salió ({_shorten_error(mail)}); se reintenta {when(mail.due_at)}"
        return Delivery(mail.pk, text, is_bad=True)
    return Delivery(mail.pk, "En cola")


def _shorten_error(mail: OutboxMessage) -> str:
    """Return why a mail could not be sent, as the mail server answered, on one line of at most MAX_ERROR characters."""
    answer = " ".join(mail.last_error.split()) or "sin explicación del servidor"
    return answer if len(answer) <= MAX_ERROR else f"{answer[: MAX_ERROR - 1]}…"
