"""Signed links in mails: one contact, one ticket, 30 days (spec: interfaces.md, /enlace/<token>/).

The token carries no secret of its own: it is signed, dated and bound to the contact's present mail, so it is void
when the contact is disabled or his mail changes. Expiry is checked at every use, also after the exchange for a
session.
"""

from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.core import signing

from accounts.models import User
from factureya.core import clock
from factureya.core import signing as core_signing
from factureya.core.mail import own_links
from tickets import policy
from tickets.models import Ticket

SALT = own_links.TICKET.salt


class BadLink(ValueError):
    """The link is forged, expired, or void."""


@dataclass(frozen=True)
class Grant:
    """What a good link gives: this contact may read and write this ticket until `expires_at` (Unix seconds)."""

    user_pk: int
    number: str
    mail_digest: str
    expires_at: int


def token_for(user: User, ticket: Ticket) -> str:
    """Return the token of a link for this contact and ticket."""
    expires_at = int((clock.now() + timedelta(days=settings.LINK_DAYS)).timestamp())
    return signing.dumps(
        [user.pk, ticket.number, core_signing.digest(SALT, user.email.lower()), expires_at], salt=SALT, compress=True
    )


def url_for(user: User, ticket: Ticket) -> str:
    """Return the absolute address of the link, for a mail, which is rendered without a request."""
    return own_links.make_url(own_links.TICKET, token_for(user, ticket))


def read_token(token: str) -> Grant:
    """Return the grant inside a token; call `find_holder` before acting on it. Raises BadLink when it is forged."""
    try:
        user_pk, number, digest, expires_at = signing.loads(token, salt=SALT)
    except (signing.BadSignature, ValueError, TypeError) as error:
        raise BadLink(token) from error
    return Grant(user_pk, number, digest, expires_at)


def find_person(grant: Grant) -> User:
    """Return the contact of a grant, checked now: link in date, person active, mail unchanged. Raises BadLink.

    Whether the person may still see the ticket is another question: `find_holder`, or `visible_to` on its page.
    """
    people = User.objects.select_related("contact__customer")
    user = people.filter(pk=grant.user_pk, is_active=True, is_staff=False).first()
    if user is None or grant.expires_at <= clock.now().timestamp():
        raise BadLink("expired or disabled")
    if not core_signing.matches(SALT, user.email.lower(), grant.mail_digest):  # keyed: a token discloses no address
        raise BadLink("mail changed")
    return user


def find_holder(grant: Grant) -> User:
    """Return the contact of a grant who may still see the ticket. Raises BadLink."""
    user = find_person(grant)
    ticket = Ticket.objects.filter(number=grant.number).first()
    if ticket is None or not policy.may_write_as_customer(user, ticket):
        raise BadLink("not his ticket any more")
    return user
