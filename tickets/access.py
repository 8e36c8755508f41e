"""Who is acting on a ticket's page: the person who is logged in, or the contact of a signed link (M16).

A good link is exchanged for a grant kept in the session: one contact, one ticket. The grant is checked again at
every use, and dropped when it is void. Who is logged in acts as himself, never by a link.
"""

from collections.abc import MutableMapping
from dataclasses import asdict, dataclass
from typing import Any

from accounts.models import User
from tickets import links
from tickets.models import Ticket

_SLOT = "tickets.links"
MAX_GRANTS = 12  # the oldest give way


@dataclass(frozen=True)
class Actor:
    """A person on a ticket's page; `grant` is the link he came by, or None when he is logged in."""

    user: User
    grant: links.Grant | None = None


def grant_access(session: MutableMapping[str, Any], grant: links.Grant) -> None:
    """Remember a grant that `links.find_holder` found good."""
    kept = {number: fields for number, fields in _read_grants(session).items() if number != grant.number}
    kept[grant.number] = asdict(grant)
    session[_SLOT] = dict(list(kept.items())[-MAX_GRANTS:])


def find_actor(user: Any, session: MutableMapping[str, Any], number: str) -> Actor | None:
    """Return who acts on this ticket's page, or None when the person must log in.

    For the contact of a link this checks that the link is in date and the person is the same. `visible_to` decides
    whether the person may see the ticket, as for everybody.
    """
    if user.is_authenticated:
        return Actor(user)
    fields = _read_grants(session).get(number)
    if fields is None:
        return None
    grant = links.Grant(**fields)
    try:
        return Actor(links.find_person(grant), grant)
    except links.BadLink:
        drop_grant(session, number)
        return None


def extend_grant(session: MutableMapping[str, Any], grant: links.Grant, ticket: Ticket) -> None:
    """Let the contact of a link see the ticket that his own reply just opened, until the link's end (M12)."""
    grant_access(session, links.Grant(**{**asdict(grant), "number": ticket.number}))


def drop_grant(session: MutableMapping[str, Any], number: str) -> None:
    """Forget a grant that is void."""
    session[_SLOT] = {n: fields for n, fields in _read_grants(session).items() if n != number}


def _read_grants(session: MutableMapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the grants of the session by ticket number."""
    kept: dict[str, dict[str, Any]] = session.get(_SLOT, {})
    return kept
