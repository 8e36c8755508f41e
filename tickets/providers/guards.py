"""Define the triggers of the grants that show a third party the customer's mail (M3).

A supervisor gives one to the ticket's provider for a week at most, and it ends once. An operation writes its event
first and the row after it; so each row must stand in the last event of its ticket.
"""

from factureya.core import triggers
from factureya.core.guard_terms import changed, guards, last_event_is, translate
from tickets.guard_terms import CHAIN, TICKET, make_desk_sql

GRANT = "tickets_mailgrant"
_SAME_ROW = """DATA[rows.mail_grant.provider] = CAST(NEW.provider_id AS text)
    AND DATA_AT[rows.mail_grant.granted_at] = T[NEW.granted_at]"""
_GRANTED = last_event_is(
    CHAIN,
    "ticket.mail_granted",
    f"""v.actor_id = NEW.granted_by_id AND DATA[reason] = NEW.reason AND {_SAME_ROW}
    AND DATA_AT[rows.mail_grant.ends_at] = T[NEW.ends_at]
    AND T[NEW.granted_at] <= T[v.at] AND T[NEW.granted_at] >= MINUTE_BEFORE[v.at]""",
)
_HIDDEN = last_event_is(CHAIN, "ticket.mail_hidden", f"v.actor_id = NEW.ended_by_id AND {_SAME_ROW}")
_WRITTEN = [
    *guards(
        GRANT,
        "INSERT",
        (
            "mail_grant_by_a_supervisor",
            f"NOT {make_desk_sql('NEW.granted_by_id', ('supervisor',), 'NEW.granted_at')}",
            "lo permite un supervisor de Factureya",
        ),
        (
            "mail_grant_is_of_the_tickets_provider",
            f"""NOT EXISTS (SELECT 1 FROM {TICKET} t JOIN accounts_provider p ON p.id = t.provider_id
            WHERE t.id = NEW.ticket_id AND p.id = NEW.provider_id AND NOT p.is_own)""",
            "el permiso es del tercero que atiende el ticket",
        ),
        (
            "mail_grant_lasts_a_week",
            "SEC[NEW.ends_at] > SEC[NEW.granted_at] + 604800.01",
            "un permiso dura hasta 7 días",
        ),
        ("mail_grant_given_in_an_event", f"NEW.ended_at IS NOT NULL OR NOT {_GRANTED}", "falta su evento"),
    ),
    *guards(
        GRANT,
        "UPDATE",
        (
            "mail_grant_facts_never_change",
            changed("id ticket_id provider_id reason granted_by_id granted_at ends_at"),
            "un permiso no se cambia: se retira y se da otro",
        ),
        (
            "mail_grant_ends_once",
            f"OLD.ended_at IS NOT NULL AND {changed('ended_at ended_by_id')}",
            "un permiso retirado no vuelve",
        ),
        (
            "mail_grant_ended_in_an_event",
            f"OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL AND NOT {_HIDDEN}",
            "falta su evento",
        ),
    ),
]
GUARDS = [
    *(translate(guard) for guard in _WRITTEN),
    *triggers.never_deleted(GRANT, "id", message="los permisos no se borran"),
    triggers.Guard(
        "mail_grant_replaces_none",
        GRANT,
        "INSERT",
        "EXISTS (SELECT 1 FROM tickets_mailgrant g WHERE g.ticket_id = NEW.ticket_id "
        "AND g.provider_id = NEW.provider_id AND g.ended_at IS NULL AND NEW.ended_at IS NULL)",
        "one_open_mail_grant_per_ticket",
        engines=("sqlite",),
    ),
]
