"""Cambio de clave: the person sets a new password by the single-use link (M7)."""

from django.contrib.auth.hashers import make_password
from django.db import transaction

from accounts.models import User
from change_requests import links
from factureya.core import audit


def set_password(token: str, *, password: str) -> User:
    """Set the password of the link's person, once; every session of before stays ended. Raises links.BadLink."""
    person, folio = links.read_set_password(token)
    hashed = make_password(password)  # slow on purpose, so not while the row is locked
    with transaction.atomic():
        locked = User.objects.select_for_update().get(pk=person.pk)
        if not locked.is_active or not links.is_unused(locked, links.state_in(token)):
            raise links.BadLink("used or void")
        locked.password = hashed
        locked.session_epoch += 1
        locked.save(update_fields=["password", "session_epoch"])
        audit.record("person.password_set_by_request", locked, actor=locked, folio=folio)
    return locked
