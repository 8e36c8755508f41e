"""One-time keys of forms: a double click or a retry does it once, and the files of a form belong to one person.

The hidden field carries a signed token: the key itself (128 random bits, what operations store and files are kept
under), which form it is of, and a digest of whose it is. So a POST that arrives after the session expired still
proves that the form was ours and for whom; nobody can use another person's key.
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
    """What a good token says."""

    key: str
    form: str
    owner: str

    def belongs_to(self, user: User) -> bool:
        """Whether the form was given to this person."""
        return core_signing.matches(SALT, str(user.pk), self.owner)

    @property
    def name_in_browser(self) -> str:
        """Return what the browser keeps the typed text under: whose it is, and which form."""
        return f"{self.owner}:{self.form}"

    @property
    def token(self) -> str:
        """The hidden field's value."""
        return signing.dumps([self.key, self.form, self.owner], salt=SALT)


def new(user: User, form: str) -> FormKey:
    """A fresh key for a form given to this person now."""
    return FormKey(secrets.token_urlsafe(16), form, owner_of(user))


def adopt(key: str, user: User, form: str) -> FormKey:
    """The same key in another form of the same person, so that what was uploaded there follows."""
    return FormKey(key, form, owner_of(user))


def read(token: str, form: str, user: User | None) -> FormKey | None:
    """The key of a posted form, or None when it is forged, of another form, or another person's.

    Without a user (the session expired) it must be younger than ORPHAN_FORM_AGE; whose it is is asked at login.
    """
    found = _signed(token, None if user else ORPHAN_FORM_AGE)
    if found is None or found.form != form or (user is not None and not found.belongs_to(user)):
        return None
    return found


def read_orphan(token: str) -> FormKey | None:
    """Return the key of a form that arrives after its session expired, whichever form it is of; None when forged."""
    return _signed(token, ORPHAN_FORM_AGE)


def owner_of(user: User) -> str:
    """Return the digest that stands for this person in a key."""
    return core_signing.digest(SALT, str(user.pk))


def _signed(token: str, max_age: timedelta | None) -> FormKey | None:
    try:
        return FormKey(*signing.loads(token, salt=SALT, max_age=max_age))
    except signing.BadSignature:
        return None
