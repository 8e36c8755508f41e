"""The memory of a form: its one-time key, and what a person typed into it and could not send yet (M10, M17).

A hidden field carries the key, signed: 128 random bits that operations store and files are kept under, the name of
the form, and a digest of its owner. So a double click does it once, nobody can use another person's key, and a POST
that arrives after the session expired still proves whose form it is.

A draft is kept in the session until its form is sent: when the session expired while somebody wrote (the text comes
back after the same person logs in), when another button of an agent's page was pressed meanwhile, and when the text
of a new ticket is carried to the composer of an open one. One draft per form; the oldest are dropped.
"""

import secrets
from collections.abc import MutableMapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.core import signing

from accounts.models import User
from factureya.core.mail import own_links

SALT = "accounts.form"
ORPHAN_FORM_AGE = timedelta(days=2)  # how long a form that arrives without a session is kept for its owner
MAX_DRAFTS = 8
MAX_FIELDS = 40
MAX_CHARACTERS = 40_000  # of each field; a guided form carried whole to another ticket has 30,000 and some
RECOVERED, CARRIED, BESIDE = "recovered", "carried", "beside"  # why a draft was kept
_SLOT = "form.draft"


@dataclass(frozen=True)
class FormKey:
    """Hold what a good token says: the key, the name of the form, and the digest of its owner."""

    key: str
    form: str
    owner: str

    def belongs_to(self, user: User) -> bool:
        """Return whether the form was given to this person."""
        return own_links.matches_digest(SALT, str(user.pk), self.owner)

    @property
    def name_in_browser(self) -> str:
        """Return the name under which the browser keeps the typed text: the owner and the form."""
        return f"{self.owner}:{self.form}"

    @property
    def token(self) -> str:
        """Return the value of the hidden field."""
        return signing.dumps([self.key, self.form, self.owner], salt=SALT)


def new_key(user: User, form: str) -> FormKey:
    """Return a new key for a form that is given to this person now."""
    return FormKey(secrets.token_urlsafe(16), form, digest_owner(user))


def adopt_key(key: str, user: User, form: str) -> FormKey:
    """Return the same key for another form of the same person, so that the uploaded files follow."""
    return FormKey(key, form, digest_owner(user))


def read_key(token: str, form: str, user: User | None) -> FormKey | None:
    """Return the key of a posted form, or None when it is forged, of another form, or another person's.

    Without a user (the session expired) it must be younger than ORPHAN_FORM_AGE; the login asks whose it is.
    """
    found = _read_signed(token, None if user else ORPHAN_FORM_AGE)
    if found is None or found.form != form or (user is not None and not found.belongs_to(user)):
        return None
    return found


def read_orphan_key(token: str) -> FormKey | None:
    """Return the key of a form that arrives after its session expired, of any form; None when it is forged."""
    return _read_signed(token, ORPHAN_FORM_AGE)


def digest_owner(user: User) -> str:
    """Return the digest that stands for this person in a key."""
    return own_links.make_digest(SALT, str(user.pk))


def _read_signed(token: str, max_age: timedelta | None) -> FormKey | None:
    """Return the key in a signed token, or None when the signature is wrong or older than `max_age`."""
    try:
        return FormKey(*signing.loads(token, salt=SALT, max_age=max_age))
    except signing.BadSignature:
        return None


def keep_draft(session: MutableMapping[str, Any], key: FormKey, fields: dict[str, str], *, why: str) -> None:
    """Keep the fields of this form for its owner, in place of an older draft of the same form."""
    filled = [(name, str(text)[:MAX_CHARACTERS]) for name, text in fields.items() if text]
    others = {form: draft for form, draft in _read_drafts(session).items() if form != key.form}
    draft = {"key": key.key, "form": key.form, "owner": key.owner, "why": why, "fields": dict(filled[:MAX_FIELDS])}
    session[_SLOT] = dict([*others.items(), (key.form, draft)][-MAX_DRAFTS:])


def find_draft(session: MutableMapping[str, Any], user: User, form: str) -> tuple[FormKey, dict[str, str], str] | None:
    """Return the draft of this form, if it is this person's: its key, its fields, and why it was kept."""
    kept = _read_drafts(session).get(form)
    if not kept:
        return None
    key = FormKey(kept["key"], kept["form"], kept["owner"])
    return (key, kept["fields"], kept["why"]) if key.belongs_to(user) else None


def forget_draft(session: MutableMapping[str, Any], key: FormKey) -> None:
    """Forget the draft of a form that was sent. The session is changed only if there is one."""
    kept = _read_drafts(session).get(key.form)
    if kept and kept["key"] == key.key:
        forget_form(session, key.form)


def forget_form(session: MutableMapping[str, Any], form: str) -> None:
    """Forget the draft of this form, whatever its key. The session is changed only if there is one."""
    kept = _read_drafts(session)
    if form not in kept:
        return
    del session[_SLOT]
    if others := {name: draft for name, draft in kept.items() if name != form}:
        session[_SLOT] = others


def read_all_drafts(session: MutableMapping[str, Any]) -> list[tuple[str, dict[str, str]]]:
    """Return every draft of the session as its form and its fields."""
    return [(form, draft["fields"]) for form, draft in _read_drafts(session).items()]


def _read_drafts(session: MutableMapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the drafts of the session by form."""
    kept: dict[str, dict[str, Any]] = session.get(_SLOT) or {}
    return kept
