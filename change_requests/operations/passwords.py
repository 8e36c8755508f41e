"""Cambio de clave: the person sets a new password by the single-use link, unless its mail came back (M7)."""

from django.contrib.auth.hashers import make_password
from django.db import transaction

from accounts import operations as accounts
from accounts.models import User
from change_requests import links, notifications
from change_requests.models import FormalRequest
from change_requests.operations._locking import locked
from factureya.core import audit
from factureya.core.models import OutboxMessage


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


def password_link_undelivered(mail: OutboxMessage) -> None:
    """Void the link whose mail was not delivered, and tell the company and mesa de control (M7, M16).

    It came back to others than the person. One that was used before stays used.
    """
    request = FormalRequest.objects.filter(pk=mail.about.partition(":")[2]).first()
    person = User.objects.filter(email=mail.to, is_active=True, is_staff=False).first()
    if request is None or person is None:
        return
    with locked(request.pk, *FormalRequest.Status, suspended=True) as request:
        if accounts.void_password_link(person.pk, folio=request.folio):
            event = audit.record("request.link_undelivered", request, actor=None, mail=mail.key)
            notifications.link_undelivered(request, event, to=mail.to)
