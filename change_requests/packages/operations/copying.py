"""Bring the identified copy, test it, release it, and put the original in use again (M32)."""

from collections.abc import Callable
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Max

from accounts.models import UNPROVEN, Proof, User
from change_requests.operations._common import require_none, reread_person
from change_requests.packages import notifications, policy, record
from change_requests.packages.models import FileKind, IdentifiedCopy, PackageChange, PackagePort, SupplierPackage
from change_requests.packages.operations._common import (
    Status,
    clean_reason,
    lock_change,
    lock_package,
    move,
    record_change,
    take_upload,
)
from change_requests.packages.operations.comparing import require_intact
from change_requests.packages.operations.registering import insert_port
from factureya.core import audit
from factureya.core.clock import now
from factureya.core.models import Event
from factureya.core.refusals import Invalid, Refused, Stale


def make_copy(
    pk: int,
    *,
    copy_upload: int | None,
    patch_upload: int | None,
    change_log: str,
    reapply_notes: str,
    actor: User,
    proof: Proof | None = None,
) -> PackageChange:
    """Store the identified copy of the original with its patch and notes, and return the change (M32).

    The copy gets the next label of its package. Raises Invalid if it is equal to the original or to another copy.
    """
    change_log = clean_reason(change_log, field="change_log", text_name="qué cambió")
    reapply_notes = clean_reason(reapply_notes, field="reapply_notes", text_name="cómo volver a aplicarlo")
    with lock_change(pk, actor, policy.why_not_make_copy) as change:
        package = lock_package(change.package_id)
        file = take_upload(copy_upload, FileKind.COPY, actor, change=change, field="copy")
        patch = take_upload(patch_upload, FileKind.PATCH, actor, change=change, field="patch")
        number = find_next_number(package)
        copy = _insert_copy(
            change=change,
            package=package,
            number=number,
            label=package.make_label(number),
            file=file,
            patch=patch,
            original_sha256=package.original.sha256,
            sha256=file.sha256,
            change_log=change_log,
            reapply_notes=reapply_notes,
            made_by=actor,
            made_by_name=actor.get_full_name(),
        )
        move(change, Status.COPIED)
        event = _record_copy("copy_made", change, copy, actor, proof)
        notifications.mail_step(change, event)
    return change


def record_test(
    pk: int, *, seen_hash: str, passed: bool, notes: str, actor: User, proof: Proof | None = None
) -> PackageChange:
    """Record how the test of the copy went, by somebody who did not make it, and return the change (M32).

    A copy that failed stays as it is, and the change waits for another one. Raises Stale if `seen_hash`, the SHA-256
    of the copy that the person tested, is not that of the change's last copy.
    """
    notes = clean_reason(notes, field="notes", text_name="qué se probó")
    with lock_change(pk, actor, policy.why_not_test_copy) as change:
        copy = _read_copy(change)
        if copy.sha256 != seen_hash:
            raise Stale(f"Ya hay otra copia, {copy.label}. Descárguela, pruébela y registre su prueba de nuevo.")
        copy.tested_by, copy.tested_at, copy.test_passed, copy.test_notes = actor, now(), passed, notes
        copy.save(update_fields=["tested_by", "tested_at", "test_passed", "test_notes"])
        move(change, Status.TESTED if passed else Status.IMPACT_WEIGHED)
        event = _record_copy("copy_tested", change, copy, actor, proof, passed=passed)
        notifications.mail_step(change, event)
    return change


def release_change(pk: int, *, note: str, actor: User, proof: Proof | None = None) -> PackageChange:
    """Put the tested copy in use, and return the change; the original stays where it is (M32).

    If the change carries a copy into a newer version, that port is recorded as applied. Raises AlteredFile if the
    original or the copy is not what was stored, and alarms it at once.
    """
    note = clean_reason(note, field="note", text_name="la nota de la liberación")
    change = _ask(pk, actor, policy.why_not_release)
    copy = _read_copy(change)
    require_intact(change.package.original, copy.file, copy.patch)
    with lock_change(pk, actor, policy.why_not_release) as change:
        copy = _read_copy(change)
        change.released_by, change.released_at, change.release_note = actor, now(), note
        move(change, Status.RELEASED, "released_by", "released_at", "release_note")
        event = _record_copy("released", change, copy, actor, proof)
        _put_in_use(change, copy, actor, proof)
        if change.port_of is not None:
            applied = PackagePort.Outcome.APPLIED
            insert_port(
                change.port_of, change.package, outcome=applied, notes=note, actor=actor, proof=proof, change=change
            )
        notifications.mail_in_use(change, event, copy)
    return change


def revert_change(pk: int, *, reason: str, actor: User, proof: Proof | None = None) -> PackageChange:
    """Put the byte-identical original in use again, and return the change; the copy is kept (M32).

    Raises AlteredFile, and alarms it at once, if the original is not what was stored.
    """
    reason = clean_reason(reason, text_name="por qué se revierte")
    require_intact(_ask(pk, actor, policy.why_not_revert).package.original)
    with lock_change(pk, actor, policy.why_not_revert) as change:
        copy = _read_copy(change)
        _put_in_use(change, None, actor, proof)  # first: no change is reverted while its copy is in use
        change.reverted_by, change.reverted_at, change.revert_reason = actor, now(), reason
        move(change, Status.REVERTED, "reverted_by", "reverted_at", "revert_reason")
        event = _record_copy("reverted", change, copy, actor, proof, reason=reason)
        notifications.mail_in_use(change, event, copy)
    return change


def find_next_number(package: SupplierPackage) -> int:
    """Return the number of the next identified copy of a package, which its label ends with."""
    return int(IdentifiedCopy.objects.filter(package=package).aggregate(last=Max("number"))["last"] or 0) + 1


def _insert_copy(**columns: Any) -> IdentifiedCopy:
    """Insert and return an identified copy. Raises Invalid if its label or its bytes are taken."""
    try:
        with transaction.atomic():
            return IdentifiedCopy.objects.create(made_at=now(), **columns)
    except IntegrityError as error:
        raise Invalid({"copy": "Esa copia no se puede guardar: es igual al original o a otra copia."}) from error


def _read_copy(change: PackageChange) -> IdentifiedCopy:
    """Return the last copy of a change that has one, as its status says."""
    copy = policy.find_copy(change)
    assert copy is not None
    return copy


def _ask(pk: int, actor: User, why_not: Callable[[User, PackageChange], Refused | None]) -> PackageChange:
    """Return the change, if the actor may act on it now. Raises the refusal of the policy's rule `why_not`.

    It is asked before files are compared, which takes a second or two; and again under the lock.
    """
    change = PackageChange.objects.select_related("package__original", "package__in_use").get(pk=pk)
    require_none(why_not(reread_person(actor), change))
    return change


def _put_in_use(change: PackageChange, copy: IdentifiedCopy | None, actor: User, proof: Proof | None) -> None:
    """Write which file of the package is in use, with the event in the package's chain."""
    package = lock_package(change.package_id)
    package.in_use = copy
    verb = "package.copy_in_use" if copy is not None else "package.original_in_use"
    rows = {record.PACKAGE: record.describe_package(package)}
    data = {"folio": change.folio, "label": copy.label if copy is not None else str(package)}
    audit.record(verb, package, actor=actor, rows=rows, auth=(proof or UNPROVEN).as_data(), **data)
    package.save(update_fields=["in_use"])


def _record_copy(
    verb: str, change: PackageChange, copy: IdentifiedCopy, actor: User, proof: Proof | None, **data: Any
) -> Event:
    """Record and return an event of the change that holds the row of its copy, with the copy's label."""
    rows = {record.COPY: record.describe_row(copy)}
    return record_change(verb, change, actor=actor, proof=proof, rows=rows, label=copy.label, **data)
