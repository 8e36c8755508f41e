"""Make the demo's packages: one as it was bought, one changed, one at its fifth step, one that may not be changed."""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from io import BytesIO
from typing import Any

from django.utils import timezone

from accounts.models import User
from change_requests.packages import operations
from change_requests.packages.models import FileKind, PackageChange, SupplierPackage
from factureya.core import clock

CENTRO, NORTE = "Timbrado del Centro", "Sello Norte"
DAY = timedelta(days=1)
PDF = b"%PDF-1.4\n% Contrato de la demo\n1 0 obj\n<<>>\nendobj\n%%EOF\n"
PATCH = b"""--- a/avisos/saldo.py
+++ b/avisos/saldo.py
@@ -1,2 +1,2 @@
-AVISO = 0
+AVISO = 20
 DESTINO = "correo"
"""
ARGUMENTS = {
    "own": ("Sale en una semana y sabemos hacerlo.", "Hay que llevarlo a cada versión nueva."),
    "supplier": ("Lo mantiene quien lo hizo.", "No lo entrega antes de marzo."),
    "third": ("Tiene gente libre este mes.", "No conoce el software y cuesta el doble."),
}


@dataclass
class Story:
    """Hold who acts, and the hour at which the next thing happens."""

    people: dict[str, User]
    at: datetime

    @contextmanager
    def next_hour(self) -> Iterator[None]:
        """Inside `with`, the clock stands an hour later than in the block before."""
        self.at += timedelta(hours=1)
        with clock.at(self.at):
            yield

    def register(self, name: str, version: str, credit_count: int, price: str, **others: Any) -> SupplierPackage:
        """Register a package as Laura, and return it; `others` replace the usual values of its columns."""
        laura = self.people["laura"]
        columns = {
            "supplier": CENTRO,
            "software": "Conector de timbrado 4",
            "months": 12,
            "licence_name": "Contrato 2025",
            "licence_text": "Cláusula 7: permite modificar una copia, con su marca.",
            **others,
        }
        with self.next_hour():
            content = _make_zip(f"{name} {version}")
            file_name = f"{name}-{version}.zip".lower().replace(" ", "-")
            original = operations.store_bytes(content, kind=FileKind.ORIGINAL, name=file_name, actor=laura)
            return operations.register_package(
                original_upload=original.pk,
                name=name,
                version=version,
                credits=credit_count,
                price=Decimal(price),
                valid_from=timezone.localdate(self.at),
                valid_until=None,
                actor=laura,
                **columns,
            )

    def ask(self, package: SupplierPackage, title: str, need: str, port_of_pk: int | None = None) -> PackageChange:
        """Ask for a change as Laura, authorize it as Jorge, return it. It repeats the change of copy `port_of_pk`."""
        with self.next_hour():
            change = operations.request_change(
                package_pk=package.pk, title=title, need=need, actor=self.people["laura"], port_of_pk=port_of_pk
            )
        with self.next_hour():
            reason = "El proveedor no lo dará antes de marzo."
            return operations.authorize_change(change.pk, reason=reason, actor=self.people["jorge"])

    def upload(self, kind: FileKind, content: bytes, name: str, change: PackageChange, actor: User) -> int:
        """Upload a small file of a change and return the upload's key."""
        upload = operations.store_bytes(content, kind=kind, name=name, actor=actor, change_pk=change.pk)
        return int(upload.pk)

    def judge(self, change: PackageChange, verdict: str, clause: str, analysis: str) -> PackageChange:
        """Say as Laura whether the licence allows a change (`verdict`), and by which clause; return the change."""
        laura = self.people["laura"]
        with self.next_hour():
            document = self.upload(FileKind.LICENCE, PDF, "contrato-2025.pdf", change, laura)
            return operations.judge_licence(
                change.pk, verdict=verdict, clause=clause, analysis=analysis, document_upload=document, actor=laura
            )

    def weigh(self, change: PackageChange) -> PackageChange:
        """As Jorge choose that Factureya makes the change, estimate the impact as Gina, and sign it as Jorge."""
        jorge = self.people["jorge"]
        with self.next_hour():
            operations.choose_option(
                change.pk, arguments=ARGUMENTS, chosen="own", reason="Es lo único antes de diciembre.", actor=jorge
            )
        with self.next_hour():
            operations.estimate_impact(
                change.pk,
                hours=Decimal(6),
                cost=Decimal(5400),
                risk="Que una versión nueva no acepte el parche.",
                loses_support=False,
                support="El proveedor mantiene su soporte.",
                actor=self.people["gina"],
            )
        with self.next_hour():
            return operations.sign_impact(change.pk, actor=jorge)

    def release(self, change: PackageChange) -> PackageChange:
        """Upload the changed copy as Gina, test it as Laura, release it as Jorge, and return the change."""
        gina, laura, jorge = (self.people[name] for name in ("gina", "laura", "jorge"))
        with self.next_hour():
            copy = self.upload(FileKind.COPY, _make_zip(f"{change.folio} AVISO = 20"), "copia.zip", change, gina)
            operations.make_copy(
                change.pk,
                copy_upload=copy,
                patch_upload=self.upload(FileKind.PATCH, PATCH, "aviso-20-creditos.diff", change, gina),
                change_log="Un aviso por correo y en pantalla cuando quedan 20 créditos; antes no avisaba.",
                reapply_notes="Aplicar el parche sobre avisos/saldo.py; si cambió, volver a escribir la condición.",
                actor=gina,
            )
        with self.next_hour():
            seen = change.copies.latest("number").sha256
            operations.record_test(
                change.pk, seen_hash=seen, passed=True, notes="Con tres clientes de prueba.", actor=laura
            )
        with self.next_hour():
            return operations.release_change(change.pk, note="Se avisó a los clientes.", actor=jorge)


def seed(people: dict[str, User], now: datetime) -> None:
    """Make five packages and their changes in the last six weeks, as the people of mesa de control would."""
    actors = {key: User.objects.get(pk=people[key].pk) for key in ("laura", "jorge", "gina")}
    story = Story(actors, now - 40 * DAY)
    notice = "Los clientes se quedan sin créditos a media quincena y nadie les avisa."
    pac_200 = story.register("PAC-200", "v3.1", 200, "380.00")
    pac_1000 = story.register("PAC-1000", "v3.1", 1000, "1520.00")
    for package in (pac_200, pac_1000):
        change = story.ask(package, "avisar cuando queden 20 créditos", notice)
        _permit(story, change)
        story.release(story.weigh(change))
    released_copy = pac_200.changes.get().copies.get()
    # A package whose licence forbids the change.
    cloud_columns = {"supplier": NORTE, "months": 6, "licence_text": "Cláusula 4: prohíbe modificar el software."}
    story.at = now - 20 * DAY
    cloud_50 = story.register("Nube 50", "v1", 50, "140.00", **cloud_columns)
    forbidden = story.ask(cloud_50, "quitar el anuncio", "El anuncio confunde a los clientes que timbran con prisa.")
    story.judge(forbidden, "forbidden", "4", "La cláusula 4 prohíbe modificar el software en cualquier forma.")
    # A version that replaces PAC-200 v3.1; below, the change of the copy is asked for again in it.
    newer_pac_200 = story.register("PAC-200", "v3.2", 200, "380.00", replaces_pk=pac_200.pk)
    # A change at its fifth step: the estimate of its impact is signed.
    story.at = now - 3 * DAY
    pac_500 = story.register("PAC-500", "v3.2", 500, "845.00")
    change = story.ask(pac_500, "avisar cuando queden 20 créditos", notice)
    _permit(story, change)
    story.weigh(change)
    story.at = now - 2 * DAY
    story.ask(newer_pac_200, "llevar a la versión nueva el cambio fy.1", notice, released_copy.pk)
    with clock.at(now):
        operations.compare_files()


def _permit(story: Story, change: PackageChange) -> None:
    """Judge that the licence allows a change."""
    story.judge(change, "allowed", "7.2", "La cláusula 7.2 permite modificar una copia con su marca.")


def _make_zip(content: str) -> bytes:
    """Return a small ZIP with the text of one module in it."""
    archive = BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as bundle:
        bundle.writestr(zipfile.ZipInfo("avisos/saldo.py", (2026, 1, 1, 0, 0, 0)), content)
    return archive.getvalue()
