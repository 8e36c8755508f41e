"""Ask for a change of a package, authorize it, refuse it, or cancel it; nothing else comes before (M28)."""

from typing import Any

from django.db import IntegrityError, transaction

from accounts.models import Office, Proof, RoleAssignment, User
from change_requests.operations._common import require_none, reread_person
from change_requests.packages import notifications, policy
from change_requests.packages.models import IdentifiedCopy, PackageChange, PackageUpload, SupplierPackage
from change_requests.packages.operations._common import (
    Status,
    clean_line,
    clean_reason,
    lock_change,
    lock_package,
    move,
    record_change,
)
from change_requests.packages.operations.registering import find_by_form_key
from change_requests.packages.operations.uploading import delete_upload
from change_requests.packages.ports import list_copies_to_port
from factureya.core import numbers
from factureya.core.clock import now
from factureya.core.refusals import FormUsed, Invalid, Refused, WrongStatus

EndReason = PackageChange.EndReason


def request_change(
    *,
    package_pk: int,
    title: str,
    need: str,
    actor: User,
    port_of_pk: int | None = None,
    proof: Proof | None = None,
    form_key: str | None = None,
) -> PackageChange:
    """Write the draft of a change of a package, with why it is needed, and return it; the head of IT is told (M28).

    `port_of_pk` names the copy of the version before that the change carries into this one. The same form twice
    returns the first change. Raises WrongStatus if the package has a change in course.
    """
    title = clean_line(title, field="title", text_name="qué se cambia", at_least=5, at_most=120)
    need = clean_reason(need, field="need", text_name="por qué hace falta", at_least=20)
    with transaction.atomic():
        package = lock_package(package_pk)
        actor = reread_person(actor)
        require_none(policy.why_not_request(actor))
        if (first := find_by_form_key(PackageChange, form_key)) is not None:
            return _require_same(first, actor, package_pk)
        change = _insert_change(
            package=package,
            title=title,
            need=need,
            port_of=_find_ported(package, port_of_pk),
            requester=actor,
            requester_name=actor.get_full_name(),
            form_key=form_key or None,
        )
        event = record_change("requested", change, actor=actor, proof=proof, title=title, reason=need)
        notifications.mail_step(change, event)
    return change


def authorize_change(pk: int, *, reason: str, actor: User, proof: Proof | None = None) -> PackageChange:
    """Authorize a change as head of IT, before anything of it exists, and return it (M28)."""
    reason = clean_reason(reason, text_name="por qué se autoriza")
    with lock_change(pk, actor, policy.why_not_authorize) as change:
        change.authorized_by, change.authorized_at, change.authorization_reason = actor, now(), reason
        change.authorization = _find_assignment(actor)
        move(change, Status.AUTHORIZED, "authorized_by", "authorized_at", "authorization", "authorization_reason")
        event = record_change("authorized", change, actor=actor, proof=proof, reason=reason)
        notifications.mail_step(change, event)
    return change


def refuse_change(pk: int, *, reason: str, actor: User, proof: Proof | None = None) -> PackageChange:
    """Refuse to authorize a change, as head of IT, and return it; that is final (M28)."""
    reason = clean_reason(reason, text_name="por qué no se autoriza")
    with lock_change(pk, actor, policy.why_not_refuse) as change:
        end_change(change, EndReason.NOT_AUTHORIZED, reason, actor)
        event = record_change("refused", change, actor=actor, proof=proof, reason=reason)
        notifications.mail_ended(change, event)
    return change


def cancel_change(pk: int, *, reason: str, actor: User, proof: Proof | None = None) -> PackageChange:
    """End a change that is not released yet, and return it; its uploads are deleted and what was decided stays."""
    reason = clean_reason(reason, text_name="por qué se cancela")
    with lock_change(pk, actor, policy.why_not_cancel) as change:
        end_change(change, EndReason.CANCELLED, reason, actor)
        event = record_change("cancelled", change, actor=actor, proof=proof, reason=reason)
        notifications.mail_ended(change, event)
    return change


def end_change(change: PackageChange, end_reason: str, note: str, actor: User) -> None:
    """Write that a locked change goes no further, and delete its uploads; the caller records the event."""
    change.ended_by, change.ended_at, change.end_reason, change.end_note = actor, now(), end_reason, note
    move(change, Status.REFUSED, "ended_by", "ended_at", "end_reason", "end_note")
    for upload in PackageUpload.objects.filter(change=change):
        delete_upload(upload)


def _find_assignment(actor: User) -> RoleAssignment:
    """Return the assignment by which the person is head of IT now; the policy was asked before."""
    assignments = RoleAssignment.objects.in_force().filter(user=actor, office=Office.IT_HEAD, ended_by=None)
    assignment = assignments.order_by("pk").first()
    assert assignment is not None
    return assignment


def _find_ported(package: SupplierPackage, pk: int | None) -> IdentifiedCopy | None:
    """Return the copy that a change carries into this version, or None. Raises Invalid if it cannot be carried."""
    if pk is None:
        return None
    copies = {copy.pk: copy for copy in list_copies_to_port(package)}
    if pk not in copies:
        raise Invalid({"port_of": "Esa copia no es de la versión que este paquete reemplaza, o ya se anotó."})
    return copies[pk]


def _insert_change(*, package: SupplierPackage, **columns: Any) -> PackageChange:
    """Insert and return a change that waits for its authorization. Raises WrongStatus if the package has one."""
    live = PackageChange.objects.filter(package=package, status__in=PackageChange.LIVE).first()
    if live is not None:
        raise WrongStatus(f"Ese paquete ya tiene un cambio en curso: {live.folio}.")
    try:
        with transaction.atomic():
            return PackageChange.objects.create(
                folio=numbers.make_number(PackageChange.PREFIX), requested_at=now(), package=package, **columns
            )
    except IntegrityError as error:
        raise Refused("No se pudo guardar el cambio. Inténtelo de nuevo.") from error


def _require_same(first: PackageChange, actor: User, package_pk: int) -> PackageChange:
    """Return the change that this form made. Raises FormUsed if the form was another person's or package's."""
    if first.requester_id != actor.pk or first.package_id != package_pk:
        raise FormUsed
    return first
