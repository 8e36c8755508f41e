"""The one-time keys of the forms of tickets (accounts.web.form_keys): what their operations answer to a used one."""

from accounts.models import User
from accounts.web.form_keys import SALT, FormKey, adopt, new, read
from accounts.web.mixins import KeyedForm
from factureya.core.files import store
from tickets import operations

__all__ = ["NEW", "SALT", "FormKey", "adopt", "after", "new", "read"]

NEW = "nuevo"  # the form of a new ticket; those of a ticket carry its number


def after(refusal: Exception, key: FormKey, user: User) -> FormKey:
    """The key of the form shown after an operation refused: a fresh one, with the files, if this one was used."""
    if not isinstance(refusal, operations.FormUsed):
        return key
    fresh = new(user, key.form)
    store.move_files(key.key, fresh.key)
    return fresh


class FormWithFiles(KeyedForm):
    """The part of a view that receives a form with a one-time key and files."""

    def key_after(self, refusal: Exception, key: FormKey, user: User) -> FormKey:
        """Return the key of the form that is shown again, as `after` says."""
        return after(refusal, key, user)
