"""Change charges and noted minutes (M18): each function locks the ticket, re-reads it, and writes one event."""

from tickets.charges.operations.deciding import decide_charge, lapse_charge, withdraw_charge
from tickets.charges.operations.proposing import ChargeTerms, propose_charge
from tickets.charges.operations.timekeeping import note_time, void_time

__all__ = [
    "ChargeTerms",
    "decide_charge",
    "lapse_charge",
    "note_time",
    "propose_charge",
    "void_time",
    "withdraw_charge",
]
