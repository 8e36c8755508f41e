"""How a ticket's state and turn are said to the customer (M14–M16); one place for pages and lists."""

from typing import NamedTuple

from django.conf import settings

from factureya.core import calendar
from tickets.models import Ticket


class Turn(NamedTuple):
    """Whose turn it is, as a title and a sentence."""

    title: str
    text: str


def first_reply() -> str:
    """«4 horas hábiles»: our goal for a first reply."""
    return f"{settings.FIRST_REPLY_BUSINESS_HOURS} horas hábiles"


def state(ticket: Ticket) -> str:
    """The chip of a ticket's page: the state with whose turn it is."""
    return "En espera de su respuesta" if ticket.is_waiting else str(ticket.get_status_display())


def turn(ticket: Ticket) -> Turn:
    """The card «Qué sigue» of a ticket, or «Cómo terminó» of a closed one."""
    if ticket.is_open:
        return _ours(ticket)
    return _theirs(ticket) if ticket.is_waiting else _ended(ticket)


def nameless_turn(ticket: Ticket) -> Turn:
    """The same for the look-up page, where nobody is named (M16)."""
    if ticket.is_open:
        return Turn("Nos toca a nosotros", f"Habitualmente respondemos en {first_reply()}.")
    return Turn(_theirs(ticket).title, "") if ticket.is_waiting else _ended(ticket)


def _ours(ticket: Ticket) -> Turn:
    usual = f"Habitualmente respondemos en {first_reply()}."
    if ticket.assignee is None:
        return Turn("Nos toca a nosotros: lo vamos a asignar", usual)
    name = ticket.assignee.get_full_name()
    if ticket.customer_replied or ticket.first_replied_at is None:
        return Turn(f"Nos toca a nosotros: lo tiene {name}", usual)
    return Turn(
        f"Nos toca a nosotros: lo tiene {name}",
        "Ya le respondimos y seguimos trabajando en su caso.",
    )


def _theirs(ticket: Ticket) -> Turn:
    if ticket.close_held_reason == Ticket.HoldReason.FLIPS:
        return Turn(
            "Nos toca a nosotros: recibimos sus correos",
            "Llegaron varios en poco tiempo y los lee una persona. Puede agregar más información.",
        )
    who = ticket.assignee.get_full_name() if ticket.assignee else "Soporte"
    if ticket.asks_confirmation:
        return Turn(
            "Le toca a usted: confirme si quedó resuelto",
            f"{who} le envió una solución. Si funcionó, confírmelo; si no, respóndanos y seguimos.",
        )
    if ticket.wait_reason == Ticket.WaitReason.AUTHORIZATION:
        return Turn(
            "Le toca a usted: díganos si lo autoriza",
            f"{who} necesita su autorización para continuar.",
        )
    return Turn(
        "Le toca a usted: denos más detalle",
        f"{who} necesita más información para poder continuar.",
    )


def _ended(ticket: Ticket) -> Turn:
    on = "Un ticket cerrado ya no se reabre, pero puede continuar con uno nuevo: copiamos el asunto y "
    on += "la conversación queda enlazada."
    if ticket.closed_reason == Ticket.ClosedReason.UNANSWERED:
        return Turn(f"Se cerró porque pasaron más de {calendar.describe_reply_time()} sin respuesta", on)
    return Turn("Se cerró porque se confirmó que quedó resuelto", on)


def last_move(ticket: Ticket, assignee: str | None) -> str:
    """What last happened, for a row of a list; read from the ticket's own columns, so it costs no query."""
    if ticket.is_closed:
        unanswered = ticket.closed_reason == Ticket.ClosedReason.UNANSWERED
        return "Sin respuesta" if unanswered else "Se confirmó que quedó resuelto"
    if ticket.is_waiting:
        return _asked(ticket, assignee or "Soporte")
    if ticket.customer_replied:
        return "Recibimos su información"
    if ticket.first_replied_at is not None:
        return "Le respondimos; seguimos trabajando"
    return "Levantado" if ticket.message_count == 1 else "Recibimos su información"


def _asked(ticket: Ticket, who: str) -> str:
    if ticket.close_held_reason == Ticket.HoldReason.FLIPS:
        return "Recibimos sus correos"
    if ticket.asks_confirmation:
        return f"{who} le envió una solución"
    if ticket.wait_reason == Ticket.WaitReason.AUTHORIZATION:
        return f"{who} le pidió su autorización"
    return f"{who} le pidió más detalle"


def whose(assignee: str | None) -> str:
    """Who has the ticket now, for a row of a list."""
    return f"Lo tiene {assignee}" if assignee else "Por asignar"
