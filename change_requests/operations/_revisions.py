"""How a draft gets its folio, and how its content becomes a revision that waits to be confirmed (M7, M19, M20)."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction

from accounts.models import UNPROVEN, Proof, User
from change_requests import notifications, payload
from change_requests.approvals import find_missing_office
from change_requests.documents import receipt
from change_requests.kinds.fields import touches_risky
from change_requests.kinds.registry import find_kind
from change_requests.kinds.values import Item, clean_lines
from change_requests.models import Evidence, FormalRequest, InformationAsset, RequestedAsset, RequestRevision
from change_requests.operations._common import Form, NoPeople, Status, move_request
from change_requests.record.facts import (
    describe_customer,
    describe_form,
    describe_mail,
    describe_person,
    describe_representative,
    find_received_form,
    list_files,
)
from factureya.core import audit, numbers
from factureya.core.clock import now
from factureya.core.refusals import Refused

MAX_NUMBER_TRIES = 5
_CLEARED_COLUMNS = ("confirmed_at", "verified_at", "verified_by", "powers_lapsed_at")  # emptied for a new revision


def insert_draft(actor: User, *, proof: Proof | None = None, **fields: Any) -> FormalRequest:
    """Insert a draft with these columns under a new folio, with its first event, and return it.

    If the `form_key` is taken, because the form was posted twice, return the request that has it. Raises Refused if
    that request is another person's. If the folio is taken, draw another.
    """
    prefix = FormalRequest.PREFIXES[Form(fields["form"])]
    for attempt in range(MAX_NUMBER_TRIES):
        folio = numbers.make_number(prefix)
        try:
            with transaction.atomic():
                request = FormalRequest.objects.create(folio=folio, **fields)
                request.proof = proof
                audit.record_first(
                    "request.created",
                    request,
                    actor=actor,
                    folio=folio,
                    customer=describe_customer(request.customer),
                    requester=describe_person(request.requester),
                    form=request.form,
                    kind=request.kind,
                    channel=request.channel,
                    revert_of=request.revert_of and request.revert_of.folio,
                    auth=(proof or UNPROVEN).as_data(),
                )
                return request
        except IntegrityError:
            form_key = fields.get("form_key")
            if form_key and (earlier := FormalRequest.objects.filter(form_key=form_key).first()):
                if earlier.requester_id != actor.pk:
                    raise Refused("Este formulario ya se había enviado. Comience otra vez.") from None
                return earlier
            if attempt == MAX_NUMBER_TRIES - 1:
                raise
    raise AssertionError("unreachable")  # pragma: no cover


def send_revision(request: FormalRequest, items: list[Item], *, author: User, evidence: Sequence[Evidence]) -> None:
    """Insert the next revision of the locked request, reserve its assets, and mail the company a link to confirm it.

    The items are the changes asked for; `author` wrote them. `evidence` are the files it carries, read under the lock.
    An earlier confirmation and verification are cleared. Raises NoPeople if nobody could decide and apply it, and
    Refused if another open request conflicts with it.
    """
    assets = list(InformationAsset.objects.filter(code__in={item["asset"] for item in items}))
    _require_people(request, assets, author)
    revision = _insert_revision(request, items, author, evidence)
    _reserve_assets(request, assets, items)
    request.revision_no, request.submitted_at = revision.no, now()
    for column in _CLEARED_COLUMNS:
        setattr(request, column, None)
    request.confirmed_mailbox = ""
    event = move_request(
        request,
        Status.SUBMITTED,
        "request.submitted",
        actor=author,
        due_at=now() + timedelta(hours=settings.REQUEST_CONFIRM_HOURS),
        saved=("revision_no", "submitted_at", "channel", "confirmed_mailbox", *_CLEARED_COLUMNS),
        **_describe_submission(request, revision, evidence),
    )
    notifications.mail_submitted(request, event)


def _describe_submission(
    request: FormalRequest, revision: RequestRevision, evidence: Sequence[Evidence]
) -> dict[str, Any]:
    """Return what the event of a submission says besides the version: all that was received, and from whom (M20)."""
    received = find_received_form(request)
    return {
        "sha256": revision.sha256,
        "channel": request.channel,
        "company": request.customer.legal_name,
        "requester": describe_person(request.requester),
        "customer": describe_customer(request.customer),
        "representative": describe_representative(request.representative),
        "oath": bool(request.draft.get("declares")),
        "freeze_hours": revision.freeze_hours,
        "evidence": list_files(evidence),
        "form": describe_form(received) if received else None,
        "mail": describe_mail(received) if received else None,
        "acuse_sha256": receipt.hash_facts(request, revision),
        "revert_of": request.revert_of.folio if request.revert_of else None,
    }


def _require_people(request: FormalRequest, assets: Sequence[InformationAsset], author: User) -> None:
    """Raise NoPeople if nobody but the requester and the author could decide or apply changes of these assets."""
    missing_office = find_missing_office(assets, authors=frozenset({request.requester_id, author.pk}))
    if missing_office:
        raise NoPeople(
            f"Hoy no hay quien atienda esta solicitud: falta {missing_office}. Llame a mesa de control; su borrador "
            "queda guardado."
        )


def _insert_revision(
    request: FormalRequest, items: list[Item], author: User, evidence: Sequence[Evidence]
) -> RequestRevision:
    """Insert and return the request's next revision, from its draft; give its number to the files not sent before."""
    number = request.revision_no + 1
    reason = clean_lines(request.draft.get("reason"))
    content = payload.write_canonical(
        payload.build_content(
            folio=request.folio,
            form=request.form,
            kind=request.kind,
            customer_rfc=request.customer.rfc,
            requester=request.requester.email,
            items=items,
            reason=reason,
            effective_date=request.draft.get("effective_date") or "",
            evidence=[
                {"name": file.attachment.name, "sha256": file.sha256, "size": file.attachment.size} for file in evidence
            ],
        )
    )
    if new_pks := [file.pk for file in evidence if file.revision_no is None]:
        Evidence.objects.filter(pk__in=new_pks).update(revision_no=number)
    revision = RequestRevision.objects.create(
        request=request,
        no=number,
        requester=request.requester,
        author=author,
        payload=content.decode(),
        reason=reason,
        sha256=payload.hash_bytes(content),
        freeze_hours=settings.SENSITIVE_FREEZE_HOURS if touches_risky(items) else 0,
    )
    request.keep_revision(revision)
    return revision


def _reserve_assets(request: FormalRequest, assets: Sequence[InformationAsset], items: list[Item]) -> None:
    """Reserve the items' assets while the request is open. Raises Refused if another open request conflicts (M21)."""
    codes = sorted({item["asset"] for item in items})
    subject = _find_subject(request, items)  # the mail of the person who gets or has the access, else ""
    if folio := _find_conflict(request, codes, subject):
        raise Refused(f"Ya hay una solicitud abierta sobre esos datos: {folio}.")
    if request.revision_no:
        RequestedAsset.objects.filter(request=request).delete()  # those of the revision before
    RequestedAsset.objects.bulk_create(
        RequestedAsset(request=request, asset=asset, customer=request.customer, subject=subject) for asset in assets
    )


def _find_subject(request: FormalRequest, items: list[Item]) -> str:
    """Return the mail of the person whose access the request is about; empty for a change of the company's data."""
    if request.form == Form.CHANGE:
        return ""
    # One of these items holds the mail: as its new value for who gets the access, as its old value for who has it.
    return next(item["new"] or item["old"] for item in items if item["field"] in ("email", "contact", "password"))


def _find_conflict(request: FormalRequest, codes: list[str], subject: str) -> str:
    """Return the folio of another open request of the company with which this one conflicts; empty when there is none.

    `codes` are the assets that this request changes. An access request conflicts with one about the same asset and the
    same person (`subject`, his mail). A stop of the service conflicts with every change. Other changes conflict with
    one of the same assets, and with one of the service itself (asset «service»), such as the request to stop it.
    """
    reserved = RequestedAsset.objects.filter(customer=request.customer, open=True).exclude(request=request)
    changes = reserved.filter(request__form=Form.CHANGE)
    if request.form == Form.ACCESS:
        reserved = reserved.filter(asset__code__in=codes, subject=subject)
    elif find_kind(request).blocks_all:
        reserved = changes
    else:
        reserved = changes.filter(asset__code__in=[*codes, "service"])
    return reserved.values_list("request__folio", flat=True).first() or ""
