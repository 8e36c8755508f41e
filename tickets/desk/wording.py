"""What the queue says about a ticket in words: whether it is late, since when somebody waits."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from factureya.core.models import OutboxMessage
from factureya.core.templatetags.fy import duration, when
from tickets.models import Ticket

SOON = timedelta(minutes=30)


@dataclass(frozen=True)
class Goal:
    """The *Meta*: what is due, in words; `css` marks what is late or soon, beside the words."""

    text: str
    detail: str = ""
    css: str = ""


def goal(ticket: Ticket, instant: datetime) -> Goal:
    """Our next reply when we owe one; the customer's term when we wait; the end when it is closed."""
    if ticket.closed_at is not None:
        return Goal(f"Cerrado {when(ticket.closed_at)}")
    if ticket.close_held_at is not None:
        return Goal("Cierre detenido", "un agente decide", "fy-soon")
    if ticket.closes_at is not None:
        return _customers_term(ticket.closes_at, instant)
    if ticket.reply_due_at is None:
        return Goal("Sin respuesta pendiente")
    detail = "primera respuesta" if ticket.first_replied_at is None else "siguiente respuesta"
    return _our_term(ticket.reply_due_at, instant, detail)


def headline(ticket: Ticket, instant: datetime) -> Goal:
    """The goal as a sentence, for the head of the ticket's page; a reminder that failed keeps it open (M15)."""
    if ticket.is_waiting and ticket.reminder and ticket.reminder.status == OutboxMessage.Status.FAILED:
        return Goal(
            "No se cierra: el recordatorio no se pudo enviar. Llame o escriba de nuevo",
            css="fy-late",
        )
    due = goal(ticket, instant)
    if ticket.close_held_at is not None:
        return Goal(due.text, css=due.css)
    if ticket.is_open and due.detail:
        return Goal(f"{_capitalised(due.detail)}: {due.text[:1].lower()}{due.text[1:]}", css=due.css)
    return Goal(f"{due.text} {due.detail}".strip(), css=due.css)


def waiting_for_us(ticket: Ticket, instant: datetime) -> str:
    """«1 h 47 min»: how long the customer has been waiting for us; empty when he is not."""
    return rough(instant - ticket.customer_waits_since) if ticket.customer_waits_since else ""


def last_message(ticket: Ticket) -> str:
    """The last message in a few words, or how the ticket came in when it has only the first one."""
    if ticket.message_count <= 1:
        return {"portal": "Levantado por el portal", "mail": "Levantado por correo"}.get(
            ticket.channel, "Levantado por teléfono"
        )
    text = ticket.last_excerpt
    return f"«{text}»" if len(text) <= 48 else f"«{text[:46].rstrip()}…»"


def rough(span: timedelta) -> str:
    """A duration as one says it: minutes matter within a day, hours within a week."""
    if span >= timedelta(days=7):
        return f"{span.days} d"
    if span >= timedelta(days=1):
        return duration(timedelta(hours=span // timedelta(hours=1)))
    return duration(span)


def _our_term(due: datetime, instant: datetime, detail: str) -> Goal:
    left = due - instant
    if left < timedelta(0):
        return Goal(f"Vencida hace {rough(-left)}", detail, "fy-late")
    if timezone.localtime(due).date() == timezone.localtime(instant).date():
        return Goal(f"Vence en {rough(left)}", detail, "fy-soon" if left <= SOON else "")
    return Goal(_capitalised(when(due)), detail)


def _customers_term(closes_at: datetime, instant: datetime) -> Goal:
    detail = "si el cliente no responde"
    if closes_at < instant:
        return Goal("Por cerrarse", detail, "fy-soon")
    return Goal(f"Se cierra {when(closes_at)}", detail)


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]
