"""Plain functions that propose charges, decide them and note minutes, through real operations (M18)."""

from typing import Any

from accounts.models import User
from factureya.testing.people import Cast, make_agent
from factureya.testing.tickets import make_ticket
from tickets.charges import operations
from tickets.charges.operations import ChargeTerms
from tickets.models import ChargeProposal, Ticket, TimeEntry

WHY = "Desde el 6 de noviembre pedimos tres veces la lista de folios y no la recibimos."
TERMS = ChargeTerms(
    lines=(("Restaurar el respaldo en una copia", 90), ("Extraer y entregar los XML", 30)),
    rate_cents=45_000,
    reason=WHY,
)


def propose(cast: Cast, ticket: Ticket | None = None, terms: ChargeTerms = TERMS, **more: Any) -> ChargeProposal:
    """Propose a charge of $1,044.00 to Ana's company, on a new ticket if none is given; Laura proposes."""
    ticket = ticket or make_ticket(requester=cast.ana, subject="Recuperar 400 XML de 2023")
    return operations.propose_charge(ticket.pk, supervisor=cast.laura, terms=terms, **more)


def decide(charge: ChargeProposal, decider: User, *, accepts: bool = True, **more: Any) -> ChargeProposal:
    """Decide a charge as this person."""
    return operations.decide_charge(charge.ticket_id, seq=charge.seq, decider=decider, accepts=accepts, **more)


def accepted(cast: Cast, terms: ChargeTerms = TERMS) -> ChargeProposal:
    """Return a charge that Ana accepted."""
    return decide(propose(cast, terms=terms), cast.ana)


def note(ticket: Ticket, minutes: int, charge: ChargeProposal | None = None, **more: Any) -> TimeEntry:
    """Note minutes of an agent, free or on an accepted charge."""
    more.setdefault("agent", make_agent())
    more.setdefault("work", "Restauré el respaldo")
    seq = charge.seq if charge else None
    return operations.note_time(ticket.pk, minutes=minutes, charge_seq=seq, **more)
