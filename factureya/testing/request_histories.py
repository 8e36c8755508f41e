"""Formal requests brought to any status through real operations, and what their mails hold: the one way for tests."""

import re
from datetime import timedelta
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.utils import timezone

from accounts.models import Customer, User
from change_requests import operations
from change_requests.models import Execution, FormalRequest, RequestRevision
from factureya.core import clock
from factureya.core.files import store
from factureya.core.models import OutboxMessage
from factureya.testing.people import Cast, make_representative

Form, Kind, Status = FormalRequest.Form, FormalRequest.Kind, FormalRequest.Status
REASON = "Cambiamos de oficinas el primero de diciembre."
WHY = "La constancia coincide; procede."
NEW = {"fiscal_address": "Calle Nueva 5, 72000 Puebla, Pue.", "phone": "222 555 0199"}
ORDER = (
    Status.DRAFT,
    Status.SUBMITTED,
    Status.VERIFYING,
    Status.IN_APPROVAL,
    Status.APPROVED,
    Status.EXECUTED,
    Status.CLOSED,
)


def representative_for(*, days: int) -> User:
    """Make the representative of a verified company whose powers end so many days from today."""
    valid_until = timezone.localdate(clock.now()) + timedelta(days=days)
    return make_representative(full_name="Ana Robles", valid_until=valid_until)


def draft(cast: Cast, form: str = Form.CHANGE, kind: str = Kind.CHANGE, **answers: Any) -> FormalRequest:
    """Make a draft of Ana's with valid answers for its kind."""
    request = operations.create_draft(actor=cast.ana, customer=cast.customer, form=form, kind=kind)
    answers = {"reason": REASON, "declares": True, **_answers(cast, form, kind), **answers}
    return operations.save_draft(request.pk, actor=cast.ana, draft=answers)


def add_file(cast: Cast, request: FormalRequest) -> FormalRequest:
    """Add evidence, which the RFC, the name and the representative ask for."""
    file = store.store(SimpleUploadedFile("constancia.txt", b"Constancia"), draft="k")
    return operations.add_evidence(request.pk, actor=cast.ana, files=[file])


def _answers(cast: Cast, form: str, kind: str) -> dict[str, Any]:
    """Return valid answers for a draft of this form and kind."""
    if form == Form.CHANGE:
        return {"items": dict(NEW)} if kind == Kind.CHANGE else {}
    if kind == Kind.ALTA:
        number = FormalRequest.objects.count()
        return {"person": {"full_name": "Rosa Nueva", "email": f"rosa{number}@ejemplo.mx"}}
    return {"person": {"user": cast.colleague().pk}}


def make(cast: Cast, status: str, form: str = Form.CHANGE, kind: str = Kind.CHANGE, **answers: Any) -> FormalRequest:
    """Bring a request of Ana's to `status` through real operations."""
    request = draft(cast, form, kind, **answers)
    if status in ORDER:
        return _bring(cast, request, status)
    return _end(cast, request, status)


def revision(request: FormalRequest) -> RequestRevision:
    """Return the current revision."""
    request.refresh_from_db()
    return request.read_revision()


def seen(request: FormalRequest) -> str:
    """Return the hash of the content that is decided."""
    return revision(request).sha256


def step(cast: Cast, request: FormalRequest, status: str) -> FormalRequest:
    """Do the one step that leads into `status`."""
    if status == Status.SUBMITTED:
        return operations.submit(request.pk, actor=cast.ana)
    if status == Status.VERIFYING:
        return prove_mail(confirm(cast, request))
    if status == Status.IN_APPROVAL:
        return operations.verify(request.pk, actor=cast.laura)
    if status == Status.APPROVED:
        return approve(cast, request)
    if status == Status.EXECUTED:
        operations.execute(request.pk, actor=cast.gina)
    if status == Status.CLOSED:
        operations.close(request.pk, actor=cast.laura)
    request.refresh_from_db()
    return request


def name_representative(beto: User, **changes: str) -> dict[str, str]:
    """Return the items of a change of the representative, for Beto."""
    parts = {
        "name": "Beto Ocaso",
        "email": beto.email,
        "rfc": "GODE561231GR8",
        "power": "attorney",
        "instrument": "Escritura 1,234",
        "valid_from": "2026-01-01",
        **changes,
    }
    return {f"representative_{part}": text for part, text in parts.items()}


def approve_representative(cast: Cast, **changes: str) -> tuple[FormalRequest, User]:
    """Bring a change of the representative, Ana, for Beto to its approval; return it and Beto."""
    beto = cast.colleague(full_name="Beto Ocaso")
    request = draft(cast, items=name_representative(beto, **changes))
    add_file(cast, request)
    return _bring(cast, request, Status.APPROVED), beto


def confirm(cast: Cast, request: FormalRequest) -> FormalRequest:
    """Confirm a request from the registered mail; a new mail stays unproven."""
    return operations.confirm_from_registered_email(request.pk, actor=cast.ana, revision_no=request.revision_no)


def prove_mail(request: FormalRequest) -> FormalRequest:
    """Read the code of the new registered mail back, where one changes."""
    sent = OutboxMessage.objects.filter(kind="change_requests/new_email_code", about=request.chain)
    if mail := sent.order_by("pk").last():
        code = next(line for line in mail.body.splitlines() if line.isdigit())
        return operations.confirm_new_email(request.pk, code=code)
    return request


def approve(cast: Cast, request: FormalRequest) -> FormalRequest:
    """Let everybody approve, and designate Gina."""
    if request.form == Form.CHANGE:
        operations.approve(request.pk, actor=cast.fabian, reason=WHY, seen_hash=seen(request))
    operations.designate(request.pk, actor=cast.elsa, implementer=cast.gina)
    return operations.approve(request.pk, actor=cast.elsa, reason=WHY, seen_hash=seen(request))


def _bring(cast: Cast, request: FormalRequest, status: str) -> FormalRequest:
    """Do every step up to a status of the usual way."""
    for reached in ORDER[1 : ORDER.index(Status(status)) + 1]:
        request = step(cast, request, reached)
    return request


def _end(cast: Cast, request: FormalRequest, status: str) -> FormalRequest:
    """Bring a request to a status beside the usual way."""
    if status == Status.EXPIRED:
        request = _bring(cast, request, Status.SUBMITTED)
        assert request.due_at is not None
        with clock.at(request.due_at + timedelta(seconds=1)):
            operations.expire_due(clock.now())
        request.refresh_from_db()
        return request
    if status == Status.FAILED:
        return _drift(cast, _bring(cast, request, Status.APPROVED))
    if status == Status.REVERTED:
        return undo(cast, _bring(cast, request, Status.EXECUTED))
    if status == Status.CANCELLED:
        return operations.withdraw(request.pk, actor=cast.ana, reason="Ya no hace falta.")
    request = _bring(cast, request, Status.IN_APPROVAL)
    if status == Status.RETURNED:
        return operations.return_to_requester(request.pk, actor=cast.laura, reason="Falta el número exterior.")
    if status == Status.REJECTED:
        return operations.reject(request.pk, actor=cast.elsa, reason="No procede así.", seen_hash=seen(request))
    raise ValueError(status)


def undo(cast: Cast, request: FormalRequest) -> FormalRequest:
    """Bring the request that undoes it to its execution, and return the original, which is reverted."""
    undoing = operations.revert(request.pk, actor=cast.laura, reason="Se pidió por error, según la empresa.")
    for reached in ORDER[2:6]:
        undoing = step(cast, undoing, reached)
    request.refresh_from_db()
    return request


def unguarded(**columns: Any) -> None:
    """Change companies' data behind the guards' back, so that old values no longer fit."""
    with connection.cursor() as cursor:
        on = "" if connection.vendor == "sqlite" else " ON accounts_customer"
        cursor.execute(f"DROP TRIGGER customer_sensitive_by_execution{on}")
    Customer.objects.update(**columns)


def _drift(cast: Cast, request: FormalRequest) -> FormalRequest:
    """Execute an approved request whose old values no longer fit."""
    unguarded(phone="999")
    execution = operations.execute(request.pk, actor=cast.gina)
    assert execution.result == Execution.Result.DRIFT
    request.refresh_from_db()
    return request


def link_in_mail(to: str, page: str) -> str:
    """Return the path of the newest link to /solicitudes/<page>/ in the mails to this address."""
    for mail in OutboxMessage.objects.filter(to=to).order_by("-pk"):
        if found := re.search(rf"(/solicitudes/{page}/\S+/)", mail.body):
            return found.group(1)
    raise AssertionError(f"no link to {page} for {to}")


def code_in_mail(to: str) -> str:
    """Return the six digits of the newest mail to this address."""
    body = OutboxMessage.objects.filter(to=to).latest("pk").body
    return re.findall(r"\b\d{6}\b", body)[0]
