"""Say how each event of a ticket reads: to the agent, the customer, and on the look-up page, which names nobody (M16).

A new verb is one row of `EVENTS`. A row without `customer` is never shown to a customer.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.models import User
from factureya.core import calendar
from factureya.core.models import Event
from factureya.core.templatetags.fy import when_long
from tickets.catalogue.models import Scope
from tickets.catalogue.reading import describe_category
from tickets.merging.words import (
    cite_number,
    describe_by_actor_with_number,
    describe_taking_in,
    describe_with_number,
    list_taking_in,
)
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
        """Return the icon and the text of this event in the history that an agent reads; no text means no entry."""
        text = self.desk(event) if callable(self.desk) else SafeString(self.desk)
        return self.desk_icon or self.icon, text  # `desk_icon`: another icon for agents only

    def read_for_customer(self, event: Event, reader: User) -> Line:
        """Return the icon and the text of this event in the history that a customer reads; no text means no entry."""
        if callable(self.customer):
            return self.icon, self.customer(event, reader)
        return self.icon, SafeString(self.customer or "")  # a fixed text; None: for agents only

    def read_for_lookup(self, event: Event) -> list[Line]:
        """Return the lines, icon and text, that this event has on the look-up page, where nobody is named."""
        return self.lookup(event) if callable(self.lookup) else [(self.icon, SafeString(self.lookup))]


def _describe_opening_for_desk(event: Event) -> SafeString:
    """Return the history's text for the agent: who opened the ticket for a caller. Empty if it was not by phone."""
    if event.data.get("channel") != Ticket.Channel.PHONE:
        return NOTHING
    is_unproven = event.data.get("caller_verified") is False
    remark = "; no se comprobó quién llamaba" if is_unproven else ""
    return format_html("{} lo levantó por teléfono{}", event.actor_name, remark)


def _describe_opening(event: Event, _reader: User) -> SafeString:
    """Return the history's text for the customer about the opening of the ticket; it says if that was by phone."""
    how = " por teléfono" if event.data.get("channel") == Ticket.Channel.PHONE else ""
    return format_html("Ticket <strong>Abierto</strong>{}. Le enviamos el número de seguimiento", how)


def _cite_followed(event: Event) -> SafeString:
    """Return as HTML the number of the closed ticket that the new ticket continues."""
    return cite_number(event, "follows")


def _describe_answer_for_desk(event: Event) -> SafeString:
    """Return the history's text for the agent about what our answer asked. Empty if it asked nothing (Abierto)."""
    if event.data.get("after") != WAITING:
        return NOTHING
    start = "Sigue" if event.data.get("before") == WAITING else "Pasó a"
    return format_html("{} <strong>En espera</strong>: {}", start, _name_question(event))


def _describe_out_of_scope_for_desk(event: Event) -> SafeString:
    """Return the history's text for the agent about an answer that the problem is not of our service (M9)."""
    start = "Sigue" if event.data.get("before") == WAITING else "Pasó a"
    scope = _find_label(Scope, event.data.get("scope")).lower()
    return format_html("{} <strong>En espera</strong>: fuera de alcance ({}); se pidió confirmar", start, scope)


def _name_question(event: Event) -> str:
    """Return what our answer asked of the customer, in the words that an agent reads."""
    if event.data.get("asks_confirmation"):
        return "se pidió confirmar si quedó resuelto"
    asked = {"authorization": "autorización", "detail": "más detalle"}
    return f"se pidió {asked.get(event.data.get('wait_reason') or '', 'respuesta')}"


def _describe_answer(event: Event, _reader: User) -> SafeString:
    """Return the history's text for the customer about what our answer asked. Empty if it asked nothing (Abierto)."""
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


def _list_answer(event: Event) -> list[Line]:
    """Return the look-up page's lines about our answer; a second line if the ticket is En espera since this answer."""
    wait_begins = event.data.get("before") != WAITING and event.data.get("after") == WAITING
    return _list_lines("Soporte le respondió", "Pasó a <strong>En espera</strong>" if wait_begins else "")


def _list_information(event: Event) -> list[Line]:
    """Return the look-up page's lines about a customer's message; a second line if it ended the status En espera."""
    wait_ended = event.data.get("before") == WAITING
    return _list_lines("Recibimos su información", "Pasó a <strong>Abierto</strong>" if wait_ended else "")


def _list_lines(message: str, move: str) -> list[Line]:
    """Return the line about a message and, if it moved the ticket to another status, the line about the move."""
    return [("mail", SafeString(message)), *([("swap", SafeString(move))] if move else [])]


def _describe_end_of_wait(text: str) -> Callable[..., SafeString]:
    """Return a function that describes a customer's message: by this text if it ended the wait, else by no text."""
    return lambda event, _reader=None: SafeString(text) if event.data.get("before") == WAITING else NOTHING


def _describe_assignment_for_desk(event: Event) -> SafeString:
    """Return the history's text for the agent about who assigned the ticket to whom, or to nobody."""
    name = event.data.get("assignee_name")
    if not name:
        return format_html("{} lo dejó por asignar", event.actor_name)
    return format_html("{} lo asignó a {}", event.actor_name, name)


def _describe_assignment(event: Event, _reader: User) -> SafeString:
    """Return the history's text for the customer about the agent who has the ticket now; empty when nobody has it."""
    taker = event.actor_name if event.verb == "ticket.taken" else ""  # he assigned it to himself
    name = event.data.get("assignee_name") or taker
    return format_html("{}, de Soporte, tomó su caso", name) if name else NOTHING


def _list_assignment(event: Event) -> list[Line]:
    """Return the look-up page's line that somebody has the ticket now; no line when nobody has it."""
    return [("person", SafeString("Soporte tomó su caso"))] if event.data.get("assignee_name") else []


def _describe_classification_for_desk(event: Event) -> SafeString:
    """Return the history's text for the agent about a changed category, a changed impact, or both."""
    (category, impact), (new_category, new_impact) = event.data["before"], event.data["after"]
    changes = []
    if category != new_category:
        changes.append(f"la categoría a «{describe_category(new_category)}»")
    if impact != new_impact:
        changes.append(f"el impacto a «{_find_label(Ticket.Impact, new_impact)}»")
    return format_html("{} cambió {}", event.actor_name, " y ".join(changes))


def _find_label(choices: Any, value: Any) -> str:
    """Return the label of a choice, or the value itself when it is no choice any more."""
    return dict(choices.choices).get(value, str(value))


def _describe_confirmation(event: Event, reader: User) -> SafeString:
    """Return the history's text for the customer about who confirmed the solution; the reader is «usted»."""
    return format_html(_CONFIRMED, "usted" if event.actor_id == reader.pk else event.actor_name)


def _describe_phone_confirmation(event: Event, reader: User) -> SafeString:
    """Return the history's text for the customer about who confirmed by phone; the reader is «usted»."""
    who = "usted" if event.data.get("contact") == reader.pk else event.data.get("contact_name", "")
    return format_html("<strong>Cerrado</strong>: {} confirmó por teléfono que quedó resuelto", who)


def _describe_phone_confirmation_for_desk(event: Event) -> SafeString:
    """Return the history's text for the agent about who confirmed by phone, and which agent wrote it down."""
    text = "<strong>Cerrado</strong>: {} confirmó por teléfono que quedó resuelto; lo registró {}"
    return format_html(text, event.data.get("contact_name", ""), event.actor_name)


def _describe_bounce_for_desk(event: Event) -> SafeString:
    """Return the history's text for the agent: to whom a mail could not be delivered, and if that stopped the close."""
    held = "; el cierre quedó detenido" if event.data.get("is_held") else ""
    return format_html("Un correo a {} no fue entregado{}", event.data.get("to", ""), held)


def _describe_release_for_desk(event: Event) -> SafeString:
    """Return the history's text for the agent: who let a stopped close go on, or made the ticket Abierto instead."""
    if event.data.get("after") == OPEN:
        return format_html("{} lo pasó a <strong>Abierto</strong>: el cliente escribió", event.actor_name)
    return format_html("{} dejó correr de nuevo el cierre", event.actor_name)


def _describe_time_for_desk(event: Event) -> SafeString:
    """Return the history's text for the agent: who noted or voided minutes, for what, and whether they are billable."""
    data = event.data
    act = "anotó" if event.verb == "ticket.time_noted" else "anuló"
    cost = "a cuenta del cobro aceptado" if data.get("is_billable") else "sin costo"
    return format_html("{} {} {} min, {}: {}", event.actor_name, act, data.get("minutes"), cost, data.get("work", ""))


def _describe_charge_end(text: str) -> Callable[..., SafeString]:
    """Return a function that puts into this text who decided on a charge, its total, and the reason that was given."""

    def describe(event: Event, reader: User | None = None) -> SafeString:
        who = "usted" if reader is not None and event.actor_id == reader.pk else event.actor_name
        said = format_html(": «{}»", event.data["note"]) if event.data.get("note") else NOTHING
        return format_html("{}{}", format_html(text, who, event.data.get("total", "")), said)

    return describe


def _describe_by_actor(text: str) -> Callable[[Event], SafeString]:
    """Return a function that puts into this text who acted and, if the event is about a mail, its address."""
    return lambda event: format_html(text, event.actor_name, event.data.get("to", ""))


def _describe_hand_over_for_desk(event: Event) -> SafeString:
    """Return the history's text for the agent: who gave the ticket to which provider; older events do not name it."""
    return format_html("{} lo turnó a {}", event.actor_name, event.data.get("to") or "otro prestador")


def _describe_grant(text: str) -> Callable[[Event], SafeString]:
    """Return a function that puts into this text who decided, for which provider, and why (M3)."""
    return lambda event: format_html(
        text, event.actor_name, event.data.get("provider_name", ""), event.data.get("reason", "")
    )


def _describe_moved_close(event: Event) -> str:
    """Return the text about a close by silence that moved with the calendar; empty if our own goal moved."""
    if event.data.get("column") != "closes_at":
        return ""
    after = datetime.fromisoformat(event.data["after"])
    return f"El plazo de respuesta cambió con los días hábiles: vence el {when_long(after)}"


def _list_moved_close(event: Event) -> list[Line]:
    """Return the lines of the look-up page about a close that moved with the calendar."""
    text = _describe_moved_close(event)
    return [("clock", SafeString(text))] if text else []


EVENTS = {
    "ticket.opened": Reading(
        "ticket", _describe_opening_for_desk, _describe_opening, "Ticket <strong>Abierto</strong>", desk_icon="phone"
    ),
    "ticket.followed_up": Reading(
        "ticket",
        lambda event: format_html("Continúa a {}, que está cerrado", _cite_followed(event)),
        lambda event, _reader: format_html("Ticket <strong>Abierto</strong>; continúa a {}", _cite_followed(event)),
        "Ticket <strong>Abierto</strong>; continúa a uno anterior",
    ),
    "ticket.answered": Reading("swap", _describe_answer_for_desk, _describe_answer, _list_answer),
    "ticket.answered_out_of_scope": Reading("swap", _describe_out_of_scope_for_desk, _describe_answer, _list_answer),
    "ticket.information_added": Reading(
        "swap",
        _describe_end_of_wait("Volvió a <strong>Abierto</strong>: respondió el cliente"),
        _describe_end_of_wait("Pasó de <strong>En espera</strong> a <strong>Abierto</strong>: nos toca responder"),
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
    "ticket.taken": Reading("person", _describe_by_actor("{} lo tomó"), _describe_assignment, "Soporte tomó su caso"),
    "ticket.assigned": Reading("person", _describe_assignment_for_desk, _describe_assignment, _list_assignment),
    "ticket.classified": Reading("ticket", _describe_classification_for_desk),
    "ticket.handed_over": Reading("swap", _describe_hand_over_for_desk),
    "ticket.mail_granted": Reading("mail", _describe_grant("{} dejó ver el correo del cliente a {}: {}")),
    "ticket.mail_hidden": Reading("lock", _describe_grant("{} volvió a ocultar el correo del cliente a {}")),
    "ticket.viewed_by_third_party": Reading("person", NOTHING),  # the page of its provider lists the views
    "ticket.merged": Reading(
        "swap",
        describe_by_actor_with_number("{} lo combinó con {}, que recibe sus mensajes", "into"),
        describe_with_number("Se combinó con {}: su número sigue sirviendo y los mensajes llegan ahí", "into"),
        "Se combinó con otro de sus tickets",
    ),
    "ticket.took_in": Reading(
        "swap",
        describe_by_actor_with_number("{} combinó con este el ticket {}", "ticket"),
        describe_taking_in,
        list_taking_in,
    ),
    "ticket.unmerged": Reading(
        "swap",
        describe_by_actor_with_number("{} deshizo la combinación con {}", "left"),
        describe_with_number("Dejó de estar combinado con {} y sigue por su cuenta", "left"),
        "Dejó de estar combinado con otro",
    ),
    "ticket.gave_back": Reading(
        "swap",
        describe_by_actor_with_number("{} deshizo la combinación con {}", "ticket"),
        describe_with_number("El ticket {} dejó de estar combinado con este", "ticket"),
        "Otro ticket dejó de estar combinado con este",
    ),
    "ticket.message_split": Reading(
        "ticket",
        describe_by_actor_with_number("{} separó un mensaje en {}", "into"),
        describe_with_number("Un mensaje suyo trata de otro problema y se atiende en {}", "into"),
        "Se separó un mensaje en otro ticket",
    ),
    "ticket.split_off": Reading(
        "ticket",
        describe_by_actor_with_number("{} lo abrió con un mensaje de {}", "source"),
        describe_with_number("Ticket <strong>Abierto</strong> con un mensaje de {}", "source"),
        "Ticket <strong>Abierto</strong>, separado de otro",
    ),
    "ticket.moved_to_company": Reading(
        "swap", _describe_by_actor("{} lo pasó a la empresa ya conocida, al unir las dos")
    ),
    "ticket.deadline_moved": Reading(
        "clock",
        lambda event: SafeString(_describe_moved_close(event) or "La meta se movió con el horario o un día inhábil"),
        lambda event, _reader: SafeString(_describe_moved_close(event)),
        _list_moved_close,
    ),
    "ticket.reminder_queued": Reading("clock", "El recordatorio quedó en la cola de correo"),
    "ticket.reminded": Reading("mail", "Salió el recordatorio al cliente", _REMINDED, _REMINDED),
    "ticket.confirmed": Reading(
        "check",
        _describe_by_actor(_CONFIRMED),
        _describe_confirmation,
        "<strong>Cerrado</strong>: se confirmó que quedó resuelto",
    ),
    "ticket.confirmed_by_phone": Reading(
        "phone",
        _describe_phone_confirmation_for_desk,
        _describe_phone_confirmation,
        "<strong>Cerrado</strong>: se confirmó por teléfono",
    ),
    "ticket.authorized": Reading(
        "check",
        _describe_by_actor("Volvió a <strong>Abierto</strong>: {} autorizó"),
        "Pasó de <strong>En espera</strong> a <strong>Abierto</strong>: se autorizó",
        "Se autorizó. Pasó a <strong>Abierto</strong>",
    ),
    "ticket.not_authorized": Reading(
        "cross",
        _describe_by_actor("Volvió a <strong>Abierto</strong>: {} no autorizó"),
        "Pasó de <strong>En espera</strong> a <strong>Abierto</strong>: no se autorizó",
        "No se autorizó. Pasó a <strong>Abierto</strong>",
    ),
    "ticket.time_noted": Reading("clock", _describe_time_for_desk),
    "ticket.time_voided": Reading("clock", _describe_time_for_desk),
    "ticket.charge_proposed": Reading(
        "swap",
        _describe_charge_end("<strong>En espera</strong>: {} propuso un cobro de {}"),
        _describe_charge_end("<strong>En espera</strong>: {} le propuso un cobro de {}, que decide su representante"),
        "<strong>En espera</strong>: se propuso un cobro",
    ),
    "ticket.charge_accepted": Reading(
        "check",
        _describe_charge_end("{} aceptó el cobro de hasta {}"),
        _describe_charge_end("{} aceptó el cobro de hasta {}"),
        "Se aceptó el cobro propuesto",
    ),
    "ticket.charge_declined": Reading(
        "cross",
        _describe_charge_end("{} no aceptó el cobro de {}"),
        _describe_charge_end("{} no aceptó el cobro de {}"),
        "No se aceptó el cobro propuesto",
    ),
    "ticket.charge_withdrawn": Reading(
        "swap",
        _describe_charge_end("{} retiró la propuesta de cobro de {}"),
        _describe_charge_end("{} retiró la propuesta de cobro de {}"),
        "Se retiró la propuesta de cobro",
    ),
    "ticket.charge_lapsed": Reading(
        "clock",
        "Venció la propuesta de cobro, sin decisión",
        "Venció la propuesta de cobro: no se cobra nada",
        "Venció la propuesta de cobro",
    ),
    "charge.recorded": Reading("lock", NOTHING),
    "time.recorded": Reading("lock", NOTHING),
    "ticket.mail_bounced": Reading("mail", _describe_bounce_for_desk),
    "ticket.mail_retried": Reading("mail", _describe_by_actor("{} puso otra vez en cola el correo a {}")),
    "ticket.robot_answered": Reading("mail", "Llegó una respuesta automática; no mueve el ticket"),
    "ticket.close_released": Reading("clock", _describe_release_for_desk),
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
