"""Find who acts on a ticket's page: the person who is logged in, or the contact of a signed link in a mail (M16).

A link is for one contact, one ticket, 30 days. Its token is signed, dated and bound to the contact's present address,
so it is void when the contact is disabled or the address changes. A good link is exchanged for a grant kept in the
session, which is checked again at every use. Who is logged in acts as himself, never by a link.
"""

from collections.abc import MutableMapping
from dataclasses import asdict, dataclass
from typing import Any

from django.core import signing

from accounts.models import User
from factureya.core import clock
from factureya.core.mail import own_links
from tickets import policy
from tickets.merging import family
from tickets.models import Ticket, TicketFile

_SLOT = "tickets.links"
MAX_GRANTS = 12  # the oldest give way


class BadLink(ValueError):
    """Say that the link is forged, expired, or void."""


@dataclass(frozen=True)
class Grant:
    """Hold what a good link gives: this contact may read and write this ticket until `expires_at` (Unix seconds)."""

    user_pk: int
    number: str
    mail_digest: str
    expires_at: int


@dataclass(frozen=True)
class Actor:
    """Hold the person on a ticket's page; `grant` is the link he came by, or None when he is logged in."""

    user: User
    grant: Grant | None = None


def read_token(token: str) -> Grant:
    """Return the contact and the ticket that a mail's link is for. Raises BadLink when we did not sign its token."""
    try:
        user_pk, number, digest, expires_at = signing.loads(token, salt=own_links.TICKET.salt)
    except (signing.BadSignature, ValueError, TypeError) as error:
        raise BadLink(token) from error
    return Grant(user_pk, number, digest, expires_at)


def find_person(grant: Grant) -> User:
    """Return the contact for whom a mail's signed link was made; `grant` is what the link says.

    Raises BadLink when the link has expired, the contact is disabled, or the contact's address has changed. Whether
    the contact may still see the ticket is not checked here: `find_holder` does it, or `visible_to` on its page.
    """
    contacts = User.objects.select_related("contact__customer")
    user = contacts.filter(pk=grant.user_pk, is_active=True, is_staff=False).first()
    if user is None or grant.expires_at <= clock.now().timestamp():
        raise BadLink("expired or disabled")
    if not own_links.matches_digest(own_links.TICKET.salt, user.email.lower(), grant.mail_digest):
        raise BadLink("mail changed")
    return user


def find_holder(grant: Grant) -> User:
    """Return the contact for whom a mail's link was made. Raises BadLink if it is void or he may not see its ticket."""
    user = find_person(grant)
    ticket = Ticket.objects.filter(number=grant.number).first()
    if ticket is None or not policy.may_write_as_customer(user, ticket):
        raise BadLink("not his ticket any more")
    return user


def grant_access(session: MutableMapping[str, Any], grant: Grant) -> None:
    """Remember in the session that a checked link gives access to a ticket; only the latest MAX_GRANTS are kept."""
    grants = {number: fields for number, fields in _read_grants(session).items() if number != grant.number}
    grants[grant.number] = asdict(grant)
    session[_SLOT] = dict(list(grants.items())[-MAX_GRANTS:])  # the latest are at the end


def find_actor(user: Any, session: MutableMapping[str, Any], number: str) -> Actor | None:
    """Return who acts on the page of the ticket `number`, or None when the person must log in.

    It is the person who is logged in, or else the contact whose signed link this session holds for the ticket. A link
    that is void by now is forgotten. `visible_to` decides whether the person may see the ticket.
    """
    if user.is_authenticated:
        return Actor(user)
    fields = _read_grants(session).get(number)
    if fields is None:
        return None
    grant = Grant(**fields)
    try:
        return Actor(find_person(grant), grant)
    except BadLink:
        drop_grant(session, number)
        return None


def find_actor_of_file(user: Any, session: MutableMapping[str, Any], file: TicketFile) -> Actor | None:
    """Return who fetches a file, or None when the person must log in: by a link, of any page on which it is read."""
    actors = (find_actor(user, session, number) for number in family.list_page_numbers(file))
    return next(filter(None, actors), None)


def extend_grant(session: MutableMapping[str, Any], grant: Grant, ticket: Ticket) -> None:
    """Let a contact who came by a mail's link also see another ticket, until the link ends (M11, M12).

    It is the one that his reply opened, or the one to which the number of his ticket leads since a merge.
    """
    grant_access(session, Grant(**{**asdict(grant), "number": ticket.number}))


def drop_grant(session: MutableMapping[str, Any], number: str) -> None:
    """Forget in the session the link that gave access to this ticket, because it is void."""
    session[_SLOT] = {n: fields for n, fields in _read_grants(session).items() if n != number}


def _read_grants(session: MutableMapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the accesses that this session got by opening signed links: ticket number → fields of the Grant."""
    grants: dict[str, dict[str, Any]] = session.get(_SLOT, {})
    return grants
