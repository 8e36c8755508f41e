"""Say who may take and use a call, asked again at every step (M3, M5)."""

from accounts.models import User
from factureya.core.refusals import NotAllowed
from tickets import policy
from tickets.merging import family
from tickets.models import Call, Ticket

NOT_VERIFIED = "Compruebe primero quién llama: falta el código que se le envió."


def why_not_start(agent: User, contact: User, ticket: Ticket | None) -> str:
    """Return why this agent may not take a call of this contact, or "" (M3).

    Our own desk takes everybody's. A third party's agent calls only about a ticket of his provider.
    """
    if not contact.is_active or contact.is_staff or contact.membership is None:
        return "Esa persona no es contacto activo de una empresa."
    if ticket is not None and not (policy.may_work(agent, ticket) and policy.may_write_as_customer(contact, ticket)):
        return "Esa persona no puede hablar de ese ticket con usted."
    if ticket is None and not policy.may_take_calls(agent):
        return "Solo un agente de Factureya atiende llamadas."
    return ""


def why_not_use(agent: User, call: Call) -> str:
    """Return why this agent may not go on with the call, or "": another's, ended, or a right that ended meanwhile."""
    if call.agent_id != agent.pk:
        return "La llamada la atiende otra persona."
    if not call.is_open:
        return "La llamada ya terminó."
    contact = call.contact
    membership = contact.membership if contact else None
    if contact is None or membership is None or membership.customer_id != call.customer_id:
        return "Quien llama ya no es contacto de esa empresa."
    return why_not_start(agent, contact, call.ticket)


def may_speak_of(call: Call, ticket: Ticket) -> bool:
    """Return whether this ticket may be told and changed in the call, once it is verified (M3, M16).

    A call about a merged ticket is about the one that takes its messages (M11).
    """
    agent, contact = call.agent, call.contact
    if contact is None or not (policy.may_take_calls(agent) or family.lead_together(call.ticket_id, ticket.pk)):
        return False
    return policy.may_work(agent, ticket) and policy.may_write_as_customer(contact, ticket)


def require_speech(call: Call | None, contact: User, ticket: Ticket) -> None:
    """Raise NotAllowed unless this contact speaks in the call, verified, and may speak of this ticket (M5).

    Without a call nothing is the customer's word by phone. The caller of this function has locked the call.
    """
    if call is None or call.contact_id != contact.pk or not may_speak_of(call, ticket):
        raise NotAllowed(NOT_VERIFIED)
    require_verified(call)


def require_verified(call: Call) -> None:
    """Raise NotAllowed unless the caller read the code back in this call, not long ago (M5)."""
    if not call.is_verified:
        raise NotAllowed(NOT_VERIFIED)
