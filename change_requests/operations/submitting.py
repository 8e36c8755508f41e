"""How a request is sent and confirmed: a revision with its hash, the registered mail's word, the new mail's code."""

import secrets

from django.conf import settings

from accounts.models import Proof, User
from change_requests import notifications, policy
from change_requests.documents.evidence import is_as_sent
from change_requests.kinds import content
from change_requests.kinds.fields import REGISTERED_EMAIL
from change_requests.links import NO_LINK, MailedLink, find_confirming_mail
from change_requests.models import Evidence, FormalRequest
from change_requests.operations._common import (
    SERVICE_SUSPENDED,
    StaleContent,
    Status,
    WrongCode,
    add_business_days,
    lock_customer,
    lock_request,
    move_request,
    record_act,
    require_requester,
    reread_allowed,
    save_with_act,
)
from change_requests.operations._revisions import send_revision
from change_requests.record.facts import show_instant
from factureya.core.clock import now
from factureya.core.mail import own_links
from factureya.core.models import Event
from factureya.core.refusals import Invalid, NotAllowed, WrongStatus

CODE_SALT = "requests.new-mail"
CODE_TRIES = 5
WRONG_CODE = "Ese código no es correcto. Revíselo en el correo más reciente que enviamos a la dirección nueva."


def submit(
    pk: int,
    *,
    actor: User,
    channel: str = FormalRequest.Channel.PORTAL,
    seen: str | None = None,
    proof: Proof | None = None,
) -> FormalRequest:
    """Send the draft as a new revision, which the company confirms by a link in the registered mail (M8, M19, M20).

    `seen` is the hash on the page where the draft was reviewed, or None without such a page. Raises StaleContent
    if the draft changed since, Invalid for wrong fields, and NoPeople if nobody could decide the request.
    """
    with lock_request(pk, *FormalRequest.EDITABLE, proof=proof) as request:
        evidence = _load_reviewed_evidence(request, seen)
        files = [row.attachment for row in evidence]
        actor = reread_allowed(actor, policy.why_not_request, request.customer)
        require_requester(request, actor)
        if not request.representative.is_in_force():
            raise NotAllowed("El poder con el que comenzó esta solicitud ya no está vigente; haga otra.")
        lock_customer(request)
        if request.customer.is_suspended:
            raise NotAllowed(SERVICE_SUSPENDED)
        if errors := content.find_problems(request, evidence=len(files)):
            raise Invalid(errors)
        if lost_files := [file.name for file in files if not is_as_sent(file, file.sha256)]:
            listed = ", ".join(f"«{name}»" for name in lost_files)
            raise Invalid({"evidence": f"No se pudo leer {listed}: quítelo y súbalo de nuevo."})
        request.channel = channel
        send_revision(request, content.find_items(request, {}), author=actor, evidence=evidence)
    return request


def confirm_from_registered_email(
    pk: int, *, actor: User, revision_no: int, link: MailedLink = NO_LINK, proof: Proof | None = None
) -> FormalRequest:
    """Record that a person with powers confirmed revision `revision_no`, by the link in the registered mail (M8).

    `link` is what is known of the link: when it was mailed, and its hash.
    """
    with lock_request(pk, Status.SUBMITTED, proof=proof) as request:
        actor = reread_allowed(actor, policy.why_not_confirm, request)
        if request.revision_no != revision_no:
            raise WrongStatus("Ese enlace es de una versión anterior; use el del correo más reciente.")
        if request.due_at is not None and now() >= request.due_at:
            raise WrongStatus("El plazo para confirmarla venció; presente otra solicitud.")
        request.confirmed_at, request.confirmed_mailbox = now(), find_confirming_mail(request)
        event = move_request(
            request,
            Status.VERIFYING,
            "request.confirmed",
            actor=actor,
            due_at=add_business_days(settings.VERIFY_BUSINESS_DAYS),
            saved=("confirmed_at", "confirmed_mailbox"),
            by_link=True,
            mailbox=request.confirmed_mailbox,
            **link.as_data(),
        )
        notifications.mail_progress("confirmed", request, event, until=request.due_at)
        notifications.mail_your_turn(request, event)
        if address := request.find_new_value(REGISTERED_EMAIL.code):  # the company must prove this new mail
            _mail_code(request, address, event)
    return request


def send_new_email_code(pk: int, *, actor: User, proof: Proof | None = None) -> FormalRequest:
    """Mail a new code to the new registered mail, to prove that the company has it; the earlier code stops working."""
    with lock_request(pk, Status.VERIFYING, Status.IN_APPROVAL, proof=proof) as request:
        actor = reread_allowed(actor, policy.why_not_request, request.customer)
        address = request.find_new_value(REGISTERED_EMAIL.code)
        if not address or request.new_mail_revision == request.revision_no:  # proven for this revision
            raise WrongStatus("No hay un correo nuevo por confirmar.")
        event = record_act("request.code_sent", request, actor=actor, revision=request.revision_no)
        _mail_code(request, address, event)
    return request


def confirm_new_email(pk: int, *, code: str, actor: User | None = None, proof: Proof | None = None) -> FormalRequest:
    """Record that the company has the new registered mail, because it typed the code that was mailed there.

    Raises WrongCode for another code, and for any code after CODE_TRIES wrong ones.
    """
    with lock_request(pk, Status.VERIFYING, Status.IN_APPROVAL, proof=proof) as request:
        if request.new_mail_revision == request.revision_no:  # already proven for this revision
            return request
        if not request.new_mail_code or request.new_mail_tries >= CODE_TRIES:  # "": none was mailed
            raise WrongCode({"code": "Ese código ya no sirve. Pida otro."})
        if not own_links.matches_digest(CODE_SALT, _compose_code_text(request, code), request.new_mail_code):
            request.new_mail_tries += 1
            request.save(update_fields=["new_mail_tries"])
            raise WrongCode({"code": WRONG_CODE})
        request.new_mail_revision, request.new_mail_code = request.revision_no, ""
        request.save(update_fields=["new_mail_code"])
        save_with_act(
            request,
            "request.new_mail_proven",
            actor=actor,
            saved=("new_mail_revision",),
            revision=request.revision_no,
            mailbox=request.find_new_value(REGISTERED_EMAIL.code),
            sent_at=show_instant(request.new_mail_sent_at),
        )
    return request


def _load_reviewed_evidence(request: FormalRequest, seen: str | None) -> list[Evidence]:
    """Return the draft's evidence, with its files, in the order it was added.

    Raises StaleContent if the draft changed since the page with the hash `seen`.
    """
    rows = Evidence.objects.filter(request=request, dropped_at__isnull=True)
    evidence = list(rows.select_related("attachment").order_by("pk"))
    if seen is not None and seen != content.hash_draft(request, [row.attachment for row in evidence]):
        raise StaleContent
    return evidence


def _mail_code(request: FormalRequest, address: str, event: Event) -> None:
    """Draw a code of six digits, keep its hash in the request, and mail the code to the new registered mail."""
    code = f"{secrets.randbelow(10**6):06d}"
    request.new_mail_code = own_links.make_digest(CODE_SALT, _compose_code_text(request, code))
    request.new_mail_sent_at, request.new_mail_tries = now(), 0
    request.save(update_fields=["new_mail_code", "new_mail_sent_at", "new_mail_tries"])
    notifications.mail_new_email_code(request, event, to=address, code=code)


def _compose_code_text(request: FormalRequest, code: str) -> str:
    """Return the text that is hashed for a code: folio, version and digits, so that it works for this version only."""
    digits = "".join(character for character in code if character.isdigit())
    return f"{request.folio}:{request.revision_no}:{digits}"
