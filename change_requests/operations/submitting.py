"""How a request is sent and confirmed: a revision with its hash, the registered mail's word, the new mail's code."""

import secrets
from collections.abc import Iterable
from typing import Any

from django.conf import settings

from accounts.models import Customer, User
from change_requests import notifications, payload, policy
from change_requests.approvals import missing_office
from change_requests.documents import evidence
from change_requests.kinds import content
from change_requests.models import (
    Evidence,
    FormalRequest,
    InformationAsset,
    RequestedAsset,
    RequestRevision,
)
from change_requests.operations._locking import (
    Form,
    Kind,
    Status,
    confirm_deadline,
    current,
    in_business_days,
    locked,
    move,
    refuse,
)
from change_requests.operations.drafting import SUSPENDED, require_requester
from change_requests.operations.errors import (
    Invalid,
    NoPeople,
    NotAllowed,
    Refused,
    StaleContent,
    WrongStatus,
)
from factureya.core import audit, signing
from factureya.core.clock import now
from factureya.core.models import Attachment

CODE_SALT = "requests.new-mail"
CODE_TRIES = 5
WRONG_CODE = "Ese código no es correcto. Revíselo en el correo más reciente que enviamos a la dirección nueva."
SPENT_CODE = "Ese código ya no sirve. Pida otro."


def submit(
    pk: int,
    *,
    actor: User,
    channel: str = FormalRequest.Channel.PORTAL,
    seen: str | None = None,
) -> FormalRequest:
    """Send the draft as a new revision; it waits for the link that goes to the registered mail (M8, M19, M20).

    `seen` is the `content.draft_digest` of the page where it was reviewed. Raises NotAllowed (powers not in force),
    Invalid (by field), NoPeople (who could not decide it), Refused (another open request touches the same data),
    StaleContent (it is not what was reviewed), WrongStatus.
    """
    with locked(pk, *FormalRequest.EDITABLE) as request:
        files = _as_reviewed(request, seen)
        actor = current(actor)
        refuse(policy.may_request(actor, request.customer))
        require_requester(request, actor)
        if not request.representative.is_in_force():
            raise NotAllowed("El poder con el que comenzó esta solicitud ya no está vigente; haga otra.")
        hold_customer(request)
        if request.customer.is_suspended:
            raise NotAllowed(SUSPENDED)
        if errors := content.problems(request, evidence=len(files)):
            raise Invalid(errors)
        if lost := [file.name for file in files if not evidence.is_as_sent(file, file.sha256)]:
            listed = ", ".join(f"«{name}»" for name in lost)
            raise Invalid({"evidence": f"No se pudo leer {listed}: quítelo y súbalo de nuevo."})
        request.channel = channel
        send(request, content.items_of(request, {}), author=actor)
    return request


def _as_reviewed(request: FormalRequest, seen: str | None) -> list[Attachment]:
    """The evidence; raises StaleContent when the draft is not what was seen, if that is known."""
    kept = Evidence.objects.filter(request=request, dropped_at__isnull=True)
    files = [evidence.attachment for evidence in kept.select_related("attachment")]
    if seen is not None and seen != content.draft_digest(request, files):
        raise StaleContent
    return files


def send(request: FormalRequest, items: list[content.Item], *, author: User) -> None:
    """Write the revision and its assets, and ask for the confirmation; the caller holds the locks."""
    codes = {item["asset"] for item in items}
    _require_people(request, codes, author)
    revision = _revise(request, items, author)
    _claim(request, items)
    request.revision_no, request.submitted_at = revision.no, now()
    request.confirmed_at = request.verified_at = request.verified_by = None
    event = move(
        request,
        Status.SUBMITTED,
        "request.submitted",
        actor=author,
        due_at=confirm_deadline(),
        saved=(
            "revision_no",
            "submitted_at",
            "confirmed_at",
            "verified_at",
            "verified_by",
            "channel",
        ),
        sha256=revision.sha256,
        channel=request.channel,
        company=request.customer.legal_name,
        requester=request.requester.get_full_name(),
    )
    notifications.submitted(request, event)


def confirm_from_registered_email(pk: int, *, actor: User, revision_no: int) -> FormalRequest:
    """Record that the company says yes: by the registered mail's link, and the login of somebody with powers (M8).

    Mesa de control verifies it now. Called with the request that `links.read_confirm` gave: the revision it names is
    the one that is confirmed. Raises NotAllowed (no powers in force), WrongStatus when that is not the current
    revision, or its time has passed.
    """
    with locked(pk, Status.SUBMITTED) as request:
        actor = current(actor)
        refuse(policy.may_confirm(actor, request))
        if request.revision_no != revision_no:
            raise WrongStatus("Ese enlace es de una versión anterior; use el del correo más reciente.")
        if request.due_at is not None and now() >= request.due_at:
            raise WrongStatus("El plazo para confirmarla venció; presente otra solicitud.")
        request.confirmed_at = now()
        event = move(
            request,
            Status.VERIFYING,
            "request.confirmed",
            actor=actor,
            due_at=in_business_days(settings.VERIFY_BUSINESS_DAYS),
            saved=("confirmed_at",),
            by_link=True,
        )
        notifications.told("confirmed", request, event, until=request.due_at)
        notifications.your_turn(request, event)
        if address := new_mail_of(request):
            _mail_code(request, address, event)
    return request


def send_new_email_code(pk: int, *, actor: User) -> FormalRequest:
    """Another code to the new registered mail; the one before stops working."""
    with locked(pk, Status.VERIFYING, Status.IN_APPROVAL) as request:
        refuse(policy.may_request(current(actor), request.customer))
        address = new_mail_of(request)
        if not address or request.new_mail_revision == request.revision_no:
            raise WrongStatus("No hay un correo nuevo por confirmar.")
        event = audit.record("request.code_sent", request, actor=actor, revision=request.revision_no)
        _mail_code(request, address, event)
    return request


def confirm_new_email(pk: int, *, code: str, actor: User | None = None) -> FormalRequest:
    """The code that was mailed to the new registered mail was read back; before that nobody approves it.

    A code dies after CODE_TRIES wrong ones. Raises WrongStatus, Invalid.
    """
    wrong = ""
    with locked(pk, Status.VERIFYING, Status.IN_APPROVAL) as request:
        if request.new_mail_revision == request.revision_no:
            return request
        if not request.new_mail_code or request.new_mail_tries >= CODE_TRIES:
            wrong = SPENT_CODE
        elif not signing.matches(CODE_SALT, _coded(request, code), request.new_mail_code):
            wrong = WRONG_CODE
            request.new_mail_tries += 1
            request.save(update_fields=["new_mail_tries"])
        else:
            request.new_mail_revision, request.new_mail_code = request.revision_no, ""
            request.save(update_fields=["new_mail_revision", "new_mail_code"])
            audit.record("request.new_mail_proven", request, actor=actor, revision=request.revision_no)
    if wrong:  # outside: the try is counted
        raise Invalid({"code": wrong})
    return request


def new_mail_of(request: FormalRequest) -> str:
    """The registered mail that the current revision asks for; empty when it stays."""
    items = content.payload_of(request)["items"]
    return next((item["new"] for item in items if item["field"] == "registered_email"), "")


def hold_customer(request: FormalRequest) -> None:
    """Lock the company's row until the commit, after the request's: its values and open requests stay as they are."""
    request.customer = Customer.objects.select_for_update(no_key=True).get(pk=request.customer_id)


# -- Private -----------------------------------------------------------------------------------------


def _require_people(request: FormalRequest, codes: Iterable[str], author: User) -> None:
    missing = missing_office(codes, authors=frozenset({request.requester_id, author.pk}))
    if missing:
        raise NoPeople(
            f"Hoy no hay quien atienda esta solicitud: falta {missing}. Llame a mesa de control; su borrador "
            "queda guardado."
        )


def _revise(request: FormalRequest, items: list[content.Item], author: User) -> RequestRevision:
    """Insert the next revision; the evidence it carries is fixed from now on."""
    files = Evidence.objects.filter(request=request, dropped_at__isnull=True)
    no = request.revision_no + 1
    reason = content.clean_text(request.draft.get("reason"))
    data = payload.canonical(
        payload.build(
            folio=request.folio,
            form=request.form,
            kind=request.kind,
            customer_rfc=request.customer.rfc,
            requester=request.requester.email,
            items=items,
            reason=reason,
            effective_date=request.draft.get("effective_date") or "",
            evidence=[
                {"name": e.attachment.name, "sha256": e.sha256, "size": e.attachment.size}
                for e in files.select_related("attachment")
            ],
        )
    )
    files.filter(revision_no__isnull=True).update(revision_no=no)
    return RequestRevision.objects.create(
        request=request,
        no=no,
        requester=request.requester,
        author=author,
        payload=data.decode(),
        reason=reason,
        sha256=payload.digest(data),
    )


def _claim(request: FormalRequest, items: list[content.Item]) -> None:
    """Take the assets for this request: one open request per company and asset, a BAJA of the service alone (M21)."""
    codes = sorted({item["asset"] for item in items})
    subject = _subject(request, items)
    if taken := _conflict(request, codes, subject):
        raise Refused(f"Ya hay una solicitud abierta sobre esos datos: {taken}.")
    RequestedAsset.objects.filter(request=request).delete()  # of the revision before
    RequestedAsset.objects.bulk_create(
        RequestedAsset(request=request, asset=asset, customer=request.customer, subject=subject)
        for asset in InformationAsset.objects.filter(code__in=codes)
    )


def _subject(request: FormalRequest, items: list[content.Item]) -> str:
    """The mail of the person of an access request, of whom one request may be open."""
    if request.form == Form.CHANGE:
        return ""
    mails = [i["new"] or i["old"] for i in items if i["field"] in ("email", "contact", "password")]
    return mails[0]


def _conflict(request: FormalRequest, codes: list[str], subject: str) -> str:
    """The folio of an open request that touches the same; empty when there is none."""
    rows = RequestedAsset.objects.filter(customer=request.customer, open=True).exclude(request=request)
    changes = rows.filter(request__form=Form.CHANGE)
    if request.form == Form.ACCESS:
        rows = rows.filter(asset__code__in=codes, subject=subject)
    elif request.kind == Kind.BAJA:
        rows = changes
    else:
        rows = changes.filter(asset__code__in=[*codes, "service"])
    return rows.values_list("request__folio", flat=True).first() or ""


def _mail_code(request: FormalRequest, address: str, event: Any) -> None:
    code = f"{secrets.randbelow(10**6):06d}"
    request.new_mail_code = signing.digest(CODE_SALT, _coded(request, code))
    request.new_mail_sent_at, request.new_mail_tries = now(), 0
    request.save(update_fields=["new_mail_code", "new_mail_sent_at", "new_mail_tries"])
    notifications.new_email_code(request, event, to=address, code=code)


def _coded(request: FormalRequest, code: str) -> str:
    digits = "".join(c for c in code if c.isdigit())
    return f"{request.folio}:{request.revision_no}:{digits}"
