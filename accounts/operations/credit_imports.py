"""Import the credits of many companies from a CSV file: upload, check, confirm, apply (M28).

A task checks and applies, in steps of some hundred rows; each step is a transaction and says how far it came. So a
worker that dies loses one step, and whoever goes on later goes on from there.
"""

import hashlib
import zlib
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction

from accounts.models import CreditBalance, CreditFile, CreditImport, CreditImportRow, Customer, User
from accounts.operations import credit_rows
from accounts.operations.common import reload_person
from accounts.operations.credit_rows import CreditRow
from accounts.operations.credits import build_balance, read_values, record_balance, require_supervisor
from accounts.policy import may_enter_credits
from factureya.core import audit
from factureya.core.clock import now
from factureya.core.locking import locked, save_once
from factureya.core.record.state import as_fact
from factureya.core.refusals import Refused, WrongStatus, require
from factureya.core.running.waking import Waker

CHECK_TASK, APPLY_TASK = "accounts.credits.tasks.check_import", "accounts.credits.tasks.apply_import"
_check_waker, _apply_waker = Waker(CHECK_TASK), Waker(APPLY_TASK)
CHECKED_AT_A_TIME, APPLIED_AT_A_TIME = 1_000, 200
ABANDONED_AFTER = timedelta(minutes=2)  # without progress; then another worker goes on
Status, Kind, Outcome = CreditImport.Status, CreditImportRow.Kind, CreditImportRow.Outcome


def upload_credits(*, actor: User, name: str, content: bytes, form_key: str) -> CreditImport:
    """Store a CSV file of credits, let a task check it, and return the import; nothing of it is applied yet (M28).

    A double click (the same `form_key`) returns the import made first. Raises NotAllowed for who is no supervisor, and
    Refused for a file that is empty or too large.
    """
    most: int = settings.CREDITS_IMPORT_MAX_BYTES
    require(bool(content.strip()), "El archivo está vacío.")
    require(len(content) <= most, f"El archivo pasa de {most // 1024**2} MB. Divídalo en varios.")
    with transaction.atomic():
        person = require_supervisor(actor)
        found = CreditImport(
            name=name[:150],
            size=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            uploaded_by=person,
            form_key=form_key,
            rows_total=credit_rows.count_lines(content),
        )
        sent_before = CreditImport.objects.filter(form_key=form_key, uploaded_by=person)
        if (made := save_once(found, sent_before)) is not None:
            return made
        CreditFile.objects.create(credit_import=found, content=zlib.compress(content))
        audit.record("credits.import_uploaded", found, actor=person, name=found.name, sha256=found.sha256)
        transaction.on_commit(lambda: _check_waker.wake(found.pk), robust=True)
    return found


def check_import(pk: int) -> None:
    """Read the file of an import, and store its bad rows and what the good ones would change, for the preview (M28)."""
    credit_import = CreditImport.objects.get(pk=pk)
    content = zlib.decompress(bytes(credit_import.file.content))
    start = 0
    try:
        for rows in credit_rows.take_chunks(credit_rows.read_rows(content), CHECKED_AT_A_TIME):
            if not _check_rows(pk, start, rows):
                return  # another worker is at it
            start += len(rows)
        _finish_check(pk, start, "" if start else "El archivo no tiene ninguna fila después de los títulos.")
    except Refused as refusal:
        _finish_check(pk, None, str(refusal))


def confirm_import(pk: int, *, actor: User) -> CreditImport:
    """Let a task apply what the preview of an import shows, and return the import (M28).

    Raises NotAllowed for who is no supervisor, and WrongStatus if it has a bad row, changes nothing, or was decided.
    """
    with locked(CreditImport.objects.all(), pk) as credit_import:
        person = require_supervisor(actor)
        if not credit_import.may_be_applied:
            raise WrongStatus(_explain_refusal(credit_import))
        audit.record("credits.import_confirmed", credit_import, actor=person, changes=credit_import.changes)
        credit_import.status, credit_import.touched_at = Status.APPLYING, now()
        credit_import.confirmed_by, credit_import.confirmed_at = person, now()
        credit_import.save(update_fields=["status", "touched_at", "confirmed_by", "confirmed_at"])
        transaction.on_commit(lambda: _apply_waker.wake(pk), robust=True)
    return credit_import


def discard_import(pk: int, *, actor: User) -> CreditImport:
    """Put an import aside without applying anything of it, and return it. Raises NotAllowed or WrongStatus."""
    with locked(CreditImport.objects.all(), pk) as credit_import:
        person = require_supervisor(actor)
        if credit_import.status != Status.CHECKED:
            raise WrongStatus(_explain_refusal(credit_import))
        _finish(credit_import, Status.DISCARDED)
        audit.record("credits.import_discarded", credit_import, actor=person)
    return credit_import


def apply_import(pk: int) -> None:
    """Apply a confirmed import to its end, a few hundred companies at a time (M28)."""
    while _apply_next(pk):
        pass


def wake_abandoned() -> int:
    """Let a worker go on with each import whose worker died, and return how many there are."""
    abandoned = list_abandoned()
    for task, pk in abandoned:
        (_check_waker if task == CHECK_TASK else _apply_waker).wake(pk)
    return len(abandoned)


def list_abandoned() -> list[tuple[str, int]]:
    """Return the task and the key of each import on which nobody has worked for a while, because a worker died."""
    running = CreditImport.objects.filter(touched_at__lte=now() - ABANDONED_AFTER)
    tasks = {Status.CHECKING: CHECK_TASK, Status.APPLYING: APPLY_TASK}
    rows = running.filter(status__in=tasks).order_by("pk").values_list("status", "pk")
    return [(tasks[Status(status)], pk) for status, pk in rows]


def _explain_refusal(credit_import: CreditImport) -> str:
    """Return why an import cannot be applied or put aside now."""
    if credit_import.status == Status.CHECKING:
        return "Todavía se está revisando el archivo. Espere a que termine."
    if credit_import.status != Status.CHECKED:
        return f"Esta importación ya se decidió: {credit_import.get_status_display().lower()}."
    if credit_import.rows_bad or credit_import.problem:
        return "El archivo tiene errores: no se guardó nada. Corríjalo y súbalo otra vez."
    return "El archivo no cambia nada."


def _check_rows(pk: int, start: int, rows: list[CreditRow]) -> bool:
    """Check the rows from the number `start` on, and store those that are bad or change something.

    Return True, also if they were checked before. Return False if another worker has checked other ones meanwhile.
    """
    with locked(CreditImport.objects.all(), pk) as credit_import:
        done = credit_import.rows_checked
        if credit_import.status != Status.CHECKING or done < start or start < done < start + len(rows):
            return False
        if done > start:
            return True
        found = list(_compare_rows(credit_import, rows))
        CreditImportRow.objects.bulk_create(found, batch_size=500)
        for row in found:
            counter = {Kind.BAD: "rows_bad", Kind.NEW: "rows_new"}.get(Kind(row.kind), "rows_changed")
            setattr(credit_import, counter, getattr(credit_import, counter) + 1)
        credit_import.rows_checked = done + len(rows)
        credit_import.rows_total = max(credit_import.rows_total, credit_import.rows_checked)
        credit_import.touched_at = now()
        credit_import.save()
    return True


def _compare_rows(credit_import: CreditImport, rows: list[CreditRow]) -> Iterator[CreditImportRow]:
    """Yield a stored row for each row that is bad, or says something else than what is stored of its company."""
    wanted = [row.rfc for row in rows if not row.problem]
    verified = Customer.objects.filter(rfc__in=wanted, verified_at__isnull=False, is_drill=False)
    customers = {customer.rfc: customer for customer in verified.select_related("credit_balance")}
    for row in rows:
        customer = customers.get(row.rfc)
        problem = row.problem or ("" if customer else "Ningún cliente verificado tiene este RFC.")
        if problem or customer is None:
            yield CreditImportRow(
                credit_import=credit_import, line=row.line, kind=Kind.BAD, rfc=row.rfc, problem=problem
            )
            continue
        old, values = customer.credits, _read_row_values(row)
        if old is None or read_values(old) != values:
            kind = Kind.CHANGED if old else Kind.NEW
            yield CreditImportRow(
                credit_import=credit_import,
                line=row.line,
                kind=kind,
                rfc=row.rfc,
                customer=customer,
                before=_as_facts(old),
                **values,
            )


def _read_row_values(row: Any) -> dict[str, Any]:
    """Return what a row of the file, or a stored row, says of the credits."""
    return {name: getattr(row, name) for name in ("package", "total", "remaining", "valid_until")}


def _as_facts(balance: CreditBalance | None) -> dict[str, Any] | None:
    """Return a balance as a row of the preview stores it, or None without a balance."""
    return {name: as_fact(value) for name, value in read_values(balance).items()} if balance else None


def _finish_check(pk: int, checked: int | None, problem: str) -> None:
    """Store that an import is checked, with the `problem` of the whole file, unless another worker has the last rows.

    `checked` is how many rows were read; None if the reading stopped.
    """
    with locked(CreditImport.objects.all(), pk) as credit_import:
        is_ours = checked is None or credit_import.rows_checked == checked
        if credit_import.status != Status.CHECKING or not is_ours:
            return
        credit_import.status, credit_import.touched_at = Status.CHECKED, now()
        credit_import.problem, credit_import.rows_total = problem[:300], credit_import.rows_checked
        credit_import.save()
        counts = {"rows": credit_import.rows_checked, "bad": credit_import.rows_bad, "changes": credit_import.changes}
        audit.record("credits.import_checked", credit_import, actor=None, problem=credit_import.problem, **counts)


def _apply_next(pk: int) -> bool:
    """Apply the next rows of a confirmed import, and return whether more are left.

    Who confirmed it must still be a supervisor; otherwise the import stops here.
    """
    with locked(CreditImport.objects.select_related("confirmed_by"), pk) as credit_import:
        if credit_import.status != Status.APPLYING or credit_import.confirmed_by is None:
            return False
        person = reload_person(credit_import.confirmed_by)
        if not may_enter_credits(person):
            _finish(credit_import, Status.STOPPED)
            counts = {"applied": credit_import.rows_applied, "left_out": credit_import.rows_left_out}
            audit.record("credits.import_stopped", credit_import, actor=None, **counts)
            return False
        waiting = credit_import.rows.filter(outcome=Outcome.WAITING).exclude(kind=Kind.BAD).order_by("line")
        rows = list(waiting[:APPLIED_AT_A_TIME])
        if not rows:
            _finish(credit_import, Status.APPLIED)
            counts = {"applied": credit_import.rows_applied, "left_out": credit_import.rows_left_out}
            audit.record("credits.import_applied", credit_import, actor=person, **counts)
            return False
        applied = _apply_rows(credit_import, rows, person)
        credit_import.rows_applied += applied
        credit_import.rows_left_out += len(rows) - applied
        credit_import.touched_at = now()
        credit_import.save(update_fields=["rows_applied", "rows_left_out", "touched_at"])
    return True


def _apply_rows(credit_import: CreditImport, rows: list[CreditImportRow], actor: User) -> int:
    """Store the credits of these rows' companies, and return how many; each company gets its own event.

    A row is left out if its company has other credits now than the preview showed.
    """
    keys = sorted(row.customer_id for row in rows if row.customer_id is not None)
    list(Customer.objects.select_for_update(no_key=True).filter(pk__in=keys).order_by("pk"))  # the lock
    customers = Customer.objects.filter(verified_at__isnull=False).select_related("credit_balance").in_bulk(keys)
    added: list[CreditBalance] = []
    changed: list[CreditBalance] = []
    for row in rows:
        customer = customers.get(row.customer_id or 0)
        if customer is None or _as_facts(customer.credits) != row.before:
            row.outcome = Outcome.LEFT_OUT
            continue
        row.outcome, old = Outcome.APPLIED, customer.credits
        balance = build_balance(customer, old, _read_row_values(row), actor, CreditBalance.Source.IMPORTED)
        record_balance(balance, old, actor, credit_import=credit_import.pk, line=row.line)
        (changed if old else added).append(balance)
    columns = ["package", "total", "remaining", "valid_until", "source", "recorded_at", "recorded_by"]
    CreditBalance.objects.bulk_create(added)
    CreditBalance.objects.bulk_update(changed, columns)
    CreditImportRow.objects.filter(pk__in=[row.pk for row in rows if row.outcome == Outcome.APPLIED]).update(
        outcome=Outcome.APPLIED
    )
    CreditImportRow.objects.filter(pk__in=[row.pk for row in rows if row.outcome == Outcome.LEFT_OUT]).update(
        outcome=Outcome.LEFT_OUT
    )
    return len(added) + len(changed)


def _finish(credit_import: CreditImport, status: str) -> None:
    """Store that nothing more is done with an import."""
    credit_import.status, credit_import.finished_at = Status(status), now()
    credit_import.save(update_fields=["status", "finished_at"])
