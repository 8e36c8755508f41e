"""Say what an event holds of a proposed charge and of noted minutes, and how today's rows are compared (M18, M26)."""

from collections.abc import Sequence

from factureya.core.record.state import Facts, Kind, read_facts
from tickets.charges.models import ChargeLine, ChargeProposal, TimeEntry

CHARGE, TIME = "charge", "time"
_CHARGE_FACTS = (
    *("ticket_id", "seq", "message_id", "proposed_by_id", "proposed_at", "expires_at", "minutes", "rate_cents"),
    *("subtotal_cents", "tax_rate", "tax_cents", "total_cents", "reason"),
    *("status", "ended_at", "ended_by_id", "representative_id", "note"),
)
_TIME_FACTS = (
    *("ticket_id", "seq", "agent_id", "minutes", "work", "charge_id", "created_at"),
    *("voided_at", "voided_by_id", "void_reason"),
)


def describe_charge(charge: ChargeProposal, lines: Sequence[ChargeLine] | None = None) -> Facts:
    """Return a charge with its lines as an event holds it; `lines` are those of a charge that is not written yet."""
    shown = sorted(charge.lines.all(), key=lambda line: line.seq) if lines is None else lines
    facts = read_facts(charge, **{column.removesuffix("_id"): column for column in _CHARGE_FACTS})
    return {**facts, "lines": [[line.work, line.minutes, line.amount_cents] for line in shown]}


def describe_time(entry: TimeEntry) -> Facts:
    """Return noted minutes as an event holds them."""
    return read_facts(entry, **{column.removesuffix("_id"): column for column in _TIME_FACTS})


KINDS = [
    Kind(
        CHARGE,
        "el cobro",
        verbs=tuple(f"ticket.charge_{verb}" for verb in ("proposed", "accepted", "declined", "withdrawn", "lapsed")),
        rows=ChargeProposal.objects.select_related("ticket").prefetch_related("lines").all,
        describe=describe_charge,
        subject=lambda charge: charge.ticket,
        chains=lambda charge: (charge.ticket.chain,),
        key=("ticket", "seq"),
        column="ticket_id",
    ),
    Kind(
        TIME,
        "el tiempo anotado",
        verbs=("ticket.time_noted", "ticket.time_voided"),
        rows=TimeEntry.objects.select_related("ticket").all,
        describe=describe_time,
        subject=lambda entry: entry.ticket,
        chains=lambda entry: (entry.ticket.chain,),
        key=("ticket", "seq"),
        column="ticket_id",
    ),
]
