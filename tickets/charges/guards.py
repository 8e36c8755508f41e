"""Guard charges and minutes: only what the customer's representative accepted in time is billable (M18).

An operation writes its event first and the row after it; so each row must stand in the last event of its ticket.
"""

from factureya.core import triggers
from factureya.core.guard_terms import changed, guards, last_event_is, translate
from factureya.core.triggers import Guard
from tickets.guard_terms import CHAIN, TICKET, make_desk_sql

CHARGE, LINE, TIME = "tickets_chargeproposal", "tickets_chargeline", "tickets_timeentry"
_DESK = ("agent", "third_party_agent", "supervisor")
_TERMS = (
    "id ticket_id seq message_id proposed_by_id proposed_at expires_at minutes rate_cents subtotal_cents tax_rate "
    "tax_cents total_cents reason"
)
_SUMS = f"FROM {LINE} l WHERE l.charge_id = "
_LINE_MISFITS = f"""NOT EXISTS (SELECT 1 FROM {CHARGE} c WHERE c.id = NEW.charge_id AND c.status = 'proposed'
    AND NEW.amount_cents * 60 <= NEW.minutes * c.rate_cents + 30
    AND NEW.amount_cents * 60 + 60 > NEW.minutes * c.rate_cents + 30
    AND NEW.minutes + (SELECT COALESCE(SUM(l.minutes), 0) {_SUMS} c.id) <= c.minutes
    AND NEW.amount_cents + (SELECT COALESCE(SUM(l.amount_cents), 0) {_SUMS} c.id) <= c.subtotal_cents)"""


def _make_told_sql(verb: str) -> str:
    """Return the SQL condition that the ticket's last event is this one, and about the new row; `verb` is SQL."""
    told = last_event_is(CHAIN, "VERB", "DATA[number] = CAST(NEW.seq AS text)")
    return told.replace("v.verb IN ('VERB')", f"v.verb = {verb}")


_REPRESENTS = f"""EXISTS (SELECT 1 FROM accounts_representative r JOIN {TICKET} t ON t.customer_id = r.customer_id
    JOIN accounts_contact k ON k.user_id = r.user_id AND k.customer_id = r.customer_id
    JOIN accounts_user u ON u.id = r.user_id
    WHERE r.id = NEW.representative_id AND r.user_id = NEW.ended_by_id AND t.id = NEW.ticket_id
      AND u.is_active AND NOT u.is_staff AND ISO[r.valid_from] <= DAY[NEW.ended_at]
      AND (r.valid_until IS NULL OR ISO[r.valid_until] >= DAY[NEW.ended_at])
      AND (r.revoked_at IS NULL OR T[r.revoked_at] > T[NEW.ended_at]))"""

_GUARDS = [
    *guards(
        CHARGE,
        "INSERT",
        ("charge_born_proposed", "NEW.status <> 'proposed'", "un cobro nace propuesto"),
        (
            "charge_proposed_by_supervisor",
            f"NOT {make_desk_sql('NEW.proposed_by_id', ('supervisor',), 'NEW.proposed_at')}",
            "lo propone un supervisor del prestador",
        ),
        (
            "charge_waits_for_authorization",
            f"""NOT EXISTS (SELECT 1 FROM {TICKET} t JOIN tickets_message m ON m.ticket_id = t.id
            WHERE t.id = NEW.ticket_id AND m.id = NEW.message_id AND m.side = 'staff' AND t.status = 'waiting'
              AND t.merged_into_id IS NULL
              AND t.wait_reason = 'authorization' AND T[NEW.proposed_at] >= T[m.created_at]
              AND T[NEW.expires_at] > T[NEW.proposed_at])""",
            "el ticket espera la autorización, con un mensaje al cliente",
        ),
        ("charge_proposed_in_an_event", f"NOT {_make_told_sql(repr('ticket.charge_proposed'))}", "falta su evento"),
    ),
    *guards(
        CHARGE,
        "UPDATE",
        ("charge_terms_never_change", changed(_TERMS), "lo propuesto no cambia"),
        (
            "charge_end_is_final",
            f"OLD.status <> 'proposed' AND {changed('status ended_at ended_by_id representative_id note')}",
            "terminó y no cambia",
        ),
        (
            "charge_decided_by_representative",
            f"NEW.status IN ('accepted', 'declined') AND NOT {_REPRESENTS}",
            "lo decide quien representa a la empresa ese día",
        ),
        (
            "charge_decided_in_time",
            f"""NEW.status IN ('accepted', 'declined') AND NOT (T[NEW.ended_at] <= T[NEW.expires_at]
            AND T[NEW.ended_at] >= T[NEW.proposed_at]
            AND EXISTS (SELECT 1 FROM {TICKET} t WHERE t.id = NEW.ticket_id AND t.status <> 'closed'))""",
            "venció, o el ticket ya se cerró",
        ),
        (
            "charge_accepted_adds_up",
            f"""NEW.status = 'accepted' AND NOT ((SELECT SUM(l.minutes) {_SUMS} NEW.id) = NEW.minutes
            AND (SELECT SUM(l.amount_cents) {_SUMS} NEW.id) = NEW.subtotal_cents)""",
            "los renglones no suman el cobro",
        ),
        (
            "charge_withdrawn_by_supervisor",
            f"""NEW.status = 'withdrawn'
            AND NOT {make_desk_sql("NEW.ended_by_id", ("supervisor",), "NEW.ended_at")}""",
            "lo retira un supervisor del prestador",
        ),
        (
            "charge_ended_in_an_event",
            f"""NEW.status <> OLD.status AND NOT {_make_told_sql("'ticket.charge_' || NEW.status")}""",
            "falta su evento",
        ),
    ),
    Guard("charge_line_fits", LINE, "INSERT", when=_LINE_MISFITS, message="el renglón no es de este cobro"),
    *guards(
        TIME,
        "INSERT",
        ("time_entry_born_valid", "NEW.voided_at IS NOT NULL", "no nace anulado"),
        (
            "time_entry_by_the_desk",
            f"NOT {make_desk_sql('NEW.agent_id', _DESK, 'NEW.created_at')}",
            "lo anota quien atiende en el prestador",
        ),
        (
            "time_billed_only_if_accepted",
            f"""NEW.charge_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM {CHARGE} c WHERE c.id = NEW.charge_id
            AND c.ticket_id = NEW.ticket_id AND c.status = 'accepted' AND T[c.ended_at] <= T[NEW.created_at])""",
            "sin una propuesta aceptada antes, no se cobra",
        ),
        ("time_entry_in_an_event", f"NOT {_make_told_sql(repr('ticket.time_noted'))}", "falta su evento"),
    ),
    *guards(
        TIME,
        "UPDATE",
        (
            "time_entry_never_changes",
            changed("id ticket_id seq agent_id minutes work charge_id created_at form_key")
            + f" OR (OLD.voided_at IS NOT NULL AND {changed('voided_at voided_by_id void_reason')})",
            "el tiempo anotado no cambia: se anula una vez",
        ),
        (
            "time_entry_voided_in_an_event",
            f"""OLD.voided_at IS NULL AND NEW.voided_at IS NOT NULL AND NOT (T[NEW.voided_at] >= T[OLD.created_at]
            AND {make_desk_sql("NEW.voided_by_id", _DESK, "NEW.voided_at")}
            AND {_make_told_sql(repr("ticket.time_voided"))})""",
            "lo anula quien atiende en el prestador, con su evento",
        ),
    ),
]

GUARDS = [
    *map(translate, _GUARDS),
    # UPDATE OR REPLACE would delete the other undecided charge of the ticket.
    Guard(
        "charge_undecided_is_alone",
        CHARGE,
        "INSERT",
        when=f"EXISTS (SELECT 1 FROM {CHARGE} c WHERE c.ticket_id = NEW.ticket_id AND c.status = 'proposed')",
        message="row exists",
        engines=("sqlite",),
    ),
    *triggers.never_deleted(CHARGE, "id", "ticket_id, seq", "message_id", message="un cobro no se borra"),
    *triggers.append_only(LINE, "charge_id, seq"),
    *triggers.never_deleted(TIME, "id", "ticket_id, seq", "form_key", message="el tiempo anotado no se borra"),
]
