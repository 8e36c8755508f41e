"""Define the triggers of the grants that show a third party the customer's mail: they are ended, once (M3)."""

from factureya.core import triggers
from factureya.core.guard_terms import changed, guards, translate

GRANT = "tickets_mailgrant"
_WRITTEN = guards(
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
)
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
