"""What the operations of packages share: the locks, the event with the whole rows, the files that they take."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from django.db import IntegrityError, transaction

from accounts.models import UNPROVEN, Proof, User
from change_requests.operations._common import clean_text, require_none, reread_person
from change_requests.packages import record, store
from change_requests.packages.models import FileKind, PackageChange, PackageFile, PackageUpload, SupplierPackage
from factureya.core import audit
from factureya.core.locking import lock
from factureya.core.models import Event
from factureya.core.refusals import Invalid, Refused

Status = PackageChange.Status
_JOINED = ("package__original", "package__in_use__change", "requester")
CENT = Decimal("0.01")


@contextmanager
def lock_change(
    pk: int, actor: User, why_not: Callable[[User, PackageChange], Refused | None]
) -> Iterator[PackageChange]:
    """Open a transaction and yield the change, locked and read again, for the actor to act on it.

    Raises the refusal of the policy's rule `why_not` for the actor as he is today; a block that raises undoes its
    writes.
    """
    with transaction.atomic():
        change = lock(PackageChange.objects.select_related(*_JOINED), pk)
        require_none(why_not(reread_person(actor), change))
        yield change


def lock_package(pk: int) -> SupplierPackage:
    """Lock a package until the transaction ends, after the change that touches it, and return it, read again."""
    return lock(SupplierPackage.objects.select_related("original", "in_use"), pk)


def record_change(
    verb: str,
    change: PackageChange,
    *,
    actor: User,
    proof: Proof | None,
    rows: dict[str, Any] | None = None,
    **data: Any,
) -> Event:
    """Record and return an event of the change, with its whole row, the other `rows`, and how the act was proven."""
    all_rows = {record.CHANGE: record.describe_row(change), **(rows or {})}
    auth = (proof or UNPROVEN).as_data()
    return audit.record(f"package_change.{verb}", change, actor=actor, rows=all_rows, auth=auth, **data)


def move(change: PackageChange, status: str, *columns: str) -> None:
    """Save the change's new status and the other columns that the caller has set."""
    change.status = status
    change.save(update_fields=["status", *columns])


def lock_upload(pk: int | None) -> None:
    """Lock an upload until the transaction ends, if it is there; who waits for it reads what the other one made."""
    if pk is not None:
        PackageUpload.objects.select_for_update().filter(pk=pk).first()


def take_upload(
    pk: int | None, kind: FileKind, actor: User, *, change: PackageChange | None, field: str
) -> PackageFile:
    """Store a finished upload of this person, kind and change for ever, and return the stored file's row.

    Raises Invalid at the form's `field` if there is no such upload, or its bytes are stored already.
    """
    upload = PackageUpload.objects.select_for_update().filter(pk=pk, kind=kind, change=change).first() if pk else None
    if upload is None or not upload.is_finished:
        raise Invalid({field: "Suba el archivo completo antes de continuar."})
    if upload.started_by_id != actor.pk:
        raise Invalid({field: "Ese archivo lo subió otra persona; súbalo usted."})
    _require_new(upload, field)
    try:
        with transaction.atomic():
            return store.keep_upload(upload, actor=actor)
    except IntegrityError:
        _require_new(upload, field)  # somebody stored the same bytes at this very moment
        raise


def _require_new(upload: PackageUpload, field: str) -> None:
    """Raise Invalid if an original or a copy has the same bytes as one that is stored."""
    if upload.kind not in PackageFile.PACKAGES:
        return
    same = PackageFile.objects.filter(sha256=upload.found_sha256, kind__in=PackageFile.PACKAGES).first()
    if same is None:
        return
    if upload.change is not None and same.pk == upload.change.package.original_id:
        raise Invalid({field: "La copia es igual al original: no tiene ningún cambio."})
    raise Invalid({field: f"Ese archivo ya está guardado como «{same.name}»."})


def clean_reason(text: str, *, field: str = "reason", text_name: str = "la razón", at_least: int = 10) -> str:
    """Return a reason that a person wrote. Raises Invalid at `field` if it is too short or too long."""
    return clean_text(text, field=field, text_name=text_name, at_least=at_least, at_most=4000)


def clean_line(text: str, *, field: str, text_name: str, at_least: int, at_most: int) -> str:
    """Return a text of one line. Raises Invalid at `field` if it is too short or too long."""
    cleaned = clean_text(text, field=field, text_name=text_name, at_least=at_least, at_most=at_most)
    return " ".join(cleaned.split())


def clean_amount(value: Decimal | None, *, field: str, text: str, at_least: Decimal, at_most: Decimal) -> Decimal:
    """Return an amount with two places. Raises Invalid with `text` at `field` if it is not within its limits."""
    if value is None or not value.is_finite() or not at_least <= value <= at_most:
        raise Invalid({field: text})
    return value.quantize(CENT, ROUND_HALF_UP)
