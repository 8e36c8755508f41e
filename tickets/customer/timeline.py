"""A ticket's history as the customer reads it: public messages and public events, in plain Spanish (M16).

Which verbs are public is an explicit list: a verb that is not here (internal notes, classification, hand-over, the
reminder's queueing…) is never shown. `actions` is the shorter reading of the look-up page: verbs and dates only,
without a person's name.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import groupby
from typing import Any, NamedTuple

from django.conf import settings
from django.db.models import F, QuerySet
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.models import User
from factureya.core import calendar
from factureya.core.models import Event, is_picture_type
from factureya.core.templatetags.fy import when
from tickets.message_text import Block, blocks
from tickets.models import Message, Ticket

NOTHING = SafeString("")
_REMINDED = f"Le recordamos por correo que faltaban {settings.REMINDER_HOURS} horas"
_UNANSWERED = f"<strong>Cerrado</strong> automáticamente: más de {calendar.describe_reply_time()} sin respuesta"

_VOIDED = "Su respuesta llegó a tiempo: se anuló el cierre y volvió a <strong>Abierto</strong>"


class File(NamedTuple):
    """A file of a public message."""

    name: str
    size: int
    token: str
    is_picture: bool
    width: int | None
    height: int | None


@dataclass(frozen=True)
class Entry:
    """A line of the history: an event (`icon`, `text`) or a message (`message` and what belongs to it)."""

    at: datetime
    icon: str = ""
    text: SafeString = NOTHING
    message: Message | None = None
    author: str = ""
    blocks: Sequence[Block] = ()
    files: Sequence[File] = ()
    was_cut: bool = False  # the quote of a mail's answer

    @cached_property
    def when(self) -> str:
        """«hoy, 10:05»."""
        return when(self.at)

    @property
    def is_ours(self) -> bool:
        """Whether the message is Factureya's."""
        return self.message is not None and self.message.side == Message.Side.STAFF


def of(ticket: Ticket, reader: User) -> list[Entry]:
    """The history that this reader sees, oldest first; two queries however long it is."""
    messages = [_message(message, files, reader, was_cut=was_cut) for message, files, was_cut in _messages(ticket)]
    # Python's sort keeps the order of equals: a message stands before the event that it caused.
    return sorted(messages + events(_public(ticket), reader), key=lambda entry: entry.at)


def events(happened: Iterable[Event], reader: User) -> list[Entry]:
    """The public events of a ticket in words, for somebody who may know who acted."""
    entries = []
    for event in happened:
        icon, words = _PUBLIC[event.verb]
        if text := words(event, reader):
            entries.append(Entry(event.at, icon, text))
    return entries


def actions(ticket: Ticket) -> list[Entry]:
    """The public actions of a ticket for the look-up page: verbs and dates, nobody's name (M16); one query."""
    return [Entry(event.at, icon, text) for event in _public(ticket) for icon, text in _ACTIONS[event.verb](event)]


def _public(ticket: Ticket) -> Iterable[Event]:
    return ticket.events().filter(verb__in=_PUBLIC).only("verb", "at", "actor_id", "actor_name", "data")


def _messages(ticket: Ticket) -> Iterable[tuple[Message, list[File], bool]]:
    """The public messages with their files and whether a quote was cut from their mail, in one query.

    A message comes once for each of its files.
    """
    attachment = "files__attachment__"
    rows: QuerySet[Any] = ticket.messages.annotate(
        file_name=F(f"{attachment}name"),
        file_size=F(f"{attachment}size"),
        file_token=F(f"{attachment}token"),
        was_cut=F("inbound__reading__was_cut"),
        file_type=F(f"{attachment}content_type"),
        file_width=F(f"{attachment}width"),
        file_height=F(f"{attachment}height"),
    )
    for _, same in groupby(rows.order_by("seq", "files__pk"), key=lambda row: row.seq):
        first, *others = same
        named = [row for row in (first, *others) if row.file_token is not None]
        files = [_file(row) for row in named]
        yield first, files, bool(first.was_cut)


def _file(row: Any) -> File:
    is_picture = is_picture_type(row.file_type)
    return File(row.file_name, row.file_size, row.file_token, is_picture, row.file_width, row.file_height)


def _message(message: Message, files: Sequence[File], reader: User, *, was_cut: bool) -> Entry:
    author = "Usted" if message.author_id == reader.pk else message.author_name
    return Entry(
        message.created_at,
        message=message,
        author=author,
        blocks=blocks(message.body),
        files=files,
        was_cut=was_cut,
    )


# -- Words for a reader who may know names -----------------------------------------------------------


def _opened(event: Event, reader: User) -> SafeString:
    if event.data.get("channel") == Ticket.Channel.PHONE:
        return SafeString("Ticket <strong>Abierto</strong> por teléfono. Le enviamos el número de seguimiento")
    return SafeString("Ticket <strong>Abierto</strong>. Le enviamos el número de seguimiento")


def _followed_up(event: Event, reader: User) -> SafeString:
    return format_html(
        'Ticket <strong>Abierto</strong>; continúa a <span class="fy-mono">{}</span>',
        event.data.get("follows") or "",
    )


def _answered(event: Event, reader: User) -> SafeString:
    if event.data.get("after") != Ticket.Status.WAITING:
        return NOTHING  # the message itself says it
    needs = _needs(event)
    if event.data.get("before") == Ticket.Status.WAITING:
        return format_html("Sigue <strong>En espera</strong>: {}. El plazo volvió a empezar", needs)
    return format_html("Pasó de <strong>Abierto</strong> a <strong>En espera</strong>: {}", needs)


def _needs(event: Event) -> str:
    if event.data.get("asks_confirmation"):
        return "confirme si quedó resuelto"
    if event.data.get("wait_reason") == Ticket.WaitReason.AUTHORIZATION:
        return "necesitamos su autorización"
    return "necesitamos más detalle"


def _information_added(event: Event, reader: User) -> SafeString:
    if event.data.get("before") != Ticket.Status.WAITING:
        return NOTHING  # the message itself says it
    return SafeString("Pasó de <strong>En espera</strong> a <strong>Abierto</strong>: nos toca responder")


def _information_held(event: Event, reader: User) -> SafeString:
    return NOTHING  # the message itself says it, and nothing moved


def _close_voided(event: Event, reader: User) -> SafeString:
    return SafeString(_VOIDED)


def _taken(event: Event, reader: User) -> SafeString:
    return format_html("{}, de Soporte, tomó su caso", event.data.get("assignee_name") or event.actor_name)


def _assigned(event: Event, reader: User) -> SafeString:
    name = event.data.get("assignee_name")
    return format_html("{}, de Soporte, tomó su caso", name) if name else NOTHING


def _confirmed(event: Event, reader: User) -> SafeString:
    who = "usted" if event.actor_id == reader.pk else event.actor_name
    return format_html("<strong>Cerrado</strong>: {} confirmó que quedó resuelto", who)


def _confirmed_by_phone(event: Event, reader: User) -> SafeString:
    who = "usted" if event.data.get("contact") == reader.pk else event.data.get("contact_name", "")
    return format_html("<strong>Cerrado</strong>: {} confirmó por teléfono que quedó resuelto", who)


def _reminded(event: Event, reader: User) -> SafeString:
    return SafeString(_REMINDED)


def _closed_unanswered(event: Event, reader: User) -> SafeString:
    return SafeString(_UNANSWERED)


_PUBLIC: dict[str, tuple[str, Callable[[Event, User], SafeString]]] = {
    "ticket.opened": ("ticket", _opened),
    "ticket.followed_up": ("ticket", _followed_up),
    "ticket.taken": ("person", _taken),
    "ticket.assigned": ("person", _assigned),
    "ticket.answered": ("swap", _answered),
    "ticket.information_added": ("swap", _information_added),
    "ticket.information_held": ("mail", _information_held),
    "ticket.reminded": ("mail", _reminded),
    "ticket.confirmed": ("check", _confirmed),
    "ticket.confirmed_by_phone": ("phone", _confirmed_by_phone),
    "ticket.closed_unanswered": ("clock", _closed_unanswered),
    "ticket.close_voided": ("swap", _close_voided),
}

# -- Words for the look-up page: nobody's name, no text, no file -------------------------------------

_Lines = list[tuple[str, SafeString]]


def _bare(icon: str, text: str) -> Callable[[Event], _Lines]:
    return lambda event: [(icon, SafeString(text))]


def _bare_answered(event: Event) -> _Lines:
    lines = [("mail", SafeString("Soporte le respondió"))]
    if event.data.get("after") == Ticket.Status.WAITING != event.data.get("before"):
        lines.append(("swap", SafeString("Pasó a <strong>En espera</strong>")))
    return lines


def _bare_information(event: Event) -> _Lines:
    lines = [("mail", SafeString("Recibimos su información"))]
    if event.data.get("before") == Ticket.Status.WAITING:
        lines.append(("swap", SafeString("Pasó a <strong>Abierto</strong>")))
    return lines


def _bare_assigned(event: Event) -> _Lines:
    return [("person", SafeString("Soporte tomó su caso"))] if event.data.get("assignee_name") else []


_ACTIONS: dict[str, Callable[[Event], _Lines]] = {
    "ticket.opened": _bare("ticket", "Ticket <strong>Abierto</strong>"),
    "ticket.followed_up": _bare("ticket", "Ticket <strong>Abierto</strong>; continúa a uno anterior"),
    "ticket.taken": _bare("person", "Soporte tomó su caso"),
    "ticket.assigned": _bare_assigned,
    "ticket.answered": _bare_answered,
    "ticket.information_added": _bare_information,
    "ticket.information_held": _bare("mail", "Recibimos su información"),
    "ticket.reminded": _bare("mail", _REMINDED),
    "ticket.confirmed": _bare("check", "<strong>Cerrado</strong>: se confirmó que quedó resuelto"),
    "ticket.confirmed_by_phone": _bare("phone", "<strong>Cerrado</strong>: se confirmó por teléfono"),
    "ticket.closed_unanswered": _bare("clock", _UNANSWERED),
    "ticket.close_voided": _bare("swap", _VOIDED),
}
