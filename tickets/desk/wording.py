"""Say in words what the queue shows of a ticket: whether it is late, since when somebody waits."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from factureya.core.models import OutboxMessage
from factureya.core.templatetags.fy import duration, when
from tickets.models import Ticket

SOON = timedelta(minutes=30)


@dataclass(frozen=True)
class Goal:
    """Hold the *Meta*: what is due, in words; `css` marks what is late or soon, beside the words."""

    text: str
    detail: str = ""
    css: str = ""


def describe_goal(ticket: Ticket, instant: datetime) -> Goal:
    """Return what the queue shows as due next in a ticket: our reply or the customer's. If closed, since when."""
    if ticket.is_merged:
        return Goal("Combinado con otro", "su plazo está detenido")
    if ticket.closed_at is not None:
        return Goal(f"Cerrado {when(ticket.closed_at)}")
    if ticket.close_held_at is not None:  # no automatic close until an agent decides
        return Goal("Cierre detenido", "un agente decide", "fy-soon")
    if ticket.closes_at is not None:  # En espera
        return _describe_customers_term(ticket.closes_at, instant)
    if ticket.reply_due_at is None:  # Abierto, and answered already
        return Goal("Sin respuesta pendiente")
    detail = "primera respuesta" if ticket.first_replied_at is None else "siguiente respuesta"
    return _describe_our_term(ticket.reply_due_at, instant, detail)


def describe_headline(ticket: Ticket, instant: datetime) -> Goal:
    """Return the next thing due in a ticket as one sentence, for the top of the agent's page.

    If the reminder to the customer could not be sent, only that is said: without it the ticket never closes (M15).
    """
    if ticket.is_merged:
        return Goal("Combinado con otro: su plazo está detenido")
    if ticket.is_waiting and ticket.reminder and ticket.reminder.status == OutboxMessage.Status.FAILED:
        return Goal("No se cierra: el recordatorio no se pudo enviar. Llame o escriba de nuevo", css="fy-late")
    due = describe_goal(ticket, instant)
    if ticket.close_held_at is not None:  # only «Cierre detenido», without «un agente decide»
        return Goal(due.text, css=due.css)
    if ticket.is_open and due.detail:
        return Goal(f"{_capitalise(due.detail)}: {due.text[:1].lower()}{due.text[1:]}", css=due.css)
    return Goal(f"{due.text} {due.detail}".strip(), css=due.css)


def describe_wait(ticket: Ticket, instant: datetime) -> str:
    """Return how long the customer has been waiting for us, as «1 h 47 min»; empty when he is not."""
    if ticket.is_merged or ticket.customer_waits_since is None:
        return ""
    return describe_span(instant - ticket.customer_waits_since)


def describe_last_message(ticket: Ticket) -> str:
    """Return the ticket's last message in at most 48 characters. If it has only one, return how that came in."""
    if ticket.message_count <= 1:
        origins = {"portal": "Levantado por el portal", "mail": "Levantado por correo"}
        return origins.get(ticket.channel, "Levantado por teléfono")
    text = ticket.last_excerpt
    return f"«{text}»" if len(text) <= 48 else f"«{text[:46].rstrip()}…»"


def describe_span(span: timedelta) -> str:
    """Return a duration in words: days from a week on, days and hours from a day on, else hours and minutes."""
    if span >= timedelta(days=7):
        return f"{span.days} d"
    if span >= timedelta(days=1):
        return duration(timedelta(hours=span // timedelta(hours=1)))
    return duration(span)


def _describe_our_term(due: datetime, instant: datetime, detail: str) -> Goal:
    """Return when our reply is due, or how late it is; `detail` says which reply. Late and soon get a colour (CSS)."""
    left = due - instant
    if left < timedelta(0):
        return Goal(f"Vencida hace {describe_span(-left)}", detail, "fy-late")
    if timezone.localtime(due).date() == timezone.localtime(instant).date():
        return Goal(f"Vence en {describe_span(left)}", detail, "fy-soon" if left <= SOON else "")
    return Goal(_capitalise(when(due)), detail)


def _describe_customers_term(closes_at: datetime, instant: datetime) -> Goal:
    """Return when a ticket En espera closes if the customer does not answer. It gets a colour if that time is over."""
    detail = "si el cliente no responde"
    if closes_at < instant:
        return Goal("Por cerrarse", detail, "fy-soon")
    return Goal(f"Se cierra {when(closes_at)}", detail)


def _capitalise(text: str) -> str:
    return text[:1].upper() + text[1:]
