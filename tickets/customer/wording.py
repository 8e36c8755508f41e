"""Say a ticket's state and turn to the customer (M14–M16); one place for pages and lists."""

from typing import NamedTuple

from django.conf import settings

from factureya.core import calendar
from tickets.models import ChargeProposal, Ticket


class Turn(NamedTuple):
    """Say whose turn it is, as a title and a sentence."""

    title: str
    text: str


_MERGED_TURN = Turn(
    "Este ticket se combinó con otro de su empresa",
    "Ahí se atiende el mismo problema. Usted no lo ve: pida a quien lo levantó que lo consulte, o levante otro.",
)


def describe_first_reply() -> str:
    """Return our goal for a first reply: «4 horas hábiles»."""
    return f"{settings.FIRST_REPLY_BUSINESS_HOURS} horas hábiles"


def describe_state(ticket: Ticket) -> str:
    """Return the label of a ticket's state, with whose turn it is."""
    if ticket.is_merged:
        return "Combinado con otro"
    return "En espera de su respuesta" if ticket.is_waiting else str(ticket.get_status_display())


def describe_turn(ticket: Ticket) -> Turn:
    """Return title and text of the card that tells the customer whose turn it is, or how a closed ticket ended.

    Of a merged ticket it says where it goes on; only who does not see that ticket reads it (M11).
    """
    if ticket.is_merged:
        return _MERGED_TURN
    if ticket.is_open:
        return _describe_our_turn(ticket)
    return _describe_customers_turn(ticket) if ticket.is_waiting else _describe_end(ticket)


def describe_turn_without_names(ticket: Ticket) -> Turn:
    """Return title and text of the card on the look-up page: whose turn it is or how it ended, naming nobody (M16)."""
    if ticket.is_merged:
        return _MERGED_TURN
    if ticket.is_open:
        return Turn("Nos toca a nosotros", f"Habitualmente respondemos en {describe_first_reply()}.")
    if ticket.is_waiting:
        return Turn(_describe_customers_turn(ticket).title, "")  # the text would name the agent
    return _describe_end(ticket)


def _describe_our_turn(ticket: Ticket) -> Turn:
    """Return title and text of the card of a ticket that is Abierto: who has it, and when we usually answer."""
    usual_time = f"Habitualmente respondemos en {describe_first_reply()}."
    if ticket.assignee is None:
        return Turn("Nos toca a nosotros: lo vamos a asignar", usual_time)
    name = ticket.assignee.get_full_name()
    if ticket.customer_replied or ticket.first_replied_at is None:  # we owe him a reply
        return Turn(f"Nos toca a nosotros: lo tiene {name}", usual_time)
    return Turn(f"Nos toca a nosotros: lo tiene {name}", "Ya le respondimos y seguimos trabajando en su caso.")


def _describe_customers_turn(ticket: Ticket) -> Turn:
    """Return title and text of the card of a ticket En espera: what we ask, or that we read the many mails he sent."""
    if ticket.close_held_reason == Ticket.HoldReason.TOO_MANY_MAILS:
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
    if getattr(ticket, "open_charge", None):
        return Turn(
            "Le toca a usted: decida la propuesta de cobro",
            "La decide quien representa a su empresa. Nada se cobra si no se acepta.",
        )
    if getattr(ticket, "waits_for_charge", False):
        return Turn(
            "Le toca a usted: la propuesta de cobro venció",
            "No se cobra nada. Si todavía le interesa, pídanos otra; si ya no hace falta nada, confírmelo.",
        )
    if ticket.wait_reason == Ticket.WaitReason.AUTHORIZATION:
        return Turn("Le toca a usted: díganos si lo autoriza", f"{who} necesita su autorización para continuar.")
    return Turn("Le toca a usted: denos más detalle", f"{who} necesita más información para poder continuar.")


def _describe_end(ticket: Ticket) -> Turn:
    """Return title and text of the card of a ticket that is Cerrado: why it closed, and how to continue."""
    text = "Un ticket cerrado ya no se reabre, pero puede continuar con uno nuevo: copiamos el asunto y "
    text += "la conversación queda enlazada."
    if ticket.closed_reason == Ticket.ClosedReason.UNANSWERED:
        return Turn(f"Se cerró porque pasaron más de {calendar.describe_reply_time()} sin respuesta", text)
    return Turn("Se cerró porque se confirmó que quedó resuelto", text)


def describe_last_move(ticket: Ticket, assignee_name: str | None) -> str:
    """Return what happened last in a ticket, for its row of the customer's list; it needs no query."""
    if ticket.is_closed:
        unanswered = ticket.closed_reason == Ticket.ClosedReason.UNANSWERED
        return "Sin respuesta" if unanswered else "Se confirmó que quedó resuelto"
    if ticket.is_waiting:
        return _describe_question(ticket, assignee_name or "Soporte")
    if ticket.customer_replied:
        return "Recibimos su información"
    if ticket.first_replied_at is not None:
        return "Le respondimos; seguimos trabajando"
    return "Levantado" if ticket.message_count <= 1 else "Recibimos su información"


def _describe_question(ticket: Ticket, agent_name: str) -> str:
    """Return what the agent asked for in a ticket En espera, or that the customer has sent too many mails since."""
    if ticket.close_held_reason == Ticket.HoldReason.TOO_MANY_MAILS:
        return "Recibimos sus correos"
    if ticket.asks_confirmation:
        return f"{agent_name} le envió una solución"
    if ticket.wait_reason == Ticket.WaitReason.AUTHORIZATION:
        return f"{agent_name} le pidió su autorización"
    return f"{agent_name} le pidió más detalle"


def describe_assignee(assignee: str | None) -> str:
    """Return who has the ticket now, for a row of a list."""
    return f"Lo tiene {assignee}" if assignee else "Por asignar"


def describe_charge(state: str) -> str:
    """Return the label of a proposed charge's state, for the customer's page."""
    return "Falta su decisión" if state == ChargeProposal.Status.PROPOSED else str(ChargeProposal.Status(state).label)
