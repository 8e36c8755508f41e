"""The people of formal requests, and requests brought to any status through real operations."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.utils import timezone

from accounts.models import Customer, Office, User
from change_requests import operations
from change_requests.models import Execution, FormalRequest, RequestRevision
from factureya.core import clock
from factureya.core.files import store
from factureya.core.models import OutboxMessage
from factureya.testing.people import (
    make_contact,
    make_customer,
    make_representative,
    make_staff,
    make_superuser,
    represent,
)
from factureya.testing.requests import own_assets

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


@dataclass
class Cast:
    """Ana asks, Laura is mesa de control, Fabián owns the data, Elsa is security, Gina implements; Jorge checks."""

    ana: User = field(default_factory=lambda: make_representative(full_name="Ana Ocaso"))
    laura: User = field(default_factory=lambda: make_staff(Office.SUPERVISOR, full_name="Laura Mesa"))
    fabian: User = field(default_factory=own_assets)
    elsa: User = field(default_factory=lambda: make_staff(Office.SECURITY_OFFICER, full_name="Elsa Segura"))
    gina: User = field(default_factory=lambda: make_staff(Office.IMPLEMENTER, full_name="Gina Aplica"))

    jorge: User = field(default_factory=lambda: make_staff(Office.IT_HEAD, full_name="Jorge Revisa"))

    @property
    def customer(self) -> Any:
        return self.ana.contact.customer

    def colleague(self, **user: Any) -> User:
        """Somebody else of Ana's company."""
        return make_contact(self.customer, **user)


def representative_for(*, days: int) -> User:
    """Return the representative of a verified company whose powers end so many days from today."""
    customer = make_customer(verified=False)
    person = make_contact(customer, representative=True, full_name="Ana Ocaso")
    represent(customer, person, valid_until=timezone.localdate(clock.now()) + timedelta(days=days))
    Customer.objects.filter(pk=customer.pk).update(verified_at=clock.now(), verified_by=make_superuser())
    return User.objects.select_related("contact__customer").get(pk=person.pk)


def draft(cast: Cast, form: str = Form.CHANGE, kind: str = Kind.CHANGE, **answers: Any) -> FormalRequest:
    """Return a draft of Ana's with valid answers for its kind."""
    request = operations.create_draft(actor=cast.ana, customer=cast.customer, form=form, kind=kind)
    answers = {"reason": REASON, **_answers(cast, form, kind), **answers}
    return operations.save_draft(request.pk, actor=cast.ana, draft=answers)


def add_file(cast: Cast, request: FormalRequest) -> FormalRequest:
    """Evidence: what the RFC, the name and the representative ask for."""
    file = store.store(SimpleUploadedFile("constancia.txt", b"Constancia"), draft="k")
    return operations.add_evidence(request.pk, actor=cast.ana, files=[file])


def _answers(cast: Cast, form: str, kind: str) -> dict[str, Any]:
    if form == Form.CHANGE:
        return {"items": dict(NEW)} if kind == Kind.CHANGE else {}
    if kind == Kind.ALTA:
        number = FormalRequest.objects.count()
        return {"person": {"full_name": "Rosa Nueva", "email": f"rosa{number}@ejemplo.mx"}}
    return {"person": {"user": cast.colleague().pk}}


def make(cast: Cast, status: str, form: str = Form.CHANGE, kind: str = Kind.CHANGE, **answers: Any) -> FormalRequest:
    """Return a request of Ana's, brought to `status` by the real operations."""
    request = draft(cast, form, kind, **answers)
    if status in ORDER:
        return _bring(cast, request, status)
    return _end(cast, request, status)


def revision(request: FormalRequest) -> RequestRevision:
    request.refresh_from_db()
    return request.read_revision()


def seen(request: FormalRequest) -> str:
    return revision(request).sha256


def step(cast: Cast, request: FormalRequest, status: str) -> FormalRequest:
    """Bring a request into its next `status` by the real operation."""
    if status == Status.SUBMITTED:
        return operations.submit(request.pk, actor=cast.ana)
    if status == Status.VERIFYING:
        return prove_mail(
            operations.confirm_from_registered_email(request.pk, actor=cast.ana, revision_no=request.revision_no)
        )
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


def prove_mail(request: FormalRequest) -> FormalRequest:
    """Read the code of the new registered mail back, where one changes."""
    sent = OutboxMessage.objects.filter(kind="change_requests/new_email_code", about=request.chain)
    if mail := sent.order_by("pk").last():
        code = next(line for line in mail.body.splitlines() if line.isdigit())
        return operations.confirm_new_email(request.pk, code=code)
    return request


def approve(cast: Cast, request: FormalRequest) -> FormalRequest:
    """Everybody approves and Gina is designated."""
    if request.form == Form.CHANGE:
        operations.approve(request.pk, actor=cast.fabian, reason=WHY, seen_hash=seen(request))
    operations.designate(request.pk, actor=cast.elsa, implementer=cast.gina)
    return operations.approve(request.pk, actor=cast.elsa, reason=WHY, seen_hash=seen(request))


def _bring(cast: Cast, request: FormalRequest, status: str) -> FormalRequest:
    for reached in ORDER[1 : ORDER.index(Status(status)) + 1]:
        request = step(cast, request, reached)
    return request


def _end(cast: Cast, request: FormalRequest, status: str) -> FormalRequest:
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
    """Play the request of the system that reverts this one, up to its execution."""
    undoing = operations.revert(request.pk, actor=cast.laura, reason="Se pidió por error, según la empresa.")
    for reached in ORDER[2:6]:
        undoing = step(cast, undoing, reached)
    request.refresh_from_db()
    return request


def unguarded(**columns: Any) -> None:
    """Change companies' data behind the guards' back, inside the test's transaction: what drift is made of."""
    with connection.cursor() as cursor:
        on = "" if connection.vendor == "sqlite" else " ON accounts_customer"
        cursor.execute(f"DROP TRIGGER customer_sensitive_by_execution{on}")
    Customer.objects.update(**columns)


def _drift(cast: Cast, request: FormalRequest) -> FormalRequest:
    unguarded(phone="999")
    execution = operations.execute(request.pk, actor=cast.gina)
    assert execution.result == Execution.Result.DRIFT
    request.refresh_from_db()
    return request
