"""Show a third party the customer's mail in one ticket, hide it again, and record what its agents look at (M3)."""

from datetime import timedelta

from django.db import transaction

from accounts.models import User
from factureya.core import audit, locking
from factureya.core.clock import now
from factureya.core.models import Event
from factureya.core.refusals import Invalid, NotAllowed, WrongStatus
from tickets import policy
from tickets.merging import family
from tickets.models import MailGrant, Ticket
from tickets.providers.state import GRANT, describe_grant

GRANT_DAYS = 7
MAX_REASON = 300
TICKET_ROW = Ticket.objects.select_related("provider")


def grant_mail(pk: int, *, supervisor: User, reason: str) -> MailGrant:
    """Let the ticket's third party read the customer's mail addresses in it for GRANT_DAYS, and return the grant (M3).

    The tickets merged into it are read with it, so each gets a grant too; one merged later gets none (M11). Raises
    NotAllowed for anybody but a supervisor of ours, Invalid without a reason, WrongStatus when the ticket is at our own
    desk or the grant is there already.
    """
    with locking.locked(TICKET_ROW, pk) as ticket:
        _require_supervisor(supervisor, ticket)
        reason = " ".join(reason.split())
        if not reason or len(reason) > MAX_REASON:
            raise Invalid({"reason": f"Escriba el motivo, en {MAX_REASON} caracteres o menos."})
        if ticket.provider.is_own:
            raise WrongStatus("El ticket lo atiende Factureya: su personal ya ve el correo.")
        current = _find_open(ticket)
        if current is not None and current.ends_at > now():
            raise WrongStatus("Ese prestador ya puede ver el correo.")
        for merged in _list_merged(ticket):
            _renew(merged, supervisor, reason)
        return _renew(ticket, supervisor, reason)


def hide_mail(pk: int, *, supervisor: User) -> None:
    """Take back the grant that shows the customer's mail to the ticket's third party (M3). Raises NotAllowed."""
    with locking.locked(TICKET_ROW, pk) as ticket:
        _require_supervisor(supervisor, ticket)
        for each in (*_list_merged(ticket), ticket):
            end_grants(each, supervisor)


def end_grants(ticket: Ticket, supervisor: User) -> None:
    """End the ticket's grant because it goes to another provider; the caller has locked the ticket."""
    if grant := _find_open(ticket):
        _end(grant, ticket, supervisor)


def record_view(ticket: Ticket, *, agent: User, page: str, file: str = "") -> Event:
    """Record in the ticket's chain that a third party's agent looked at it, at which page or file; return the event."""
    with transaction.atomic():
        return audit.record(
            "ticket.viewed_by_third_party", ticket, actor=agent, provider=ticket.provider_id, page=page, file=file
        )


def record_list(agent: User, *, page: str, query: str) -> Event:
    """Record that a third party's agent looked at the list of his provider's tickets (M3); return the event."""
    with transaction.atomic():
        return audit.record("provider.list_viewed", agent, actor=agent, page=page, query=query)


def _require_supervisor(supervisor: User, ticket: Ticket) -> None:
    """Raise NotAllowed unless this person is a supervisor of ours who sees the ticket (M3)."""
    if not policy.may_hand_over(supervisor, ticket):
        raise NotAllowed("Solo un supervisor decide quién ve el correo del cliente.")


def _find_open(ticket: Ticket) -> MailGrant | None:
    """Return the grant of the ticket's provider that nobody has ended, or None."""
    return MailGrant.objects.filter(ticket=ticket, provider_id=ticket.provider_id, ended_at=None).first()


def _list_merged(ticket: Ticket) -> list[Ticket]:
    """Return the tickets merged into this one, which are of the same provider (M11)."""
    return list(TICKET_ROW.filter(pk__in=family.list_merged_pks(ticket.pk)).order_by("pk"))


def _renew(ticket: Ticket, supervisor: User, reason: str) -> MailGrant:
    """End the ticket's grant, which lapsed or was given to a merged ticket alone, and begin a new one; return it.

    The event comes before the row: the database asks for it.
    """
    end_grants(ticket, supervisor)
    instant = now()
    grant = MailGrant(
        ticket=ticket,
        provider=ticket.provider,
        reason=reason,
        granted_by=supervisor,
        granted_at=instant,
        ends_at=instant + timedelta(days=GRANT_DAYS),
    )
    _record("ticket.mail_granted", ticket, grant, supervisor)
    grant.save(force_insert=True)
    return grant


def _end(grant: MailGrant, ticket: Ticket, supervisor: User) -> None:
    """Set the grant ended by the supervisor, after its event."""
    grant.ended_at, grant.ended_by = now(), supervisor
    _record("ticket.mail_hidden", ticket, grant, supervisor)
    grant.save(update_fields=["ended_at", "ended_by"])


def _record(verb: str, ticket: Ticket, grant: MailGrant, supervisor: User) -> Event:
    """Append an event with the whole grant to the ticket's chain, and return it."""
    return audit.record(
        verb,
        ticket,
        actor=supervisor,
        provider_name=ticket.provider.name,
        reason=grant.reason,
        rows={GRANT: describe_grant(grant)},
    )
