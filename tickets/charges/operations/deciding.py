"""End a proposed charge: the representative accepts or declines, a supervisor withdraws it, or time is over (M18)."""

from accounts.models import UNPROVEN, Proof, Representative, User
from factureya.core import audit, clock
from factureya.core.models import Event
from factureya.core.record.state import ROWS
from factureya.core.refusals import Invalid, NotAllowed, WrongStatus
from tickets.charges import money, notifications, policy
from tickets.charges.models import MAX_NOTE, ChargeProposal
from tickets.charges.record import CHARGE, describe_charge
from tickets.models import Ticket
from tickets.operations._common import (
    CLOSED,
    OPEN,
    WAITING,
    locked,
    require_closes_at,
    save_ticket,
    set_reply_due,
    stop_waiting,
)

Status = ChargeProposal.Status


def decide_charge(
    pk: int, *, seq: int, decider: User, accepts: bool, note: str = "", proof: Proof = UNPROVEN
) -> ChargeProposal:
    """Accept or decline the charge `seq` of a ticket for the company, and return it; the ticket goes to Abierto (M18).

    Who decides must represent the company at this instant. `proof` is how the person was authenticated. The same
    decision by the same person again changes nothing. Raises NotAllowed, Invalid for a note that is too long, and
    WrongStatus if the charge ended otherwise, its time is over, or the ticket is Cerrado.
    """
    status = Status.ACCEPTED if accepts else Status.DECLINED
    note = note.strip()
    with locked(pk, OPEN, WAITING, CLOSED, takes_merged=True) as ticket:
        representative = policy.find_representation(decider, ticket.customer)
        if representative is None:
            raise NotAllowed("Lo decide quien hoy representa a la empresa.")
        charge = ticket.charges.get(seq=seq)
        if (charge.status, charge.ended_by_id) == (status, decider.pk):
            return charge
        _require_undecided(ticket, charge)
        if ticket.customer.is_suspended:
            raise WrongStatus("El servicio de la empresa está suspendido: no se cobra nada.")
        if len(note) > MAX_NOTE:
            raise Invalid({"note": f"La razón es de hasta {MAX_NOTE} caracteres."})
        _answer_ticket(ticket)
        event = end_charge(ticket, charge, status, decider, note, representative=representative, proof=proof)
        notifications.announce_end(ticket, event, charge)
        notifications.notify_desk(ticket, event, charge)
    return charge


def withdraw_charge(pk: int, *, seq: int, supervisor: User, reason: str) -> ChargeProposal:
    """Withdraw an undecided charge, with a reason that the customer reads, and return it (M18).

    A ticket that waits for this charge goes to Abierto; one that waits for something else since then stays so. A second
    call changes nothing. Raises NotAllowed, Invalid, and WrongStatus if the charge ended otherwise.
    """
    with locked(pk, OPEN, WAITING, CLOSED, takes_merged=True) as ticket:
        policy.require(policy.may_propose(supervisor, ticket), "La retira un supervisor de este prestador.")
        charge = ticket.charges.get(seq=seq)
        if charge.status == Status.WITHDRAWN:
            return charge
        _require_undecided(ticket, charge)
        if not reason.strip() or len(reason.strip()) > MAX_NOTE:
            raise Invalid({"reason": f"Escriba por qué la retira, en hasta {MAX_NOTE} caracteres."})
        if _is_awaited(ticket, charge):
            _take_turn(ticket)
        event = end_charge(ticket, charge, Status.WITHDRAWN, supervisor, reason.strip())
        notifications.announce_end(ticket, event, charge)
    return charge


def lapse_charge(pk: int, *, seq: int) -> ChargeProposal:
    """End an undecided charge whose time is over or whose ticket is Cerrado, and return it: nothing is charged (M18).

    A ticket that still waits for it, and is neither due to close by silence nor was reminded that it will, goes to
    Abierto (M15): its time moved, and nobody can decide any more. The sweep calls it; `decide_charge` refuses such a
    charge before any sweep. Raises WrongStatus if it is too early, or the charge has ended.
    """
    with locked(pk, OPEN, WAITING, CLOSED, takes_merged=True) as ticket:
        charge = ticket.charges.get(seq=seq)
        charge.ticket = ticket
        if charge.status != Status.PROPOSED or charge.find_state(clock.now()) != Status.LAPSED:
            raise WrongStatus("La propuesta no ha vencido.")
        if _is_awaited(ticket, charge) and not _closes_by_silence(ticket):
            _take_turn(ticket)
        event = end_charge(ticket, charge, Status.LAPSED)
        notifications.announce_end(ticket, event, charge)
    return charge


def end_charge(
    ticket: Ticket,
    charge: ChargeProposal,
    status: str,
    actor: User | None = None,
    note: str = "",
    *,
    representative: Representative | None = None,
    proof: Proof = UNPROVEN,
) -> Event:
    """Write how a charge ended, after its event, and return the event; the caller has locked the ticket."""
    charge.status, charge.ended_at, charge.ended_by, charge.note = status, clock.now(), actor, note
    charge.representative = representative
    event = audit.record(
        f"ticket.charge_{status}",
        ticket,
        actor=actor,
        number=charge.seq,
        total=money.format_cents(charge.total_cents),
        note=note,
        after=ticket.status,
        auth=proof.as_data(),
        **{ROWS: {CHARGE: describe_charge(charge)}},
    )
    charge.save(update_fields=["status", "ended_at", "ended_by", "representative", "note"])
    return event


def _require_undecided(ticket: Ticket, charge: ChargeProposal) -> None:
    """Raise WrongStatus unless the charge can be decided now."""
    charge.ticket = ticket
    if charge.status != Status.PROPOSED:
        raise WrongStatus(f"Esta propuesta ya terminó: {charge.get_status_display()}. No cambia.")
    if ticket.is_closed:
        raise WrongStatus("El ticket ya se cerró: la propuesta quedó sin efecto y no se cobra nada.")
    if charge.find_state(clock.now()) != Status.PROPOSED:
        raise WrongStatus("La propuesta venció y no se cobra nada. Si todavía le interesa, pídanos otra.")


def _is_awaited(ticket: Ticket, charge: ChargeProposal) -> bool:
    """Return whether the ticket waits for the decision on this charge, and not for what we asked after it."""
    return ticket.is_waiting and not ticket.is_merged and ticket.waiting_since == charge.proposed_at


def _closes_by_silence(ticket: Ticket) -> bool:
    """Return whether the sweep closes the ticket En espera as it was told: it is due, or the customer was reminded."""
    is_due = require_closes_at(ticket) < clock.now()
    return ticket.close_held_at is None and (is_due or ticket.reminder_id is not None)


def _take_turn(ticket: Ticket) -> None:
    """Move the ticket En espera to Abierto, our turn, because nobody can decide the charge any more; save it."""
    stop_waiting(ticket)
    set_reply_due(ticket, clock.now())
    save_ticket(ticket)


def _answer_ticket(ticket: Ticket) -> None:
    """Move the ticket to Abierto, our turn, because the customer decided; save it."""
    instant = clock.now()
    if ticket.is_waiting:
        stop_waiting(ticket)
    ticket.touched_at = instant
    ticket.customer_replied = True
    set_reply_due(ticket, instant)
    save_ticket(ticket)
