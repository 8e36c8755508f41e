"""Say how each event of a ticket reads: to the agent, the customer, and on the look-up page, which names nobody (M16).

A new verb is one row of `EVENTS`. A row without `customer` is never shown to a customer.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.models import User
from factureya.core import calendar
from factureya.core.models import Event
from tickets.models import Ticket

NOTHING = SafeString("")  # the line of an event that the message beside it already tells
OPEN, WAITING = Ticket.Status.OPEN, Ticket.Status.WAITING
Line = tuple[str, SafeString]  # icon and text

_REMINDED = f"Le recordamos por correo que faltaban {settings.REMINDER_HOURS} horas"
_UNANSWERED = f"<strong>Cerrado</strong> automáticamente: más de {calendar.describe_reply_time()} sin respuesta"
_VOIDED = "Su respuesta llegó a tiempo: se anuló el cierre y volvió a <strong>Abierto</strong>"
_CONFIRMED = "<strong>Cerrado</strong>: {} confirmó que quedó resuelto"


@dataclass(frozen=True)
class Reading:
    """Hold how the events of one verb read. `desk` and `customer` return a text; `lookup` returns lines."""

    icon: str
    desk: Callable[[Event], SafeString] | str
    customer: Callable[[Event, User], SafeString] | str | None = None
    lookup: Callable[[Event], list[Line]] | str = ""
    desk_icon: str = ""

    def read_for_desk(self, event: Event) -> Line:
        """Return the icon and the text that an agent reads; an empty text has no line."""
        text = SafeString(self.desk) if isinstance(self.desk, str) else self.desk(event)
        return self.desk_icon or self.icon, text

    def read_for_customer(self, event: Event, reader: User) -> Line:
        """Return the icon and the text that this person of the company reads; an empty text has no line."""
        if callable(self.customer):
            return self.icon, self.customer(event, reader)
        return self.icon, SafeString(self.customer or "")

    def read_for_lookup(self, event: Event) -> list[Line]:
        """Return the lines of the look-up page, without a name."""
        return self.lookup(event) if callable(self.lookup) else [(self.icon, SafeString(self.lookup))]


def _tell_desk_opened(event: Event) -> SafeString:
    """Say who wrote the ticket down; a ticket that the customer wrote needs no line."""
    if event.data.get("channel") != Ticket.Channel.PHONE:
        return NOTHING
    return format_html("{} lo levantó por teléfono", event.actor_name)


def _tell_opened(event: Event, _reader: User) -> SafeString:
    """Say that the ticket is open, and how it came in if by phone."""
    how = " por teléfono" if event.data.get("channel") == Ticket.Channel.PHONE else ""
    return format_html("Ticket <strong>Abierto</strong>{}. Le enviamos el número de seguimiento", how)


def _cite_followed(event: Event) -> SafeString:
    """Return the number of the closed ticket that this ticket continues."""
    return format_html('<span class="fy-mono">{}</span>', event.data.get("follows") or "")


def _tell_desk_answered(event: Event) -> SafeString:
    """Say what is expected of the customer; an answer that leaves the ticket open needs no line."""
    if event.data.get("after") != WAITING:
        return NOTHING
    start = "Sigue" if event.data.get("before") == WAITING else "Pasó a"
    return format_html("{} <strong>En espera</strong>: {}", start, _name_question(event))


def _name_question(event: Event) -> str:
    """Return what an answer asked of the customer, in the agent's words."""
    if event.data.get("asks_confirmation"):
        return "se pidió confirmar si quedó resuelto"
    asked = {"authorization": "autorización", "detail": "más detalle"}
    return f"se pidió {asked.get(event.data.get('wait_reason') or '', 'respuesta')}"


def _tell_answered(event: Event, _reader: User) -> SafeString:
    """Say that the wait began or began anew, and what is expected; else the message says it all."""
    if event.data.get("after") != WAITING:
        return NOTHING
    if event.data.get("asks_confirmation"):
        needs = "confirme si quedó resuelto"
    elif event.data.get("wait_reason") == Ticket.WaitReason.AUTHORIZATION:
        needs = "necesitamos su autorización"
    else:
        needs = "necesitamos más detalle"
    if event.data.get("before") == WAITING:
        return format_html("Sigue <strong>En espera</strong>: {}. El plazo volvió a empezar", needs)
    return format_html("Pasó de <strong>Abierto</strong> a <strong>En espera</strong>: {}", needs)


def _list_answered(event: Event) -> list[Line]:
    """Return that we answered and, if so, that the wait began."""
    begins = event.data.get("after") == WAITING != event.data.get("before")
    return _list_lines("Soporte le respondió", "Pasó a <strong>En espera</strong>" if begins else "")


def _list_information(event: Event) -> list[Line]:
    """Return that the customer wrote and, if so, that the wait ended."""
    ends = event.data.get("before") == WAITING
    return _list_lines("Recibimos su información", "Pasó a <strong>Abierto</strong>" if ends else "")


def _list_lines(mail: str, move: str) -> list[Line]:
    """Return the line of a message and, if the ticket moved, the line of the move."""
    return [("mail", SafeString(mail)), *([("swap", SafeString(move))] if move else [])]


def _tell_if_moved(text: str) -> Callable[..., SafeString]:
    """Return a reading with this text for a message that ended the wait; any other message says it all."""
    return lambda event, _reader=None: SafeString(text) if event.data.get("before") == WAITING else NOTHING


def _tell_desk_assigned(event: Event) -> SafeString:
    """Say who gave the ticket to whom."""
    name = event.data.get("assignee_name")
    if not name:
        return format_html("{} lo dejó por asignar", event.actor_name)
    return format_html("{} lo asignó a {}", event.actor_name, name)


def _tell_taken(event: Event, _reader: User) -> SafeString:
    """Name the agent who has the ticket now; nothing when nobody has it."""
    name = event.data.get("assignee_name") or (event.actor_name if event.verb == "ticket.taken" else "")
    return format_html("{}, de Soporte, tomó su caso", name) if name else NOTHING


def _list_assigned(event: Event) -> list[Line]:
    """Return that somebody has the ticket; nothing when nobody has it."""
    return [("person", SafeString("Soporte tomó su caso"))] if event.data.get("assignee_name") else []


def _tell_desk_classified(event: Event) -> SafeString:
    """Say what changed of category and impact."""
    (category, impact), (new_category, new_impact) = event.data["before"], event.data["after"]
    changes = []
    if category != new_category:
        changes.append(f"la categoría a «{_find_label(Ticket.Category, new_category)}»")
    if impact != new_impact:
        changes.append(f"el impacto a «{_find_label(Ticket.Impact, new_impact)}»")
    return format_html("{} cambió {}", event.actor_name, " y ".join(changes))


def _find_label(choices: Any, value: Any) -> str:
    """Return the label of a choice, or the value itself when it is no choice any more."""
    return dict(choices.choices).get(value, str(value))


def _tell_confirmed(event: Event, reader: User) -> SafeString:
    """Say who confirmed; the reader is «usted»."""
    return format_html(_CONFIRMED, "usted" if event.actor_id == reader.pk else event.actor_name)


def _tell_confirmed_by_phone(event: Event, reader: User) -> SafeString:
    """Say who confirmed by phone; the reader is «usted»."""
    who = "usted" if event.data.get("contact") == reader.pk else event.data.get("contact_name", "")
    return format_html("<strong>Cerrado</strong>: {} confirmó por teléfono que quedó resuelto", who)


def _tell_desk_confirmed_by_phone(event: Event) -> SafeString:
    """Say who confirmed by phone and which agent wrote it down."""
    text = "<strong>Cerrado</strong>: {} confirmó por teléfono que quedó resuelto; lo registró {}"
    return format_html(text, event.data.get("contact_name", ""), event.actor_name)


def _tell_desk_bounced(event: Event) -> SafeString:
    """Say which address a mail did not reach, and whether the close is held for it."""
    held = "; el cierre quedó detenido" if event.data.get("is_held") else ""
    return format_html("Un correo a {} no fue entregado{}", event.data.get("to", ""), held)


def _tell_desk_released(event: Event) -> SafeString:
    """Say what an agent did with a held close."""
    if event.data.get("after") == OPEN:
        return format_html("{} lo pasó a <strong>Abierto</strong>: el cliente escribió", event.actor_name)
    return format_html("{} dejó correr de nuevo el cierre", event.actor_name)


def _tell_desk_by_actor(text: str) -> Callable[[Event], SafeString]:
    """Return a reading whose text names who acted."""
    return lambda event: format_html(text, event.actor_name, event.data.get("to", ""))


EVENTS = {
    "ticket.opened": Reading(
        "ticket", _tell_desk_opened, _tell_opened, "Ticket <strong>Abierto</strong>", desk_icon="phone"
    ),
    "ticket.followed_up": Reading(
        "ticket",
        lambda event: format_html("Continúa a {}, que está cerrado", _cite_followed(event)),
        lambda event, _reader: format_html("Ticket <strong>Abierto</strong>; continúa a {}", _cite_followed(event)),
        "Ticket <strong>Abierto</strong>; continúa a uno anterior",
    ),
    "ticket.answered": Reading("swap", _tell_desk_answered, _tell_answered, _list_answered),
    "ticket.information_added": Reading(
        "swap",
        _tell_if_moved("Volvió a <strong>Abierto</strong>: respondió el cliente"),
        _tell_if_moved("Pasó de <strong>En espera</strong> a <strong>Abierto</strong>: nos toca responder"),
        _list_information,
    ),
    "ticket.information_held": Reading(
        "mail",
        "Sigue <strong>En espera</strong>: llegaron muchos correos en una hora y el cierre quedó detenido",
        NOTHING,  # the message itself says it, and nothing moved
        "Recibimos su información",
        desk_icon="clock",
    ),
    "ticket.note_added": Reading("lock", NOTHING),  # the note itself says it
    "ticket.taken": Reading("person", _tell_desk_by_actor("{} lo tomó"), _tell_taken, "Soporte tomó su caso"),
    "ticket.assigned": Reading("person", _tell_desk_assigned, _tell_taken, _list_assigned),
    "ticket.classified": Reading("ticket", _tell_desk_classified),
    "ticket.handed_over": Reading("swap", _tell_desk_by_actor("{} lo turnó a otro prestador")),
    "ticket.moved_to_company": Reading(
        "swap", _tell_desk_by_actor("{} lo pasó a la empresa ya conocida, al unir las dos")
    ),
    "ticket.reminder_queued": Reading("clock", "El recordatorio quedó en la cola de correo"),
    "ticket.reminded": Reading("mail", "Salió el recordatorio al cliente", _REMINDED, _REMINDED),
    "ticket.confirmed": Reading(
        "check",
        _tell_desk_by_actor(_CONFIRMED),
        _tell_confirmed,
        "<strong>Cerrado</strong>: se confirmó que quedó resuelto",
    ),
    "ticket.confirmed_by_phone": Reading(
        "phone",
        _tell_desk_confirmed_by_phone,
        _tell_confirmed_by_phone,
        "<strong>Cerrado</strong>: se confirmó por teléfono",
    ),
    "ticket.mail_bounced": Reading("mail", _tell_desk_bounced),
    "ticket.mail_retried": Reading("mail", _tell_desk_by_actor("{} puso otra vez en cola el correo a {}")),
    "ticket.robot_answered": Reading("mail", "Llegó una respuesta automática; no mueve el ticket"),
    "ticket.close_released": Reading("clock", _tell_desk_released),
    "ticket.close_voided": Reading(
        "swap",
        "Se anuló el cierre: la respuesta había llegado a tiempo. Volvió a <strong>Abierto</strong>",
        _VOIDED,
        _VOIDED,
    ),
    "ticket.closed_unanswered": Reading(
        "clock", "<strong>Cerrado</strong> por falta de respuesta del cliente", _UNANSWERED, _UNANSWERED
    ),
}
PUBLIC = [verb for verb, reading in EVENTS.items() if reading.customer is not None]
