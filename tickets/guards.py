"""Define the triggers of the ticket's life that a CHECK cannot hold, because they compare rows (M12, M15, M16)."""

from factureya.core import guard_terms, triggers
from factureya.core.guard_terms import changed
from tickets.catalogue import guards as catalogue_guards
from tickets.merging import guards as merging_guards

_SECOND = "[0-9][0-9][0-9][0-9]-[0-1][0-9]-[0-3][0-9] [0-2][0-9]:[0-5][0-9]:[0-5][0-9]"
# SQLite compares instants as text, so "…T10:00" would come after "… 10:00" whatever the hour.
_CANONICAL = f"({{0}} GLOB '{_SECOND}' OR {{0}} GLOB '{_SECOND}.{'[0-9]' * 6}')"
_TERMS = {
    # 1e-8 days is about a millisecond: the precision of SQLite's dates.
    "SENT_24_HOURS_BEFORE": (
        "julianday(NEW.closed_at) - julianday(o.sent_at) >= 1.0 - 1e-8",
        "o.sent_at <= NEW.closed_at - interval '24 hours'",
    ),
    "RECEIVED_IN_TIME": (
        f"i.received_at <= OLD.closed_at AND {_CANONICAL.format('i.received_at')}",
        "i.received_at <= OLD.closed_at",
    ),
}
_REMINDED = """EXISTS (SELECT 1 FROM core_outboxmessage o
    WHERE o.id = NEW.reminder_id AND o.kind = 'tickets/reminder' AND o.about = 'ticket:' || NEW.number
      AND o.status = 'sent' AND SENT_24_HOURS_BEFORE)"""
# The one way out of Cerrado (M15): silence closed it, and this mail had been received by then.
_VOIDED = """(OLD.status = 'closed' AND OLD.closed_reason = 'unanswered' AND NEW.status = 'open'
    AND NEW.voided_by_id IS NOT NULL AND (OLD.voided_by_id IS NULL OR NEW.voided_by_id <> OLD.voided_by_id)
    AND EXISTS (SELECT 1 FROM core_inboundmessage i WHERE i.id = NEW.voided_by_id AND RECEIVED_IN_TIME))"""
_ENDING = "status closed_at closed_reason wait_reason waiting_since closes_at reminder_id out_of_scope"
_SENT = "id folio unit official position email document_number taxpayer_rfc body document_id received_at form_key"
_CLOSED = guard_terms.last_event_is(
    "'authority:' || NEW.folio",
    "authority.closed",
    "v.actor_id = NEW.closed_by_id AND DATA[status] = NEW.status AND DATA[outcome] = NEW.outcome",
)

_WRITTEN = [
    triggers.Guard(
        "ticket_closed_is_final",
        "tickets_ticket",
        "UPDATE",
        when=f"OLD.status = 'closed' AND {changed(_ENDING)} AND NOT {_VOIDED}",
        message="Cerrado es definitivo",
    ),
    triggers.Guard(
        "ticket_voided_only_by_mail_in_time",
        "tickets_ticket",
        "UPDATE",
        when=f"{changed('voided_by_id')} AND NOT {_VOIDED}",
        message="solo un correo recibido a tiempo anula un cierre por falta de respuesta",
    ),
    triggers.Guard(
        "ticket_unanswered_only_from_waiting",
        "tickets_ticket",
        "UPDATE",
        when="NEW.closed_reason = 'unanswered' AND OLD.closed_reason IS NULL AND (OLD.status <> 'waiting' "
        "OR NEW.closes_at <> OLD.closes_at OR NEW.reminder_id <> OLD.reminder_id OR OLD.reminder_id IS NULL)",
        message="el silencio solo cierra un ticket En espera, en su plazo",
    ),
    triggers.Guard(
        "ticket_unanswered_reminded_24_h",
        "tickets_ticket",
        "UPDATE",
        when=f"OLD.closed_reason IS NULL AND NEW.closed_reason = 'unanswered' AND NOT {_REMINDED}",
        message="falta el recordatorio con 24 horas",
    ),
    triggers.Guard(
        "ticket_unanswered_instants",
        "tickets_ticket",
        "UPDATE",
        when=f"NEW.closed_reason = 'unanswered' AND NOT ({_CANONICAL.format('NEW.closed_at')} "
        f"AND {_CANONICAL.format('NEW.closes_at')})",
        message="instantes en el formato de Django",
        engines=("sqlite",),
    ),
    triggers.Guard(
        "ticket_born_open",
        "tickets_ticket",
        "INSERT",
        when="NEW.closed_reason = 'unanswered' OR NEW.voided_by_id IS NOT NULL",
        message="un ticket no nace cerrado por silencio",
    ),
    triggers.Guard(
        "ticket_number_never_changes",
        "tickets_ticket",
        "UPDATE",
        when="NEW.number <> OLD.number OR NEW.id <> OLD.id",
        message="el número no cambia",
    ),
    triggers.Guard("ticket_no_delete", "tickets_ticket", "DELETE", message="los tickets no se borran"),
    triggers.no_truncate("tickets_ticket"),
    triggers.no_replace("tickets_ticket", "id", "number", "reminder_id", "split_from_id"),
    # UPDATE OR REPLACE would delete the other ticket that has this reminder.
    triggers.Guard(
        "ticket_reminder_is_its_own",
        "tickets_ticket",
        "UPDATE",
        engines=("sqlite",),
        message="row exists",
        when="EXISTS (SELECT 1 FROM tickets_ticket t WHERE t.reminder_id = NEW.reminder_id AND t.id <> OLD.id)",
    ),
    *triggers.append_only("tickets_message", "form_key", "ticket_id, seq", "inbound_id"),
    *triggers.append_only("tickets_note", "form_key"),
    *triggers.append_only("tickets_ticketfile", "attachment_id"),
    triggers.Guard(
        "authority_request_is_received_first",
        "tickets_authorityrequest",
        "INSERT",
        when="NEW.status <> 'received'",
        message="un requerimiento primero se recibe",
    ),
    *guard_terms.guards(
        "tickets_authorityrequest",
        "UPDATE",
        ("authority_request_stays_as_sent", changed(_SENT), "un requerimiento queda como se envió"),
        (
            "authority_request_is_closed_with_its_event",
            f"{changed('status outcome closed_by_id closed_at')} AND NOT (OLD.status = 'received' AND {_CLOSED})",
            "un requerimiento se atiende una vez, con su evento",
        ),
    ),
    *triggers.never_deleted(
        "tickets_authorityrequest",
        *("id", "folio", "document_id", "form_key"),
        message="los requerimientos no se borran",
    ),
]
GUARDS = [
    *(guard_terms.translate(guard, _TERMS) if guard.when else guard for guard in _WRITTEN),
    *merging_guards.GUARDS,
    *catalogue_guards.GUARDS,
]
