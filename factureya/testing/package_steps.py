"""A supplier's package and its change for the tests of pages, brought to a status through operations (M28–M32).

Laura asks, Jorge authorizes, Elsa judges the licence, Gina makes the copy, Laura tests it, Jorge releases it.
"""

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from io import BytesIO
from itertools import count
from typing import Any
from zipfile import ZIP_STORED, ZipFile

from accounts.models import User
from change_requests.packages import operations
from change_requests.packages.models import PackageChange, PackageUpload, SupplierPackage
from factureya.testing.people import Cast

WHY = "Lo revisamos con el proveedor por teléfono."
NEED = "Los clientes se quedan sin créditos y no se enteran."
PDF = b"%PDF-1.4\ncontrato de prueba\n%%EOF\n"
DIFF = b"--- a/saldo.py\n+++ b/saldo.py\n@@ -1 +1 @@\n-aviso = 0\n+aviso = 20\n"
Status = PackageChange.Status
ORDER = (
    Status.DRAFT,
    Status.AUTHORIZED,
    Status.LICENCE_CHECKED,
    Status.OPTION_CHOSEN,
    Status.IMPACT_WEIGHED,
    Status.COPIED,
    Status.TESTED,
    Status.RELEASED,
    Status.REVERTED,
)
_serial = count(1)


def make_zip(text: str = "") -> bytes:
    """Return a small ZIP with this text in it; without one, each ZIP is another."""
    content = BytesIO()
    with ZipFile(content, "w", ZIP_STORED) as archive:
        archive.writestr("saldo.py", text or f"aviso = {next(_serial)}\n")
    return content.getvalue()


def upload(actor: User, kind: str, content: bytes, *, name: str, change: PackageChange | None = None) -> PackageUpload:
    """Upload a file past the pages and return it, finished."""
    change_pk = change.pk if change else None
    return operations.store_bytes(content, kind=kind, name=name, actor=actor, change_pk=change_pk)


def register(actor: User, content: bytes = b"", **changes: Any) -> SupplierPackage:
    """Register a package as this person."""
    number = next(_serial)
    original = upload(actor, "original", content or make_zip(), name=f"pac-{number}.zip")
    columns: dict[str, Any] = {
        "supplier": "Timbrado del Centro",
        "name": f"PAC-{number}",
        "version": "v3.2",
        "software": "Panel de timbrado",
        "credits": 500,
        "price": Decimal("845.00"),
        "months": 12,
        "valid_from": date(2026, 1, 1),
        "valid_until": None,
        "licence_name": "Contrato 2025",
        "licence_text": "La cláusula 7 permite una copia marcada.",
        **changes,
    }
    return operations.register_package(original_upload=original.pk, actor=actor, **columns)


@dataclass
class Steps:
    """Hold the people, and one package."""

    cast: Cast
    package: SupplierPackage = field(init=False)

    def __post_init__(self) -> None:
        self.package = register(self.cast.laura)

    def ask(self, package: SupplierPackage | None = None, **options: Any) -> PackageChange:
        """Return the draft of a change of the package, which Laura asks for."""
        package = package or self.package
        title = "avisar cuando queden 20 créditos"
        return operations.request_change(
            package_pk=package.pk, title=title, need=NEED, actor=self.cast.laura, **options
        )

    def bring(self, status: str, package: SupplierPackage | None = None, **options: Any) -> PackageChange:
        """Return a change that was brought to this status."""
        change = self.ask(package, **options)
        for step in ORDER[1 : ORDER.index(Status(status)) + 1]:
            change = getattr(self, f"to_{step}")(change)
        return PackageChange.objects.get(pk=change.pk)

    def to_authorized(self, change: PackageChange) -> PackageChange:
        """Authorize it, as head of IT."""
        return operations.authorize_change(change.pk, reason=WHY, actor=self.cast.jorge)

    def to_licence_checked(self, change: PackageChange, verdict: str = "allowed") -> PackageChange:
        """Judge the licence, as security officer."""
        document = upload(self.cast.elsa, "licence", PDF, name="contrato.pdf", change=change)
        return operations.judge_licence(
            change.pk, verdict=verdict, clause="7.2", analysis=WHY, document_upload=document.pk, actor=self.cast.elsa
        )

    def to_option_chosen(self, change: PackageChange) -> PackageChange:
        """Choose that Factureya modifies it, as head of IT."""
        arguments = dict.fromkeys(("own", "supplier", "third"), (WHY, WHY))
        return operations.choose_option(change.pk, arguments=arguments, chosen="own", reason=WHY, actor=self.cast.jorge)

    def to_impact_weighed(self, change: PackageChange) -> PackageChange:
        """Estimate the impact as Laura, and sign it as head of IT."""
        operations.estimate_impact(
            change.pk,
            hours=Decimal(6),
            cost=Decimal(5400),
            risk=WHY,
            loses_support=False,
            support=WHY,
            actor=self.cast.laura,
        )
        return operations.sign_impact(change.pk, actor=self.cast.jorge)

    def to_copied(self, change: PackageChange) -> PackageChange:
        """Bring the copy, as implementer."""
        copy = upload(self.cast.gina, "copy", make_zip(), name="copia.zip", change=change)
        patch = upload(self.cast.gina, "patch", DIFF, name="aviso.diff", change=change)
        return operations.make_copy(
            change.pk,
            copy_upload=copy.pk,
            patch_upload=patch.pk,
            change_log=WHY,
            reapply_notes=WHY,
            actor=self.cast.gina,
        )

    def to_tested(self, change: PackageChange) -> PackageChange:
        """Say that it works, as Laura."""
        return operations.record_test(change.pk, passed=True, notes=WHY, actor=self.cast.laura)

    def to_released(self, change: PackageChange) -> PackageChange:
        """Release it, as head of IT."""
        return operations.release_change(change.pk, note=WHY, actor=self.cast.jorge)

    def to_reverted(self, change: PackageChange) -> PackageChange:
        """Put the original in use again, as Laura."""
        return operations.revert_change(change.pk, reason=WHY, actor=self.cast.laura)
