"""Plain functions that make formal requests, valid by default, as rows: what the database's guards let through.

Tests of pages and of operations reach states through `change_requests.operations`; these rows are for tests of what
lies below them (guards, payload, queries).
"""

import json
from datetime import timedelta
from typing import Any

from accounts.models import Customer, Office, RoleAssignment, User
from change_requests import payload
from change_requests.approvals import find_asset_deciders
from change_requests.execution import executing
from change_requests.models import (
    ACCESS,
    Decision,
    DecisionSlot,
    Execution,
    FormalRequest,
    InformationAsset,
    RequestedAsset,
    RequestRevision,
    Waiver,
)
from factureya.core import numbers
from factureya.core.clock import now
from factureya.testing.people import make_representative, make_staff, own_assets

Form, Kind, Status = FormalRequest.Form, FormalRequest.Kind, FormalRequest.Status
REASON = "El motivo con el que se decide, completo."
NEW = {"fiscal_address": "Calle Nueva 5, 72000 Puebla", "phone": "222 555 0199"}
WAY = (Status.SUBMITTED, Status.VERIFYING, Status.IN_APPROVAL, Status.APPROVED)


def make_request(
    status: str = Status.DRAFT,
    *,
    requester: User | None = None,
    form: str = Form.CHANGE,
    kind: str = Kind.CHANGE,
    new: dict[str, str] | None = None,
    content: dict[str, Any] | None = None,
    freeze: timedelta = timedelta(0),
    **columns: Any,
) -> FormalRequest:
    """Write a request in `status` (draft, submitted, verifying, in_approval or approved) for new values by field.

    Approved means decided by the owner of the assets and a security officer, with an implementer designated, and
    executable after `freeze`.
    """
    requester = requester or make_representative()
    customer = Customer.objects.get(pk=requester.contact.customer_id)
    request = FormalRequest.objects.create(
        folio=numbers.make_number(FormalRequest.PREFIXES[Form(form)]),
        form=form,
        kind=kind,
        customer=customer,
        requester=requester,
        representative=customer.representatives.get(user=requester),
        **columns,
    )
    if status == Status.DRAFT:
        return request
    revise(request, new or dict(NEW), **(content or {}))
    request.execute_after = now() + freeze
    for step in WAY[: WAY.index(Status(status)) + 1]:
        _to(request, step)
    return request


def revise(request: FormalRequest, new: dict[str, str], **content: Any) -> RequestRevision:
    """Write the next revision, of a draft or returned request, and the assets it touches.

    The representative's old value is the line of whoever asks; `content` replaces parts of the payload.
    """
    customer = request.customer
    assets = {field: asset for asset in _assets(request) for field in asset.fields}
    items = [
        {"asset": assets[field].code, "field": field, "new": value, "old": _on_file(request, field)}
        for field, value in new.items()
    ]
    revision = write_revision(request, items=items, **content)
    for asset in {assets[field] for field in new}:
        subject = new.get("email", "") if request.is_access else ""
        RequestedAsset.objects.get_or_create(request=request, asset=asset, customer=customer, subject=subject)
    request.revision_no, request.submitted_at = revision.no, now()
    request.save(update_fields=["revision_no", "submitted_at"])
    return revision


def write_revision(request: FormalRequest, *, columns: dict[str, Any] | None = None, **content: Any) -> RequestRevision:
    """Write only the row of the next revision, with other `columns` or another `content` where told."""
    whole = payload.build_content(
        **{
            "folio": request.folio,
            "form": request.form,
            "kind": request.kind,
            "customer_rfc": request.customer.rfc,
            "requester": request.requester.email,
            "reason": REASON,
            **content,
        }
    )
    text = payload.write_canonical(whole)
    return RequestRevision.objects.create(
        **{
            "request": request,
            "no": request.revision_no + 1,
            "requester": request.requester,
            "author": request.requester,
            "payload": text.decode(),
            "reason": REASON,
            "sha256": payload.hash_bytes(text),
            "freeze_hours": 0,
            **(columns or {}),
        }
    )


def current_revision(request: FormalRequest) -> RequestRevision:
    """Return the revision that is being decided."""
    return request.revisions.get(no=request.revision_no)


def items_of(request: FormalRequest) -> list[dict[str, str]]:
    """Return the current revision's items."""
    items: list[dict[str, str]] = json.loads(current_revision(request).payload)["items"]
    return items


def decide(
    request: FormalRequest,
    decider: User,
    office: str,
    verdict: str = "approve",
    *,
    assignment: RoleAssignment | None = None,
    **changes: Any,
) -> Decision:
    """Write a decision on the current revision, with the approvals it gives."""
    revision = current_revision(request)
    decision = Decision.objects.create(
        **{
            "request": request,
            "revision_no": revision.no,
            "requester": revision.requester,
            "sha256": revision.sha256,
            "office": office,
            "decider": decider,
            "decider_name": decider.full_name,
            "assignment": assignment or _assignment(decider, office),
            "verdict": verdict,
            "reason": REASON,
            **changes,
        }
    )
    for asset in _assets_of(request, decider) if office == Decision.Office.OWNER else [None]:
        DecisionSlot.objects.create(
            decision=decision, request=request, revision_no=revision.no, office=office, asset=asset
        )
    return decision


def designate(request: FormalRequest, implementer: User | None = None, **changes: Any) -> User:
    """Name the implementer and return him."""
    implementer = implementer or make_staff(Office.IMPLEMENTER, full_name="Gina Implementa")
    security = make_staff(Office.SECURITY_OFFICER)
    for name, value in {
        "implementer": implementer,
        "designated_at": now(),
        "designated_by": security,
        **changes,
    }.items():
        setattr(request, name, value)
    request.save()
    return implementer


def attempt(request: FormalRequest, result: str = "ok", **changes: Any) -> Execution:
    """Write the row that opens an execution of the current revision by the designated implementer."""
    revision = current_revision(request)
    assert request.implementer is not None
    return Execution.objects.create(
        **{
            "request": request,
            "revision_no": revision.no,
            "sha256": revision.sha256,
            "result": result,
            "executor": request.implementer,
            "executor_name": request.implementer.full_name,
            **changes,
        }
    )


def carry_out(request: FormalRequest) -> Customer:
    """Execute an approved change of columns; return the company as it is now."""
    attempt(request)
    customer = Customer.objects.get(pk=request.customer_id)
    for item in items_of(request):
        setattr(customer, item["field"], item["new"])
    if customer.status == Customer.Status.SUSPENDED:
        customer.suspended_at = now()
    with executing(request):
        customer.save()
    request.status, request.executed_at = Status.EXECUTED, now()
    request.save()
    request.requested_assets.update(open=False)
    return customer


def waive(request: FormalRequest, implementer: User, **changes: Any) -> Waiver:
    """Write a waiver of segregation for this implementer, not yet designated."""
    return Waiver.objects.create(
        **{
            "request": request,
            "implementer": implementer,
            "reason": REASON * 2,
            "controls": REASON,
            "approved_by": make_staff(Office.SECURITY_OFFICER),
            "checker": make_staff(Office.IT_HEAD),
            **changes,
        }
    )


# -- Private -----------------------------------------------------------------------------------------


def _assets(request: FormalRequest) -> list[InformationAsset]:
    """Return the assets that this form may touch."""
    return list(
        InformationAsset.objects.filter(code=ACCESS)
        if request.is_access
        else InformationAsset.objects.exclude(code=ACCESS)
    )


def _on_file(request: FormalRequest, field: str) -> str:
    """Return today's value of a field; of the fields of an alta there is none."""
    if request.is_access:
        return ""
    if field == "representative":
        return request.representative.line
    return str(getattr(request.customer, field))


def _assignment(decider: User, office: str) -> RoleAssignment:
    held = {"owner": Office.INFORMATION_OWNER, "security": Office.SECURITY_OFFICER}[office]
    return RoleAssignment.objects.filter(user=decider, office=held).latest("pk")


def _assets_of(request: FormalRequest, decider: User) -> list[InformationAsset]:
    mine = [item.asset for item in request.requested_assets.select_related("asset")]
    return [asset for asset in mine if decider.pk in find_asset_deciders(asset)]


def _to(request: FormalRequest, status: FormalRequest.Status) -> None:
    if status == Status.VERIFYING:
        request.confirmed_at, request.confirmed_mailbox = now(), request.customer.registered_email
    if status == Status.IN_APPROVAL:
        request.verified_by = make_staff(Office.SUPERVISOR)
        request.verified_at = now()
    if status == Status.APPROVED:
        _approve(request)
    request.status = status
    request.save()


def _approve(request: FormalRequest) -> None:
    if not request.is_access:
        decide(request, own_assets(), "owner")
    decide(request, make_staff(Office.SECURITY_OFFICER, full_name="Elsa Seguridad"), "security")
    designate(request)
    assert request.execute_after is not None
    request.approved_at = now()
    request.execute_after = max(request.execute_after, request.approved_at)
    request.execute_before = request.execute_after + timedelta(days=7)
    if any(item["field"] == "registered_email" for item in items_of(request)):
        request.new_mail_revision = request.revision_no
