"""Define what the database refuses of merges and splits, because it compares rows (M11)."""

from factureya.core import triggers

_MERGES = "NEW.merged_into_id IS NOT NULL AND OLD.merged_into_id IS NULL"
_STAYS_MERGED = "NEW.merged_into_id IS NOT NULL AND OLD.merged_into_id IS NOT NULL"
# What stands still while a ticket is merged: its status and its clock.
_FROZEN = (
    *(
        "status",
        "wait_reason",
        "waiting_since",
        "closes_at",
        "reminder_id",
        "closed_at",
        "closed_reason",
        "out_of_scope",
    ),
    *("reply_due_at", "customer_waits_since", "message_count"),
)


def _if_any_changes(columns: tuple[str, ...]) -> tuple[str, str]:
    """Return the SQL condition «one of these columns changes» for SQLite and PostgreSQL. NULL counts as a value."""
    sqlite = " OR ".join(f"NEW.{column} IS NOT OLD.{column}" for column in columns)
    return sqlite, sqlite.replace("IS NOT", "IS DISTINCT FROM")


def _and(condition: str, pair: tuple[str, str]) -> tuple[str, str]:
    """Return the pair of conditions (SQLite, PostgreSQL) with one more condition before each."""
    return f"{condition} AND ({pair[0]})", f"{condition} AND ({pair[1]})"


GUARDS = [
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
        when=_and(_STAYS_MERGED, _if_any_changes(("merged_into_id", "merged_at"))),
        message="una combinación se deshace antes de hacer otra",
    ),
    triggers.Guard(
        "ticket_merged_stands_still",
        "tickets_ticket",
        "UPDATE",
        when=_and(_STAYS_MERGED, _if_any_changes(_FROZEN)),
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
        when=_if_any_changes(("split_from_id",)),
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
