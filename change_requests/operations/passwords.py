"""*Cambio de clave*: the person sets a new password by a single-use link, unless its mail came back (M7)."""

from django.contrib.auth.hashers import make_password
from django.db import transaction

from accounts import operations as accounts
from accounts.models import UNPROVEN, Proof, User
from change_requests import links, notifications
from change_requests.models import FormalRequest
from change_requests.operations._common import Status, lock_request
from change_requests.record.facts import hash_text
from factureya.core import audit
from factureya.core.locking import lock
from factureya.core.models import OutboxMessage


def set_password(token: str, *, password: str, proof: Proof | None = None) -> User:
    """Set the password of the person whose mailed link has this token; the link works once. Raises links.BadLink."""
    link_owner, folio = links.read_password_link(token)
    hashed = make_password(password)  # slow on purpose, so not while the row is locked
    with transaction.atomic():
        person = lock(User.objects.all(), link_owner.pk)
        if not person.is_active or not links.is_unused(person, token):
            raise links.BadLink("used or void")
        person.password = hashed
        person.session_epoch += 1  # ends the open sessions
        person.save(update_fields=["password", "session_epoch"])
        audit.record(
            "person.password_set_by_request",
            person,
            actor=person,
            folio=folio,
            auth=(proof or UNPROVEN).as_data(),
            token_sha256=hash_text(token),
        )
    return person


def void_undelivered_password_link(mail: OutboxMessage) -> None:
    """Void an unused link to set a password whose mail came back; tell the company and mesa de control (M7, M16)."""
    request = FormalRequest.objects.filter(pk=mail.about.partition(":")[2]).first()  # "request:key"
    person = User.objects.filter(email=mail.to, is_active=True, is_staff=False).first()
    if request is None or person is None:
        return
    with lock_request(request.pk, *Status, is_stopped_too=True) as request:
        if accounts.void_password_link(person.pk, folio=request.folio):
            event = audit.record("request.link_undelivered", request, actor=None, mail=mail.key)
            notifications.mail_link_undelivered(request, event, to=mail.to)
