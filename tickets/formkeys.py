"""The one-time keys of the forms of tickets (accounts.formkeys): what their operations answer to a used one."""

from accounts.formkeys import SALT, FormKey, adopt, new, read
from accounts.models import User
from factureya.core import attachments
from tickets import operations

__all__ = ["NEW", "SALT", "FormKey", "adopt", "after", "new", "read"]

NEW = "nuevo"  # the form of a new ticket; those of a ticket carry its number


def after(refusal: Exception, key: FormKey, user: User) -> FormKey:
    """The key of the form shown after an operation refused: a fresh one, with the files, if this one was used."""
    if not isinstance(refusal, operations.FormUsed):
        return key
    fresh = new(user, key.form)
    attachments.move(key.key, fresh.key)
    return fresh
