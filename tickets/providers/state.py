"""Say what an event holds of a grant to read the customer's mail, to compare its row with it (M3, M26)."""

from factureya.core.record.state import Facts, Kind, read_facts
from tickets.models import MailGrant

GRANT = "mail_grant"
_FACTS = (*("ticket_id", "provider_id", "reason", "granted_by_id", "granted_at", "ends_at", "ended_at", "ended_by_id"),)


def describe_grant(grant: MailGrant) -> Facts:
    """Return the whole grant as its events hold it."""
    return read_facts(grant, **{column.removesuffix("_id"): column for column in _FACTS})


KINDS = [
    Kind(
        GRANT,
        "el permiso de ver el correo",
        verbs=("ticket.mail_granted", "ticket.mail_hidden"),
        rows=MailGrant.objects.select_related("ticket").all,
        describe=describe_grant,
        subject=lambda grant: grant.ticket,
        chains=lambda grant: (grant.ticket.chain,),
        key=("ticket", "provider", "granted_at"),
        column="ticket_id",
    )
]
