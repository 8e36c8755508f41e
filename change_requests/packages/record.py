"""Say what an event holds of each row of a package or of its changes, and how rows are compared with it (M26, M32).

Every operation puts the whole row that it wrote into its event; `verify_audit` compares today's rows with them.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from django.db.models import Model

from change_requests.packages.models import (
    IdentifiedCopy,
    ImpactEstimate,
    LicenceVerdict,
    MaintenanceOption,
    PackageChange,
    PackageFile,
    PackagePort,
    SupplierPackage,
)
from factureya.core.record.state import Facts, Kind, as_fact

FILE, PACKAGE, CHANGE, VERDICT = "package_file", "package", "package_change", "licence_verdict"
OPTION, IMPACT, COPY, PORT = "maintenance_option", "impact", "identified_copy", "package_port"
_NOT_TOLD = ("id", "form_key")


def describe_row(row: Model) -> Facts:
    """Return all columns of a row as an event holds them, but its key and the key of its form; money is text."""
    return {
        column.attname: _as_text(getattr(row, column.attname))
        for column in row._meta.concrete_fields
        if column.name not in _NOT_TOLD
    }


def describe_file(file: PackageFile) -> Facts:
    """Return the row of a stored file as its event holds it, with its path in the store."""
    return {**describe_row(file), "file": str(file.file.name)}


def describe_package(package: SupplierPackage) -> Facts:
    """Return the row of a package as its events hold it."""
    return {"package": package.pk, **describe_row(package)}


def _as_text(value: Any) -> Any:
    """Return a column's value for an event: a decimal number as text with two places, all else as `as_fact` does."""
    return f"{value:.2f}" if isinstance(value, Decimal) else as_fact(value)


def _make_kind(
    name: str, label: str, model: type[Any], verbs: tuple[str, ...], key: tuple[str, ...], **others: Any
) -> Kind:
    """Return a kind of rows of a change, which the change's chain tells of; `others` replace parts of it."""
    parts: dict[str, Any] = {
        "rows": model.objects.select_related("change").all,
        "describe": describe_row,
        "subject": lambda row: row.change,
        "chains": lambda row: (row.change.chain,),
        "column": key[0],
    }
    return Kind(name, label, verbs=verbs, key=key, **{**parts, **others})


def _is_itself(row: Any) -> Any:
    """Return the row: it has a chain of its own."""
    return row


def _own_chain(row: Any) -> tuple[str, ...]:
    """Return the chain of a row that has one of its own."""
    return (row.chain,)


_OWN: dict[str, Callable[[Any], Any]] = {"subject": _is_itself, "chains": _own_chain}
_CHANGE_VERBS = tuple(
    f"package_change.{verb}"
    for verb in (
        *("requested", "authorized", "refused", "licence_judged", "consent_added", "option_chosen"),
        *("impact_estimated", "impact_signed", "copy_made", "copy_tested", "released", "reverted", "cancelled"),
    )
)
KINDS = [
    _make_kind(
        FILE,
        "el archivo del paquete",
        PackageFile,
        ("package_file.stored",),
        ("token",),
        rows=PackageFile.objects.all,
        describe=describe_file,
        **_OWN,
    ),
    _make_kind(
        PACKAGE,
        "el paquete",
        SupplierPackage,
        ("package.registered", "package.sale_ended", "package.copy_in_use", "package.original_in_use"),
        ("package",),
        rows=SupplierPackage.objects.all,
        describe=describe_package,
        column="pk",
        **_OWN,
    ),
    _make_kind(
        CHANGE, "el cambio de paquete", PackageChange, _CHANGE_VERBS, ("folio",), rows=PackageChange.objects.all, **_OWN
    ),
    _make_kind(VERDICT, "el dictamen de la licencia", LicenceVerdict, _CHANGE_VERBS, ("change_id",)),
    _make_kind(OPTION, "la opción de mantenimiento", MaintenanceOption, _CHANGE_VERBS, ("change_id", "who")),
    _make_kind(IMPACT, "el impacto", ImpactEstimate, _CHANGE_VERBS, ("change_id",)),
    _make_kind(COPY, "la copia identificada", IdentifiedCopy, _CHANGE_VERBS, ("label",)),
    _make_kind(
        PORT,
        "el paso a otra versión",
        PackagePort,
        ("package.port_recorded",),
        ("copy_id", "package_id", "outcome"),
        rows=PackagePort.objects.select_related("package").all,
        subject=lambda port: port.package,
        chains=lambda port: (port.package.chain,),
    ),
]
