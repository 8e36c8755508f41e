"""Register a version of a supplier's package with its original, and say what became of copies in it (M28, M32)."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Value
from django.db.models.functions import Concat

from accounts.models import UNPROVEN, Proof, User
from change_requests.operations._common import require_none, reread_person
from change_requests.packages import notifications, policy, record
from change_requests.packages.models import FileKind, IdentifiedCopy, PackageChange, PackagePort, SupplierPackage
from change_requests.packages.operations._common import clean_amount, clean_line, clean_reason, lock_upload, take_upload
from change_requests.packages.ports import list_copies_to_port
from factureya.core import audit
from factureya.core.clock import now
from factureya.core.locking import lock
from factureya.core.refusals import FormUsed, Invalid, WrongStatus

Outcome = PackagePort.Outcome
MAX_PRICE = Decimal("99999999.99")
MAX_CREDITS, MAX_MONTHS = 1_000_000_000, 1200
_LINES = {  # column: what a message calls it, and its shortest and longest text
    "supplier": ("el proveedor", 3, 120),
    "name": ("el nombre del paquete", 2, 60),
    "version": ("la versión", 1, 30),
    "software": ("el software", 2, 120),
    "licence_name": ("el nombre de la licencia", 3, 120),
}


def register_package(
    *,
    original_upload: int | None,
    credits: int,
    price: Decimal,
    months: int,
    valid_from: date,
    valid_until: date | None,
    licence_text: str,
    actor: User,
    replaces_pk: int | None = None,
    proof: Proof | None = None,
    form_key: str | None = None,
    **lines: str,
) -> SupplierPackage:
    """Register a version of a supplier's package with its original, which never changes, and return it (M32).

    `lines` are supplier, name, version, software and licence_name. If it replaces a version that has copies in use,
    the head of IT and the makers are told that each asks for a port. The same form twice returns the first package.
    """
    columns = {
        **_clean_columns(lines, licence_text, credits=credits, price=price, months=months),
        **_require_validity(valid_from, valid_until),
    }
    with transaction.atomic():
        lock_upload(original_upload)  # of two clicks, the second waits here, and then finds what the first one made
        actor = reread_person(actor)
        require_none(policy.why_not_register(actor))
        if (first := find_by_form_key(SupplierPackage, form_key)) is not None:
            return _require_same(first, actor)
        columns["replaces"] = _find_replaced(replaces_pk)
        _require_free_label(columns["name"], columns["version"])
        original = take_upload(original_upload, FileKind.ORIGINAL, actor, change=None, field="original")
        package = _insert_package(original=original, registered_by=actor, form_key=form_key or None, **columns)
        auth = (proof or UNPROVEN).as_data()
        rows = {record.PACKAGE: record.describe_package(package)}
        event = audit.record("package.registered", package, actor=actor, name=str(package), rows=rows, auth=auth)
        notifications.mail_registered(package, event, list_copies_to_port(package))
    return package


def end_sale(pk: int, *, valid_until: date | None, actor: User, proof: Proof | None = None) -> SupplierPackage:
    """Record until which day a package is sold, once, and return the package (M28).

    Raises Invalid for no day and for one before the sale begins, WrongStatus if the day is known already.
    """
    with transaction.atomic():
        package = lock(SupplierPackage.objects.all(), pk)
        actor = reread_person(actor)
        require_none(policy.why_not_end_sale(actor, package))
        if valid_until is None:
            raise Invalid({"valid_until": "Escriba hasta qué día se vende."})
        package.valid_until = _require_validity(package.valid_from, valid_until)["valid_until"]
        rows = {record.PACKAGE: record.describe_package(package)}
        auth = (proof or UNPROVEN).as_data()
        audit.record("package.sale_ended", package, actor=actor, name=str(package), rows=rows, auth=auth)
        package.save(update_fields=["valid_until"])
    return package


def record_port(
    *, copy_pk: int, package_pk: int, outcome: str, notes: str, actor: User, proof: Proof | None = None
) -> PackagePort:
    """Record that a copy is in conflict with a new version of its package or not needed in it, and return it (M32).

    That it was applied is recorded by the release of the change that carries it.
    """
    if outcome not in (Outcome.CONFLICT, Outcome.NOT_NEEDED):
        raise Invalid({"outcome": "Elija si quedó en conflicto o ya no hace falta."})
    notes = clean_reason(notes, field="notes", text_name="qué pasó")
    with transaction.atomic():
        package = lock(SupplierPackage.objects.select_related("replaces"), package_pk)
        copy = IdentifiedCopy.objects.select_related("change", "package").get(pk=copy_pk)
        actor = reread_person(actor)
        require_none(policy.why_not_record_port(actor, copy, package, outcome))
        return insert_port(copy, package, outcome=outcome, notes=notes, actor=actor, proof=proof)


def insert_port(
    copy: IdentifiedCopy,
    package: SupplierPackage,
    *,
    outcome: str,
    notes: str,
    actor: User,
    proof: Proof | None,
    change: PackageChange | None = None,
) -> PackagePort:
    """Insert and return what became of a copy in a version of its package, with its event; the caller holds the lock.

    Raises WrongStatus if that was said before.
    """
    try:
        with transaction.atomic():
            port = PackagePort.objects.create(
                copy=copy,
                package=package,
                outcome=outcome,
                notes=notes,
                change=change,
                decided_by=actor,
                decided_by_name=actor.get_full_name(),
                decided_at=now(),
            )
    except IntegrityError as error:
        raise WrongStatus("Ya se anotó qué pasó con esa copia en esa versión.") from error
    auth = (proof or UNPROVEN).as_data()
    rows = {record.PORT: record.describe_row(port)}
    audit.record("package.port_recorded", package, actor=actor, label=copy.label, rows=rows, auth=auth)
    return port


def find_by_form_key(model: type[Any], form_key: str | None) -> Any:
    """Return the row that this form made before, or None."""
    return model.objects.filter(form_key=form_key).first() if form_key else None


def _require_same(first: SupplierPackage, actor: User) -> SupplierPackage:
    """Return the package that this form registered. Raises FormUsed if the form was another person's."""
    if first.registered_by_id != actor.pk:
        raise FormUsed
    return first


def _clean_columns(
    lines: Mapping[str, str], licence_text: str, *, credits: int, price: Decimal, months: int
) -> dict[str, Any]:
    """Return the texts, counts and price of a package as its columns have them. Raises Invalid."""
    return {
        **{name: _clean_line(name, lines.get(name, "")) for name in _LINES},
        "credits": _require_count(credits, "credits", "Escriba los créditos", MAX_CREDITS),
        "months": _require_count(months, "months", "Escriba los meses de vigencia", MAX_MONTHS),
        "price": clean_amount(
            price, field="price", text="Escriba el precio en pesos.", at_least=Decimal(0), at_most=MAX_PRICE
        ),
        "licence_text": clean_reason(licence_text, field="licence_text", text_name="qué dice la licencia"),
    }


def _require_validity(first: date, last: date | None) -> dict[str, Any]:
    """Return the days between which a package is sold, by column. Raises Invalid if it ends before it begins."""
    if last is not None and last < first:
        raise Invalid({"valid_until": "La vigencia termina antes de empezar."})
    return {"valid_from": first, "valid_until": last}


def _clean_line(name: str, text: str) -> str:
    """Return a column's text of one line, within its limits. Raises Invalid."""
    text_name, at_least, at_most = _LINES[name]
    return clean_line(text, field=name, text_name=text_name, at_least=at_least, at_most=at_most)


def _require_count(value: int, field: str, text: str, at_most: int) -> int:
    """Return the count. Raises Invalid at `field` unless it lies between 1 and `at_most`."""
    if not 1 <= value <= at_most:
        raise Invalid({field: f"{text}, de 1 a {at_most:,}."})
    return value


def _find_replaced(pk: int | None) -> SupplierPackage | None:
    """Return the version that a new one replaces, locked, or None. Raises Invalid if it is replaced already."""
    if pk is None:
        return None
    replaced = SupplierPackage.objects.select_for_update().filter(pk=pk).first()
    if replaced is None or SupplierPackage.objects.filter(replaces=replaced).exists():
        raise Invalid({"replaces": "Esa versión ya fue reemplazada por otra."})
    return replaced


def _require_free_label(name: str, version: str) -> None:
    """Raise Invalid if the copies of another package have the labels that those of this one would have.

    Upper and lower case are the same. PAC-500 with v3.2, and PAC with 500-v3.2, both have PAC-500-v3.2+fy.1.
    """
    labelled = SupplierPackage.objects.annotate(label=Concat("name", Value("-"), "version"))
    taken = labelled.filter(label__iexact=f"{name}-{version}").first()
    if taken is None:
        return
    if (taken.name.lower(), taken.version.lower()) == (name.lower(), version.lower()):
        raise Invalid({"version": "Ya hay un paquete con ese nombre y esa versión."})
    raise Invalid({"version": f"Sus copias llevarían la misma etiqueta que las de {taken}. Escríbalo de otra manera."})


def _insert_package(**columns: Any) -> SupplierPackage:
    """Insert and return the package. Raises Invalid if another with its name came first."""
    try:
        with transaction.atomic():
            return SupplierPackage.objects.create(registered_at=now(), **columns)
    except IntegrityError as error:
        raise Invalid({"version": "Ya hay un paquete con ese nombre, esa versión o ese original."}) from error
