"""Make and read one-time keys of forms: a double click acts once, and a form's files belong to one person.

The hidden field holds a signed token: the key itself (128 random bits, under which operations and files are stored),
the name of the form, and a digest of its owner. So a POST that comes after its session expired still proves that the
form was ours and for whom, and nobody can use another person's key.
"""

import secrets
from dataclasses import dataclass
from datetime import timedelta

from django.core import signing

from accounts.models import User
from factureya.core import signing as core_signing

SALT = "tickets.form"  # as it was when only tickets had forms; a form on a screen outlives a new version
# How long a form that arrives without a session is still kept for its owner.
ORPHAN_FORM_AGE = timedelta(days=2)


@dataclass(frozen=True)
class FormKey:
    """Hold what a valid token says."""

    key: str
    form: str
    owner: str

    def belongs_to(self, user: User) -> bool:
        """Return True if the form was given to this person."""
        return core_signing.matches(SALT, str(user.pk), self.owner)

    @property
    def name_in_browser(self) -> str:
        """Return the name under which the browser stores the typed text: its owner, and the form."""
        return f"{self.owner}:{self.form}"

    @property
    def token(self) -> str:
        """Return the value of the hidden field."""
        return signing.dumps([self.key, self.form, self.owner], salt=SALT)


def new(user: User, form: str) -> FormKey:
    """Return a new key for a form that is given to this person now."""
    return FormKey(secrets.token_urlsafe(16), form, owner_of(user))


def adopt(key: str, user: User, form: str) -> FormKey:
    """Return the same key for another form of the same person, so that the uploaded files follow."""
    return FormKey(key, form, owner_of(user))


def read(token: str, form: str, user: User | None) -> FormKey | None:
    """Return the key of a posted form, or None if it is forged, of another form, or another person's.

    Without a user (the session expired) the key must be younger than ORPHAN_FORM_AGE; its owner is checked at the
    login.
    """
    found = _signed(token, None if user else ORPHAN_FORM_AGE)
    if found is None or found.form != form or (user is not None and not found.belongs_to(user)):
        return None
    return found


def read_orphan(token: str) -> FormKey | None:
    """Return the key of any form that comes after its session expired, or None if it is forged or too old."""
    return _signed(token, ORPHAN_FORM_AGE)


def owner_of(user: User) -> str:
    """Return the digest that stands for this person in a key."""
    return core_signing.digest(SALT, str(user.pk))


def _signed(token: str, max_age: timedelta | None) -> FormKey | None:
    """Return the key that a token holds, or None if it is forged or too old."""
    try:
        return FormKey(*signing.loads(token, salt=SALT, max_age=max_age))
    except signing.BadSignature:
        return None
