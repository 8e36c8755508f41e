"""A supplier's package for the tests, and one way to bring a change of it to a status.

Laura registers the package and asks for its change, Jorge authorizes, chooses and signs, Gina makes the copy, Laura
judges the licence and tests, Jorge releases.
"""

import gzip
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any

from accounts.models import User
from change_requests.packages import operations
from change_requests.packages.models import FileKind, IdentifiedCopy, PackageChange, PackageFile, SupplierPackage
from change_requests.packages.models.files import get_storage
from change_requests.packages.operations._common import take_upload
from factureya.testing.people import Cast

Status = PackageChange.Status
NEED = "El cliente se queda sin créditos a media quincena y nadie le avisa."
WHY = "El proveedor no dará el aviso antes de marzo."
PATCH = b"--- a/avisos/saldo.py\n+++ b/avisos/saldo.py\n@@ -1 +1 @@\n-aviso = 0\n+aviso = 20\n"
PDF = b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\n%%EOF\n"
ARGUMENTS = {
    "own": ("Sale en una semana y sabemos hacerlo.", "Hay que mantenerlo cada versión."),
    "supplier": ("Lo mantiene quien lo hizo.", "No lo entrega antes de marzo."),
    "third": ("Tiene gente libre este mes.", "No conoce el software y cuesta más."),
}
WAY = (
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


def make_archive(content: str) -> bytes:
    """Return a small TAR.GZ-like file, the same for the same content."""
    return gzip.compress(content.encode(), mtime=0)


def find_bytes(file: PackageFile) -> Path:
    """Return where the bytes of a stored file are."""
    return Path(get_storage().path(str(file.file.name)))


def damage(file: PackageFile, content: bytes = b"otra cosa") -> bytes:
    """Write over a stored file as who owns the disk can, and return what was there."""
    path = find_bytes(file)
    before = path.read_bytes()
    path.chmod(0o600)
    path.write_bytes(content)
    return before


@dataclass
class Packages:
    """Hold who takes part, and the package whose changes are made."""

    cast: Cast = field(default_factory=Cast)
    name: str = "PAC-500"

    def __post_init__(self) -> None:
        """Register the package."""
        self.package = self.register()

    def register(self, version: str = "v3.2", content: str = "", **others: Any) -> SupplierPackage:
        """Register a version of the package, as Laura."""
        actor = others.pop("actor", self.cast.laura)
        original = operations.store_bytes(
            make_archive(content or f"{self.name} {version}"),
            kind=FileKind.ORIGINAL,
            name=f"{self.name}-{version}.tar.gz".lower(),
            actor=actor,
        )
        columns: dict[str, Any] = {
            "supplier": "Timbrado del Centro",
            "name": self.name,
            "version": version,
            "software": "Conector de timbrado",
            "credits": 500,
            "price": Decimal("845.00"),
            "months": 12,
            "valid_from": date(2026, 1, 1),
            "valid_until": None,
            "licence_name": "Contrato 2025",
            "licence_text": "Cláusula 7: permite una copia marcada.",
        }
        return operations.register_package(original_upload=original.pk, actor=actor, **{**columns, **others})

    def upload(self, kind: FileKind, content: bytes, actor: User, change: PackageChange) -> int:
        """Upload a small file of a change and return the upload's key."""
        upload = operations.store_bytes(content, kind=kind, name=f"{kind}.bin", actor=actor, change_pk=change.pk)
        return int(upload.pk)

    def ask(self, **others: Any) -> PackageChange:
        """Ask for a change of the package, as Laura."""
        asked = {"package_pk": self.package.pk, "title": "Avisar cuando queden 20 créditos", "need": NEED}
        return operations.request_change(**{**asked, "actor": self.cast.laura, **others})

    def authorize(self, change: PackageChange) -> PackageChange:
        """Authorize it, as Jorge."""
        return operations.authorize_change(change.pk, reason=WHY, actor=self.cast.jorge)

    def judge(self, change: PackageChange, verdict: str = "allowed", **others: Any) -> PackageChange:
        """Judge the licence, as Laura."""
        document = self.upload(FileKind.LICENCE, PDF, self.cast.laura, change)
        return operations.judge_licence(
            change.pk,
            verdict=verdict,
            clause="7.2",
            analysis="La cláusula 7.2 permite una copia con su marca.",
            document_upload=document,
            actor=self.cast.laura,
            **others,
        )

    def choose(self, change: PackageChange, chosen: str = "own") -> PackageChange:
        """Choose who modifies it, as Jorge."""
        return operations.choose_option(
            change.pk, arguments=ARGUMENTS, chosen=chosen, reason="Es lo más pronto.", actor=self.cast.jorge
        )

    def weigh(self, change: PackageChange) -> PackageChange:
        """Estimate the impact as Gina, and sign it as Jorge."""
        change = operations.estimate_impact(
            change.pk,
            hours=Decimal(6),
            cost=Decimal(5400),
            risk="Que una versión nueva no acepte el parche.",
            loses_support=False,
            support="El proveedor mantiene su soporte.",
            actor=self.cast.gina,
        )
        if change.status == Status.OPTION_CHOSEN:
            change = operations.sign_impact(change.pk, actor=self.cast.jorge)
        return change

    def copy(self, change: PackageChange, content: str = "") -> PackageChange:
        """Bring the identified copy, as Gina."""
        gina = self.cast.gina
        archive = make_archive(content or f"copia {change.folio} {change.copies.count()}")
        return operations.make_copy(
            change.pk,
            copy_upload=self.upload(FileKind.COPY, archive, gina, change),
            patch_upload=self.upload(FileKind.PATCH, PATCH, gina, change),
            change_log="Un aviso por correo cuando quedan 20 créditos.",
            reapply_notes="Aplicar el parche sobre avisos/saldo.py.",
            actor=gina,
        )

    def test(self, change: PackageChange, *, passed: bool = True) -> PackageChange:
        """Test the copy, as Laura."""
        return operations.record_test(
            change.pk,
            seen_hash=self.last_copy(change).sha256,
            passed=passed,
            notes="Se probó con tres clientes de prueba.",
            actor=self.cast.laura,
        )

    def release(self, change: PackageChange) -> PackageChange:
        """Release it, as Jorge."""
        return operations.release_change(change.pk, note="Se avisó a los clientes.", actor=self.cast.jorge)

    def revert(self, change: PackageChange) -> PackageChange:
        """Put the original in use again, as Gina."""
        return operations.revert_change(change.pk, reason="El aviso llegaba dos veces.", actor=self.cast.gina)

    def bring(self, status: str, **asked: Any) -> PackageChange:
        """Return a new change in `status`, one of WAY, brought there by the operations."""
        change = self.ask(**asked)
        steps = (
            *(self.authorize, self.judge, self.choose, self.weigh),
            *(self.copy, self.test, self.release, self.revert),
        )
        for step in steps[: WAY.index(Status(status))]:
            change = step(change)
        return PackageChange.objects.select_related("package__original", "package__in_use").get(pk=change.pk)

    def last_copy(self, change: PackageChange) -> IdentifiedCopy:
        """Return the last copy of a change."""
        return change.copies.select_related("file", "patch").latest("number")


def stream(content: bytes) -> BytesIO:
    """Return a stream of these bytes."""
    return BytesIO(content)


def store_file(scene: Packages, change: PackageChange, kind: FileKind, content: bytes) -> PackageFile:
    """Store a file of a change, past the step that takes it."""
    actor = scene.cast.gina if kind in (FileKind.COPY, FileKind.PATCH) else scene.cast.laura
    return take_upload(scene.upload(kind, content, actor, change), kind, actor, change=change, field="file")


def find_seen(change: PackageChange) -> str:
    """Return the hash of the last copy, which the page of the change shows; "" before there is one."""
    copy = change.copies.order_by("number").last()
    return copy.sha256 if copy is not None else ""
