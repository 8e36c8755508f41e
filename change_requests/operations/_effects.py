"""What an execution does, kind by kind; inside `executing`, so that the guards let exactly this through (M1, M7)."""

from datetime import date
from typing import Any

from accounts import operations as accounts
from accounts.models import Contact, Customer, Representative, User
from accounts.models.representatives import decompose
from change_requests.kinds import content
from change_requests.models import Evidence, FormalRequest
from change_requests.operations._common import Form, Kind, first_instant
from factureya.core.clock import now


def apply(request: FormalRequest, asked: dict[str, Any], actor: User) -> User | None:
    """Write what was approved; the person who gets a link to set a password, if there is one."""
    items = asked["items"]
    if request.form == Form.ACCESS:
        return _access(request, items, actor)
    columns = {i["field"]: i["new"] for i in items if i["field"] in Customer.SENSITIVE}
    if "status" in columns:
        columns |= _service(columns["status"], asked["effective_date"])
    if columns:
        Customer.objects.filter(pk=request.customer_id).update(**columns)
    for item in items:
        if item["field"] == "representative":
            _representative(request, item["old"], item["new"], actor)
    request.customer.refresh_from_db()
    return None


def _access(request: FormalRequest, items: list[dict[str, str]], actor: User) -> User | None:
    if request.kind == Kind.ALTA:
        email = next(item["new"] for item in items if item["field"] == "email")
        accounts.invite_by_request(
            request.customer,
            email=email,
            folio=request.folio,
            invited_by=request.requester,
            actor=actor,
        )
        return None
    person = content.person_of(request.customer, items[0]["old"])
    assert person is not None  # no drift
    if request.kind == Kind.BAJA:
        accounts.disable_by_request(person.pk, folio=request.folio, actor=actor)
        return None
    return accounts.void_password(person.pk, folio=request.folio, actor=actor)


def _service(status: str, effective_date: str) -> dict[str, Any]:
    """Suspended from the effective date on, or from now when that has passed; active again at once."""
    if status == Customer.Status.ACTIVE:
        return {"suspended_at": None}
    return {"suspended_at": max(filter(None, (now(), first_instant(effective_date))))}


def _representative(request: FormalRequest, old: str, new: str, actor: User) -> None:
    """Revoke the one that goes and enter the one that comes; who lost or won powers has no open session any more."""
    gone = None
    if old:
        rows = Representative.objects.select_for_update().filter(customer=request.customer_id, revoked_at__isnull=True)
        gone = next(row for row in rows if row.line == old)
        gone.revoked_at, gone.revoked_by = now(), actor
        gone.save(update_fields=["revoked_at", "revoked_by"])
    come = _enter(request, new) if new else None
    if gone is not None and gone.user_id is not None and (come is None or come.user_id != gone.user_id):
        _take_role(gone.user_id, Contact.Role.CONTACT, request, actor)
    if come is not None and come.user_id is not None and (gone is None or gone.user_id != come.user_id):
        _take_role(come.user_id, Contact.Role.REPRESENTATIVE, request, actor)


def _enter(request: FormalRequest, line: str) -> Representative:
    values = decompose(line)
    files = Evidence.objects.filter(request=request, revision_no__isnull=False, dropped_at__isnull=True)
    document = files.order_by("pk").first()
    # request_in_approval_was_verified
    assert request.verified_by is not None
    assert request.verified_at is not None
    return Representative.objects.create(
        customer=request.customer,
        user=content.person_of(request.customer, values["email"]),
        name=values["name"],
        rfc=values["rfc"],
        email=values["email"],
        power_kind=values["power_kind"],
        instrument=values["instrument"],
        valid_from=date.fromisoformat(values["valid_from"]),
        valid_until=date.fromisoformat(values["valid_until"]) if values["valid_until"] else None,
        document=document.attachment if document else None,
        verified_by=request.verified_by,
        verified_at=request.verified_at,
    )


def _take_role(pk: int, role: str, request: FormalRequest, actor: User) -> None:
    accounts.change_role_by_request(pk, role=role, folio=request.folio, actor=actor)
