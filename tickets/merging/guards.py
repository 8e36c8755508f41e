"""Define what the database refuses of merges and splits, because it compares rows (M11)."""

from django.conf import settings

from factureya.core import triggers
from factureya.core.guard_terms import changed, last_event_is, translate

_MERGES = "NEW.merged_into_id IS NOT NULL AND OLD.merged_into_id IS NULL"
_STAYS_MERGED = "NEW.merged_into_id IS NOT NULL AND OLD.merged_into_id IS NOT NULL"
_TAKEN_BACK = "NEW.merged_into_id IS NULL AND OLD.merged_into_id IS NOT NULL"
# What stands still while a ticket is merged: its status and its clock.
_FROZEN = (
    "status wait_reason waiting_since closes_at reminder_id closed_at closed_reason out_of_scope reply_due_at "
    "customer_waits_since message_count"
)
# Instants are compared to a hundredth of a second (`guard_terms`). A changed setting needs `migrate` to hold here too.
_IN_TIME = last_event_is(
    "'ticket:' || NEW.number",
    "ticket.unmerged",
    f"SEC[v.at] <= SEC[OLD.merged_at] + {settings.MERGE_UNDO_DAYS} * 86400 + 0.01",
)

_WRITTEN = [
    triggers.Guard(
        "ticket_merged_into_its_like",
        "tickets_ticket",
        "UPDATE",
        when=f"""{_MERGES} AND NOT EXISTS (SELECT 1 FROM tickets_ticket s WHERE s.id = NEW.merged_into_id
            AND s.customer_id = NEW.customer_id AND s.provider_id = NEW.provider_id
            AND s.merged_into_id IS NULL AND s.status <> 'closed')""",
        message="un ticket se combina con otro de su empresa y prestador, que no esté Cerrado ni combinado",
    ),
    triggers.Guard(
        "ticket_merge_points_once",
        "tickets_ticket",
        "UPDATE",
        when=f"{_STAYS_MERGED} AND {changed('merged_into_id merged_at')}",
        message="una combinación se deshace antes de hacer otra",
    ),
    triggers.Guard(
        "ticket_merge_is_taken_back_in_time",
        "tickets_ticket",
        "UPDATE",
        when=f"{_TAKEN_BACK} AND NOT {_IN_TIME}",
        message="una combinación se deshace en su plazo, con su evento",
    ),
    triggers.Guard(
        "ticket_merged_stands_still",
        "tickets_ticket",
        "UPDATE",
        when=f"{_STAYS_MERGED} AND {changed(_FROZEN)}",
        message="un ticket combinado conserva su estado y su plazo",
    ),
    triggers.Guard(
        "ticket_merged_has_no_undecided_charge",
        "tickets_ticket",
        "UPDATE",
        when=f"""{_MERGES} AND EXISTS (SELECT 1 FROM tickets_chargeproposal c
            WHERE c.ticket_id = NEW.id AND c.status = 'proposed')""",
        message="un ticket con un cobro por decidir no se combina",
    ),
    triggers.Guard(
        "ticket_born_unmerged",
        "tickets_ticket",
        "INSERT",
        when="NEW.merged_into_id IS NOT NULL",
        message="un ticket no nace combinado",
    ),
    triggers.Guard(
        "ticket_split_from_a_customers_message",
        "tickets_ticket",
        "INSERT",
        when="""NEW.split_from_id IS NOT NULL AND NOT EXISTS (
            SELECT 1 FROM tickets_message m JOIN tickets_ticket s ON s.id = m.ticket_id
            WHERE m.id = NEW.split_from_id AND m.side = 'customer' AND s.customer_id = NEW.customer_id
            AND (m.seq > 1 OR s.split_from_id IS NOT NULL))""",
        message="solo se separa un mensaje del cliente, de su empresa, que no sea el que abrió el ticket",
    ),
    triggers.Guard(
        "ticket_split_never_changes",
        "tickets_ticket",
        "UPDATE",
        when=changed("split_from_id"),
        message="de qué mensaje se separó un ticket no cambia",
    ),
    triggers.Guard(
        "message_not_in_merged_ticket",
        "tickets_message",
        "INSERT",
        when="EXISTS (SELECT 1 FROM tickets_ticket t WHERE t.id = NEW.ticket_id AND t.merged_into_id IS NOT NULL)",
        message="los mensajes de un ticket combinado llegan al otro",
    ),
]
GUARDS = [translate(guard) for guard in _WRITTEN]
