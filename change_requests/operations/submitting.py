"""How a request is sent and confirmed: a revision with its hash, the registered mail's word, the new mail's code."""

import secrets

from django.conf import settings

from accounts.models import User
from change_requests import notifications, policy
from change_requests.documents.evidence import is_as_sent
from change_requests.kinds import content
from change_requests.kinds.fields import REGISTERED_EMAIL
from change_requests.models import Evidence, FormalRequest
from change_requests.operations._common import (
    SERVICE_SUSPENDED,
    Status,
    add_business_days,
    lock_customer,
    lock_request,
    move_request,
    require_none,
    require_requester,
    reread_person,
)
from change_requests.operations._revisions import send_revision
from change_requests.operations.errors import StaleContent
from factureya.core import audit, signing
from factureya.core.clock import now
from factureya.core.models import Attachment, Event
from factureya.core.refusals import Invalid, NotAllowed, WrongStatus

CODE_SALT = "requests.new-mail"
CODE_TRIES = 5
WRONG_CODE = "Ese código no es correcto. Revíselo en el correo más reciente que enviamos a la dirección nueva."
SPENT_CODE = "Ese código ya no sirve. Pida otro."


def submit(
    pk: int, *, actor: User, channel: str = FormalRequest.Channel.PORTAL, seen: str | None = None
) -> FormalRequest:
    """Send the draft as a new revision; it waits for the link that goes to the registered mail (M8, M19, M20).

    `seen` is the `content.draft_digest` of the page where it was reviewed. Raises NotAllowed (powers not in force),
    Invalid (by field), NoPeople (who could not decide it), Refused (another open request touches the same data),
    StaleContent (it is not what was reviewed), WrongStatus.
    """
    with lock_request(pk, *FormalRequest.EDITABLE) as request:
        files = _load_reviewed_files(request, seen)
        actor = reread_person(actor)
        require_none(policy.why_not_request(actor, request.customer))
        require_requester(request, actor)
        if not request.representative.is_in_force():
            raise NotAllowed("El poder con el que comenzó esta solicitud ya no está vigente; haga otra.")
        lock_customer(request)
        if request.customer.is_suspended:
            raise NotAllowed(SERVICE_SUSPENDED)
        if errors := content.problems(request, evidence=len(files)):
            raise Invalid(errors)
        if lost := [file.name for file in files if not is_as_sent(file, file.sha256)]:
            listed = ", ".join(f"«{name}»" for name in lost)
            raise Invalid({"evidence": f"No se pudo leer {listed}: quítelo y súbalo de nuevo."})
        request.channel = channel
        send_revision(request, content.items_of(request, {}), author=actor)
    return request


def confirm_from_registered_email(pk: int, *, actor: User, revision_no: int) -> FormalRequest:
    """Record that the company confirms the request by the registered mail's link and a login with powers (M8).

    Mesa de control verifies it next. `revision_no` is the revision that the link names. Raises NotAllowed (no powers
    in force), WrongStatus when that is not the current revision, or its time has passed.
    """
    with lock_request(pk, Status.SUBMITTED) as request:
        actor = reread_person(actor)
        require_none(policy.why_not_confirm(actor, request))
        if request.revision_no != revision_no:
            raise WrongStatus("Ese enlace es de una versión anterior; use el del correo más reciente.")
        if request.due_at is not None and now() >= request.due_at:
            raise WrongStatus("El plazo para confirmarla venció; presente otra solicitud.")
        request.confirmed_at = now()
        event = move_request(
            request,
            Status.VERIFYING,
            "request.confirmed",
            actor=actor,
            due_at=add_business_days(settings.VERIFY_BUSINESS_DAYS),
            saved=("confirmed_at",),
            by_link=True,
        )
        notifications.mail_progress("confirmed", request, event, until=request.due_at)
        notifications.mail_your_turn(request, event)
        if address := request.find_new_value(REGISTERED_EMAIL.code):
            _mail_code(request, address, event)
    return request


def send_new_email_code(pk: int, *, actor: User) -> FormalRequest:
    """Mail another code to the new registered mail; the code before stops working. Raises NotAllowed, WrongStatus."""
    with lock_request(pk, Status.VERIFYING, Status.IN_APPROVAL) as request:
        require_none(policy.why_not_request(reread_person(actor), request.customer))
        address = request.find_new_value(REGISTERED_EMAIL.code)
        if not address or request.new_mail_revision == request.revision_no:
            raise WrongStatus("No hay un correo nuevo por confirmar.")
        event = audit.record("request.code_sent", request, actor=actor, revision=request.revision_no)
        _mail_code(request, address, event)
    return request


def confirm_new_email(pk: int, *, code: str, actor: User | None = None) -> FormalRequest:
    """Record that the code which was mailed to the new registered mail was read; until then nobody approves it.

    A code dies after CODE_TRIES wrong tries. Raises WrongStatus, Invalid.
    """
    problem = ""
    with lock_request(pk, Status.VERIFYING, Status.IN_APPROVAL) as request:
        if request.new_mail_revision == request.revision_no:
            return request
        if not request.new_mail_code or request.new_mail_tries >= CODE_TRIES:
            problem = SPENT_CODE
        elif not signing.matches(CODE_SALT, _bind_code(request, code), request.new_mail_code):
            problem = WRONG_CODE
            request.new_mail_tries += 1
            request.save(update_fields=["new_mail_tries"])
        else:
            request.new_mail_revision, request.new_mail_code = request.revision_no, ""
            request.save(update_fields=["new_mail_revision", "new_mail_code"])
            audit.record("request.new_mail_proven", request, actor=actor, revision=request.revision_no)
    if problem:  # outside: the try is counted
        raise Invalid({"code": problem})
    return request


# -- Private -----------------------------------------------------------------------------------------


def _load_reviewed_files(request: FormalRequest, seen: str | None) -> list[Attachment]:
    """Return the draft's evidence. Raises StaleContent when the draft is not the one with the digest `seen`."""
    rows = Evidence.objects.filter(request=request, dropped_at__isnull=True)
    files = [row.attachment for row in rows.select_related("attachment")]
    if seen is not None and seen != content.draft_digest(request, files):
        raise StaleContent
    return files


def _mail_code(request: FormalRequest, address: str, event: Event) -> None:
    """Draw a code of six digits, keep its hash, and mail the code to the new registered mail."""
    code = f"{secrets.randbelow(10**6):06d}"
    request.new_mail_code = signing.digest(CODE_SALT, _bind_code(request, code))
    request.new_mail_sent_at, request.new_mail_tries = now(), 0
    request.save(update_fields=["new_mail_code", "new_mail_sent_at", "new_mail_tries"])
    notifications.mail_new_email_code(request, event, to=address, code=code)


def _bind_code(request: FormalRequest, code: str) -> str:
    """Return the code's digits bound to this request and revision, as they are hashed."""
    digits = "".join(character for character in code if character.isdigit())
    return f"{request.folio}:{request.revision_no}:{digits}"
