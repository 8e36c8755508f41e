"""Note the minutes that an agent worked on a ticket, and void a wrong entry (M18)."""

from django.db import IntegrityError
from django.db.models import Max

from accounts.models import User
from factureya.core import audit, clock
from factureya.core.record.state import ROWS
from factureya.core.refusals import FormUsed, Invalid, WrongStatus
from tickets.charges import policy
from tickets.charges.models import MAX_ENTRY_MINUTES, MAX_NOTE, MAX_WORK, ChargeProposal, TimeEntry
from tickets.charges.record import TIME, describe_time
from tickets.models import Ticket
from tickets.operations._common import CLOSED, OPEN, WAITING, locked

NOT_HIS_DESK = "Este ticket no es de su prestador."


def note_time(
    pk: int, *, agent: User, minutes: int, work: str, charge_seq: int | None = None, form_key: str | None = None
) -> TimeEntry:
    """Write down the minutes that the agent worked on a ticket, and return the entry.

    They are free. With `charge_seq` they are of that charge, which the customer must have accepted; what is more than
    was accepted is not charged. Of a merged ticket the free minutes go to the one that takes its messages, and those of
    a charge stay with it (M11). A second send of the same form returns the first entry. Raises NotAllowed, Invalid,
    WrongStatus if the charge is not accepted, FormUsed if the form's key was used for something else.
    """
    try:
        of_charge = charge_seq is not None
        with locked(pk, OPEN, WAITING, CLOSED, takes_merged=of_charge, follows_merge=not of_charge) as ticket:
            policy.require(policy.may_work(agent, ticket), NOT_HIS_DESK)
            asked = (ticket.pk, agent.pk, minutes, work.strip(), charge_seq)
            return _find_first_use(form_key, asked) or _write_entry(ticket, agent, asked, form_key)
    except IntegrityError as error:  # two forms with one key on two tickets
        if form_key and TimeEntry.objects.filter(form_key=form_key).exists():
            raise FormUsed from error
        raise


def void_time(pk: int, *, agent: User, seq: int, reason: str) -> TimeEntry:
    """Void the entry `seq` of a ticket, with a reason, and return it; the row and its event stay.

    Its agent may do it, and a supervisor of the desk. A second call changes nothing. Raises NotAllowed or Invalid.
    """
    with locked(pk, OPEN, WAITING, CLOSED, takes_merged=True) as ticket:
        entry = ticket.time_entries.get(seq=seq)
        is_his = policy.may_work(agent, ticket) and entry.agent_id == agent.pk
        policy.require(is_his or policy.may_propose(agent, ticket), "Lo anula quien lo anotó, o un supervisor.")
        if entry.voided_at is not None:
            return entry
        if not reason.strip() or len(reason.strip()) > MAX_NOTE:
            raise Invalid({"reason": f"Escriba por qué lo anula, en hasta {MAX_NOTE} caracteres."})
        entry.voided_at, entry.voided_by, entry.void_reason = clock.now(), agent, reason.strip()
        _record("ticket.time_voided", ticket, agent, entry)
        entry.save(update_fields=["voided_at", "voided_by", "void_reason"])
    return entry


def _find_first_use(form_key: str | None, asked: tuple[int, int, int, str, int | None]) -> TimeEntry | None:
    """Return the entry that this form wrote before, or None. Raises FormUsed if it asked for something else."""
    entry = TimeEntry.objects.select_related("charge").filter(form_key=form_key).first() if form_key else None
    if entry is None:
        return None
    charge_seq = entry.charge.seq if entry.charge else None
    ticket_pk = entry.ticket_id if entry.charge else Ticket.objects.find_survivor_pk(entry.ticket_id)
    if asked != (ticket_pk, entry.agent_id, entry.minutes, entry.work, charge_seq):
        raise FormUsed
    return entry


def _write_entry(
    ticket: Ticket, agent: User, asked: tuple[int, int, int, str, int | None], form_key: str | None
) -> TimeEntry:
    """Write the entry that was `asked` for, after its event. Raises Invalid or WrongStatus."""
    _, _, minutes, work, charge_seq = asked
    if not 1 <= minutes <= MAX_ENTRY_MINUTES:
        raise Invalid({"minutes": f"Escriba los minutos, de 1 a {MAX_ENTRY_MINUTES}."})
    if not work or len(work) > MAX_WORK:
        raise Invalid({"work": f"Escriba qué hizo, en hasta {MAX_WORK} caracteres."})
    entry = TimeEntry(
        ticket=ticket,
        seq=(ticket.time_entries.aggregate(last=Max("seq"))["last"] or 0) + 1,
        agent=agent,
        minutes=minutes,
        work=work,
        charge=_find_accepted(ticket, charge_seq),
        created_at=clock.now(),
        form_key=form_key,
    )
    _record("ticket.time_noted", ticket, agent, entry)
    entry.save(force_insert=True)
    return entry


def _find_accepted(ticket: Ticket, charge_seq: int | None) -> ChargeProposal | None:
    """Return the accepted charge that minutes are noted on; None for free ones. Raises WrongStatus if not accepted."""
    if charge_seq is None:
        return None
    charge = ticket.charges.filter(seq=charge_seq).first()
    if charge is None or not charge.is_accepted:
        raise WrongStatus("Sin una propuesta aceptada, el tiempo no se cobra: anótelo sin costo.", "charge")
    return charge


def _record(verb: str, ticket: Ticket, agent: User, entry: TimeEntry) -> None:
    """Record the event of an entry that is to be written, with the whole row."""
    facts = describe_time(entry)
    is_billable = entry.charge_id is not None
    audit.record(
        verb,
        ticket,
        actor=agent,
        number=entry.seq,
        minutes=entry.minutes,
        work=entry.work,
        is_billable=is_billable,
        **{ROWS: {TIME: facts}},
    )
