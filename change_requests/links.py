"""Signed links in the mails of formal requests: confirm it, «no fui yo», set a password (M7, M8).

Each link is dated and checked at use. None holds a secret of its own, and opening one decides nothing: GET shows the
page, POST acts.
"""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.core import signing

from accounts.models import User
from change_requests.models import FormalRequest
from factureya.core import clock
from factureya.core.mail import own_links
from factureya.core.models import OutboxMessage

CONFIRM_SALT, NOT_ME_SALT, PASSWORD_SALT = own_links.CONFIRM.salt, own_links.NOT_ME.salt, own_links.PASSWORD.salt


class Objector(NamedTuple):
    """Name who says «no fui yo»: the mailbox, empty when it is not known, and in which capacity it was told."""

    mailbox: str = ""
    role: str = ""


class MailedLink(NamedTuple):
    """Say which link of a mail was used, without the link: its hash, and when it was mailed."""

    token_sha256: str = ""
    sent_at: datetime | None = None

    def as_data(self) -> dict[str, str | None]:
        """Return what an event keeps of the link."""
        return {"token_sha256": self.token_sha256, "sent_at": self.sent_at.isoformat() if self.sent_at else None}


NO_LINK = MailedLink()


class BadLink(ValueError):
    """Say that the link is forged, expired, used, or void."""


def make_confirm_url(request: FormalRequest) -> str:
    """Return the link by which the registered mail address confirms this version; void if the address changes (M8)."""
    lifetime = timedelta(hours=settings.REQUEST_CONFIRM_HOURS)
    address_digest = own_links.make_digest(CONFIRM_SALT, find_confirming_mail(request).lower())
    return _make_url(own_links.CONFIRM, lifetime, request.folio, request.revision_no, address_digest)


def make_not_me_url(request: FormalRequest, address: str, role: str) -> str:
    """Return the link «no fui yo» for a mail to this address, to object to a request in this `role` (M8)."""
    lifetime = timedelta(days=settings.NOT_ME_DAYS)
    address_digest = own_links.make_digest(NOT_ME_SALT, address.lower())
    return _make_url(own_links.NOT_ME, lifetime, request.folio, str(role), address_digest)


def make_password_url(person: User, request: FormalRequest) -> str:
    """Return the single-use link by which this person sets a new password, after a *cambio de clave* (M7)."""
    lifetime = timedelta(minutes=settings.PASSWORD_LINK_MINUTES)
    state_digest = own_links.make_digest(PASSWORD_SALT, _describe_person(person))
    return _make_url(own_links.PASSWORD, lifetime, request.folio, person.pk, state_digest)


def find_confirming_mail(request: FormalRequest) -> str:
    """Return the address that confirms the request: the company's registered mail (M8).

    A request that undoes a change of that mail is confirmed from the old address, because whoever stole the account
    has the new one. If what it undoes is itself such an undoing, today's address confirms it, as for any other request.
    """
    original = request.revert_of
    if original is None or original.revert_of_id is not None:
        return request.customer.registered_email
    items = json.loads(original.revisions.get(no=original.revision_no).payload)["items"]
    old_mail = next((item["old"] for item in items if item["field"] == "registered_email"), "")
    return old_mail or request.customer.registered_email


def read_confirm_link(token: str) -> FormalRequest:
    """Return the request that a link confirms. Raises BadLink when its version or the registered mail changed since."""
    folio, revision_no, digest = _read_token(CONFIRM_SALT, token)
    request = _find_request(folio)
    address = find_confirming_mail(request).lower()
    if request.revision_no != revision_no or not own_links.matches_digest(CONFIRM_SALT, address, digest):
        raise BadLink("another revision or mail")
    return request


def read_not_me_link(token: str) -> tuple[FormalRequest, Objector]:
    """Return the request of a «no fui yo» link, and who objects: the mailbox that got the link. Raises BadLink."""
    folio, *role_and_digest = _read_token(NOT_ME_SALT, token)
    role, digest = role_and_digest if len(role_and_digest) == 2 else ("", "")  # older links carry only the folio
    request = _find_request(folio)
    return request, Objector(_find_mailed_address(request, digest), role)


def describe_confirm_link(token: str) -> MailedLink:
    """Return the hash of a link to confirm a request, and when it was mailed. Raises BadLink."""
    return _describe_link(CONFIRM_SALT, token, timedelta(hours=settings.REQUEST_CONFIRM_HOURS))


def describe_not_me_link(token: str) -> MailedLink:
    """Return the hash of a link «no fui yo», and when it was mailed. Raises BadLink."""
    return _describe_link(NOT_ME_SALT, token, timedelta(days=settings.NOT_ME_DAYS))


def read_password_link(token: str) -> tuple[User, str]:
    """Return the person who sets a password by this link, and the folio. Raises BadLink if used, void, or for staff."""
    folio, pk, _state_digest = _read_token(PASSWORD_SALT, token)
    person = User.objects.filter(pk=pk, is_active=True, is_staff=False).first()
    if person is None or not is_unused(person, token):
        raise BadLink("used or void")
    return person, folio


def is_unused(person: User, token: str) -> bool:
    """Return True if nothing that the password link depends on has changed; callers ask again of the locked row."""
    _folio, _pk, state_digest = _read_token(PASSWORD_SALT, token)
    return own_links.matches_digest(PASSWORD_SALT, _describe_person(person), state_digest)


def _describe_person(person: User) -> str:
    """Return the facts that a password link depends on; once one of them changes, the link is void."""
    return f"{person.pk}:{person.email.lower()}:{person.password}:{person.session_epoch}"


def _make_url(kind: own_links.Kind, lifetime: timedelta, *values: Any) -> str:
    """Return a link of this kind for a mail. Its signed token carries these values and expires after `lifetime`."""
    expires_at = (clock.now() + lifetime).timestamp()
    token = signing.dumps([*values, expires_at], salt=kind.salt, compress=True)
    return own_links.make_url(kind, token)


def _read_token(salt: str, token: str) -> list[Any]:
    """Return the values that a link's token carries. Raises BadLink when the token is forged or expired."""
    values, _ = _read_dated_token(salt, token)
    return values


def _read_dated_token(salt: str, token: str) -> tuple[list[Any], float]:
    """Return what a link's token carries, and when it expires. Raises BadLink when it is forged or has expired."""
    try:
        *values, expires_at = signing.loads(token, salt=salt)
    except (signing.BadSignature, ValueError, TypeError) as error:
        raise BadLink("forged") from error
    if expires_at <= clock.now().timestamp():
        raise BadLink("expired")
    return values, expires_at


def _describe_link(salt: str, token: str, lifetime: timedelta) -> MailedLink:
    """Return the hash of a link's token, and when it was made: `lifetime` before it expires. Raises BadLink."""
    _, expires_at = _read_dated_token(salt, token)
    made_at = datetime.fromtimestamp(int(expires_at - lifetime.total_seconds()), UTC)
    return MailedLink(hashlib.sha256(token.encode()).hexdigest(), made_at)


def _find_mailed_address(request: FormalRequest, address_digest: str) -> str:
    """Return the address that got mail about the request and whose digest is in the link; empty if there is none."""
    addresses = OutboxMessage.objects.filter(about=request.chain).values_list("to", flat=True)
    for address in addresses.order_by("to").distinct():
        if address_digest and own_links.matches_digest(NOT_ME_SALT, address.lower(), address_digest):
            return str(address)
    return ""


def _find_request(folio: str) -> FormalRequest:
    """Return the request with this folio; its company and `revert_of` come with it. Raises BadLink if there is none."""
    request = FormalRequest.objects.select_related("customer", "revert_of").filter(folio=folio).first()
    if request is None:
        raise BadLink("no such request")
    return request
