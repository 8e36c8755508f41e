"""Signed links in the mails of formal requests: confirm it, «no fui yo», set a password (M7, M8).

Each is dated and checked at use. None carries a secret of its own and none decides by being opened: the page shows,
POST acts.
"""

import json
from datetime import timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.core import signing

from accounts.models import User
from change_requests.models import FormalRequest
from factureya.core import clock
from factureya.core import signing as core_signing
from factureya.core.mail import own_links
from factureya.core.models import OutboxMessage

CONFIRM, NOT_ME, PASSWORD = own_links.CONFIRM.salt, own_links.NOT_ME.salt, own_links.PASSWORD.salt


class Objector(NamedTuple):
    """Who says «no fui yo»: the mailbox, empty when it is not known, and in which capacity it was told."""

    mailbox: str = ""
    role: str = ""


class BadLink(ValueError):
    """The link is forged, expired, used, or void."""


def confirm_url(request: FormalRequest) -> str:
    """The link that confirms this revision from the company's registered mail (M8)."""
    lasts = timedelta(hours=settings.REQUEST_CONFIRM_HOURS)
    mail = core_signing.digest(CONFIRM, confirmed_from(request).lower())
    return _url(own_links.CONFIRM, lasts, request.folio, request.revision_no, mail)


def confirmed_from(request: FormalRequest) -> str:
    """The address that confirms: the company's registered mail (M8).

    What undoes a change of that mail is confirmed from the old one: whoever stole the account has the new one. What
    undoes that again is confirmed as any change, from today's.
    """
    original = request.revert_of
    if original is not None and original.revert_of_id is not None:
        original = None
    undone = original.revisions.get(no=original.revision_no) if original else None
    items = json.loads(undone.payload)["items"] if undone else []
    old = [item["old"] for item in items if item["field"] == "registered_email"]
    return old[0] if old and old[0] else request.customer.registered_email


def not_me_url(request: FormalRequest, address: str, role: str) -> str:
    """Return the link «no fui yo» of one mailbox: it stops the request or reports it, and names who objects (M8)."""
    lasts = timedelta(days=settings.NOT_ME_DAYS)
    mailbox = core_signing.digest(NOT_ME, address.lower())
    return _url(own_links.NOT_ME, lasts, request.folio, str(role), mailbox)


def set_password_url(person: User, request: FormalRequest) -> str:
    """The link with which the person sets a new password, once (M7)."""
    lasts = timedelta(minutes=settings.PASSWORD_LINK_MINUTES)
    return _url(own_links.PASSWORD, lasts, request.folio, person.pk, _state(person))


def read_confirm(token: str) -> FormalRequest:
    """The request of a confirmation link: this revision still waits, and the registered mail is still that one."""
    folio, revision_no, mail = _read(CONFIRM, token)
    request = _request(folio)
    address = confirmed_from(request).lower()
    if request.revision_no != revision_no or not core_signing.matches(CONFIRM, address, mail):
        raise BadLink("another revision or mail")
    return request


def read_not_me(token: str) -> tuple[FormalRequest, Objector]:
    """Return the request of a «no fui yo» and whose mailbox says it; what it does is asked of the operation.

    The links of before named nobody.
    """
    folio, *who = _read(NOT_ME, token)
    role, mailbox = who if len(who) == 2 else ("", "")
    request = _request(folio)
    return request, Objector(_address(request, mailbox), role)


def read_set_password(token: str) -> tuple[User, str]:
    """The person of a password link, and the folio; void once the password or the mail changed."""
    folio, pk, state = _read(PASSWORD, token)
    person = User.objects.filter(pk=pk, is_active=True, is_staff=False).first()
    if person is None or not is_unused(person, state):
        raise BadLink("used or void")
    return person, folio


def is_unused(person: User, state: str) -> bool:
    """Whether nothing that the link depends on has changed since; asked again of the locked row."""
    return core_signing.matches(PASSWORD, _content(person), state)


def state_in(token: str) -> str:
    """The part of a password link that is compared with the locked person."""
    state: str = _read(PASSWORD, token)[2]
    return state


def _state(person: User) -> str:
    return core_signing.digest(PASSWORD, _content(person))


def _content(person: User) -> str:
    """What a used link has changed: the password, and the number of times that sessions were ended."""
    return f"{person.pk}:{person.email.lower()}:{person.password}:{person.session_epoch}"


def _url(kind: own_links.Kind, lasts: timedelta, *values: Any) -> str:
    expires_at = (clock.now() + lasts).timestamp()
    token = signing.dumps([*values, expires_at], salt=kind.salt, compress=True)
    return own_links.make_url(kind, token)


def _read(salt: str, token: str) -> list[Any]:
    try:
        *values, expires_at = signing.loads(token, salt=salt)
    except (signing.BadSignature, ValueError, TypeError) as error:
        raise BadLink("forged") from error
    if expires_at <= clock.now().timestamp():
        raise BadLink("expired")
    return values


def _address(request: FormalRequest, mailbox: str) -> str:
    """Return the address of a digest, among those that were told about the request; empty when none is."""
    told = OutboxMessage.objects.filter(about=request.chain).values_list("to", flat=True)
    for address in told.order_by("to").distinct():
        if mailbox and core_signing.matches(NOT_ME, address.lower(), mailbox):
            return str(address)
    return ""


def _request(folio: str) -> FormalRequest:
    request = FormalRequest.objects.select_related("customer", "revert_of").filter(folio=folio).first()
    if request is None:
        raise BadLink("no such request")
    return request
