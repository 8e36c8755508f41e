"""A ticket's whole history as the agent reads it: public messages, internal notes and every event, in Spanish.

The customer's history is `tickets.customer.timeline`, which lists the public verbs; this one leaves nothing out
but what a message or a note beside it already says.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db.models import F
from django.utils.html import format_html
from django.utils.safestring import SafeString

from factureya.core.models import Attachment, Event
from tickets.desk import deliveries
from tickets.desk.deliveries import Delivery
from tickets.message_text import Block, blocks
from tickets.models import Message, Note, Ticket, TicketFile

NOTHING = SafeString("")


@dataclass(frozen=True)
class Entry:
    """A line of the history: an event (`icon`, `text`), a message or a note (`anchor`, `author`, `blocks`, `files`)."""

    at: datetime
    kind: str  # customer, staff, note, event
    icon: str = ""
    text: SafeString = NOTHING
    author: str = ""
    anchor: str = ""
    seq: int = 0  # of a public message
    inbound: int | None = None  # the mail that the message came in
    was_cut: bool = False  # the quote of that mail
    delivery: Delivery | None = None  # of the mail that it, or the event, sent to the customer
    blocks: Sequence[Block] = ()
    files: Sequence[Attachment] = ()


def of(ticket: Ticket) -> list[Entry]:
    """The history, oldest first; five queries however long it is."""
    files: dict[tuple[int | None, int | None], list[Attachment]] = {}
    for file in TicketFile.objects.filter(ticket=ticket).select_related("attachment").order_by("pk"):
        files.setdefault((file.message_id, file.note_id), []).append(file.attachment)
    rows = ticket.messages.annotate(was_cut=F("inbound__reading__was_cut")).order_by("seq")
    messages = [replace(_message(row, files.get((row.pk, None), [])), was_cut=bool(row.was_cut)) for row in rows]
    notes = [_note(n, files.get((None, n.pk), [])) for n in ticket.notes.order_by("pk")]
    happened = list(ticket.events().only("hash", "verb", "at", "actor_name", "data"))
    told = deliveries.of(ticket)
    spoken = {event.data.get("message"): told.get(event.hash) for event in happened}
    messages = [replace(entry, delivery=spoken.get(entry.seq)) for entry in messages]
    events = [entry for event in happened for entry in _event(event, told)]
    # Python's sort keeps the order of equals: a message stands before the event that it caused.
    return sorted(messages + notes + events, key=lambda entry: entry.at)


def newer_than(entries: Sequence[Entry], seen: int) -> list[Entry]:
    """The public messages that came after the `seen`-th."""
    return [entry for entry in entries if entry.seq > seen]


def message_anchor(seq: int) -> str:
    """The place of a public message on the page."""
    return f"mensaje-{seq}"


def note_anchor(pk: int) -> str:
    """The place of an internal note on the page."""
    return f"nota-{pk}"


# -- Private -----------------------------------------------------------------------------------------


def _message(message: Message, files: Sequence[Attachment]) -> Entry:
    return Entry(
        message.created_at,
        str(message.side),
        author=message.author_name,
        anchor=message_anchor(message.seq),
        seq=message.seq,
        blocks=blocks(message.body),
        files=files,
        inbound=message.inbound_id,
    )


def _note(note: Note, files: Sequence[Attachment]) -> Entry:
    return Entry(
        note.created_at,
        "note",
        author=note.author_name,
        anchor=note_anchor(note.pk),
        blocks=blocks(note.body),
        files=files,
    )


def _event(event: Event, told: dict[str, Delivery]) -> list[Entry]:
    """The event's line, if it has one; the mail of a message stands at the message."""
    icon, words = WORDS[event.verb]
    text = words(event)
    delivery = None if event.data.get("message") else told.get(event.hash)
    return [Entry(event.at, "event", icon, text, delivery=delivery)] if text else []


def _opened(event: Event) -> SafeString:
    if event.data.get("channel") != Ticket.Channel.PHONE:
        return NOTHING  # the message itself says it
    return format_html("{} lo levantó por teléfono", event.actor_name)


def _followed_up(event: Event) -> SafeString:
    return format_html(
        'Continúa a <span class="fy-mono">{}</span>, que está cerrado',
        event.data.get("follows") or "",
    )


def _answered(event: Event) -> SafeString:
    if event.data.get("after") != Ticket.Status.WAITING:
        return NOTHING
    start = "Sigue" if event.data.get("before") == Ticket.Status.WAITING else "Pasó a"
    return format_html("{} <strong>En espera</strong>: {}", start, _asked(event))


def _asked(event: Event) -> str:
    if event.data.get("asks_confirmation"):
        return "se pidió confirmar si quedó resuelto"
    asked = {"authorization": "autorización", "detail": "más detalle"}
    return f"se pidió {asked.get(event.data.get('wait_reason') or '', 'respuesta')}"


def _information_added(event: Event) -> SafeString:
    if event.data.get("before") != Ticket.Status.WAITING:
        return NOTHING
    return SafeString("Volvió a <strong>Abierto</strong>: respondió el cliente")


def _taken(event: Event) -> SafeString:
    return format_html("{} lo tomó", event.actor_name)


def _assigned(event: Event) -> SafeString:
    name = event.data.get("assignee_name")
    if not name:
        return format_html("{} lo dejó por asignar", event.actor_name)
    return format_html("{} lo asignó a {}", event.actor_name, name)


def _classified(event: Event) -> SafeString:
    (category, impact), (new_category, new_impact) = event.data["before"], event.data["after"]
    changes = []
    if category != new_category:
        changes.append(f"la categoría a «{_label(Ticket.Category, new_category)}»")
    if impact != new_impact:
        changes.append(f"el impacto a «{_label(Ticket.Impact, new_impact)}»")
    return format_html("{} cambió {}", event.actor_name, " y ".join(changes))


def _label(choices: Any, value: Any) -> str:
    return dict(choices.choices).get(value, str(value))


def _handed_over(event: Event) -> SafeString:
    return format_html("{} lo turnó a otro prestador", event.actor_name)


def _moved(event: Event) -> SafeString:
    return format_html("{} lo pasó a la empresa ya conocida, al unir las dos", event.actor_name)


def _confirmed(event: Event) -> SafeString:
    return format_html("<strong>Cerrado</strong>: {} confirmó que quedó resuelto", event.actor_name)


def _confirmed_by_phone(event: Event) -> SafeString:
    return format_html(
        "<strong>Cerrado</strong>: {} confirmó por teléfono que quedó resuelto; lo registró {}",
        event.data.get("contact_name", ""),
        event.actor_name,
    )


def _mail_bounced(event: Event) -> SafeString:
    held = "; el cierre quedó detenido" if event.data.get("is_held") else ""
    return format_html("Un correo a {} no fue entregado{}", event.data.get("to", ""), held)


def _mail_retried(event: Event) -> SafeString:
    return format_html("{} puso otra vez en cola el correo a {}", event.actor_name, event.data.get("to", ""))


def _close_released(event: Event) -> SafeString:
    if event.data.get("after") == Ticket.Status.OPEN:
        return format_html("{} lo pasó a <strong>Abierto</strong>: el cliente escribió", event.actor_name)
    return format_html("{} dejó correr de nuevo el cierre", event.actor_name)


def _said(text: str) -> Callable[[Event], SafeString]:
    """Words of ours that name nobody."""
    return lambda event: SafeString(text)


WORDS: dict[str, tuple[str, Callable[[Event], SafeString]]] = {
    "ticket.opened": ("phone", _opened),
    "ticket.followed_up": ("ticket", _followed_up),
    "ticket.answered": ("swap", _answered),
    "ticket.information_added": ("swap", _information_added),
    "ticket.note_added": ("lock", _said("")),  # the note itself says it
    "ticket.taken": ("person", _taken),
    "ticket.assigned": ("person", _assigned),
    "ticket.classified": ("ticket", _classified),
    "ticket.handed_over": ("swap", _handed_over),
    "ticket.moved_to_company": ("swap", _moved),
    "ticket.reminder_queued": ("clock", _said("El recordatorio quedó en la cola de correo")),
    "ticket.reminded": ("mail", _said("Salió el recordatorio al cliente")),
    "ticket.confirmed": ("check", _confirmed),
    "ticket.confirmed_by_phone": ("phone", _confirmed_by_phone),
    "ticket.information_held": (
        "clock",
        _said("Sigue <strong>En espera</strong>: llegaron muchos correos en una hora y el cierre quedó detenido"),
    ),
    "ticket.mail_bounced": ("mail", _mail_bounced),
    "ticket.mail_retried": ("mail", _mail_retried),
    "ticket.robot_answered": ("mail", _said("Llegó una respuesta automática; no mueve el ticket")),
    "ticket.close_released": ("clock", _close_released),
    "ticket.close_voided": (
        "swap",
        _said("Se anuló el cierre: la respuesta había llegado a tiempo. Volvió a <strong>Abierto</strong>"),
    ),
    "ticket.closed_unanswered": (
        "clock",
        _said("<strong>Cerrado</strong> por falta de respuesta del cliente"),
    ),
}
