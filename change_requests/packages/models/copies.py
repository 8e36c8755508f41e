"""Store the identified copies of an original, and what became of each in the supplier's next version (M32)."""

from django.db import models
from django.db.models import PROTECT, CheckConstraint, F, ForeignKey, OneToOneField, Q, UniqueConstraint
from django.db.models.functions import Length, Trim
from django.db.models.lookups import GreaterThanOrEqual

from accounts.models import User
from change_requests.packages.models.changes import MIN_REASON, PackageChange
from change_requests.packages.models.files import PackageFile
from change_requests.packages.models.suppliers import SupplierPackage
from factureya.core import clock


class IdentifiedCopy(models.Model):
    """Store a changed copy of an original: label, hash, patch, what changed, how to apply it again, its test (M32).

    A copy that failed its test stays, and the next one gets the next number.
    """

    change = ForeignKey(PackageChange, PROTECT, related_name="copies", verbose_name="cambio")
    package = ForeignKey(SupplierPackage, PROTECT, related_name="copies", verbose_name="paquete")
    number = models.PositiveSmallIntegerField("número")
    label = models.CharField("etiqueta", max_length=110, unique=True)
    file = OneToOneField(PackageFile, PROTECT, related_name="identified_copy", verbose_name="copia modificada")
    original_sha256 = models.CharField("SHA-256 del original", max_length=64)
    sha256 = models.CharField("SHA-256 de la copia", max_length=64)
    patch = OneToOneField(PackageFile, PROTECT, related_name="patch_of", verbose_name="parche frente al original")
    change_log = models.TextField("qué cambió")
    reapply_notes = models.TextField("cómo volver a aplicarlo en una versión nueva")
    made_by = ForeignKey(User, PROTECT, related_name="+", verbose_name="subió")
    made_by_name = models.CharField("nombre de quien subió", max_length=150)
    made_at = models.DateTimeField("cuándo", default=clock.now)
    # Written once, by somebody else.
    tested_by = ForeignKey(User, PROTECT, null=True, blank=True, related_name="+", verbose_name="probó")
    tested_at = models.DateTimeField("probada", null=True, blank=True)
    test_passed = models.BooleanField("pasó la prueba", null=True, blank=True)
    test_notes = models.TextField("qué se probó", blank=True)

    class Meta:
        verbose_name = "copia identificada"
        verbose_name_plural = "copias identificadas"
        ordering = ["pk"]
        constraints = [
            UniqueConstraint(name="one_copy_per_number", fields=["package", "number"]),
            CheckConstraint(name="copies_count_from_one", condition=Q(number__gte=1)),
            CheckConstraint(
                name="copy_is_not_the_original",
                condition=~Q(sha256=F("original_sha256")),
                violation_error_message="La copia es igual al original: no tiene ningún cambio.",
            ),
            CheckConstraint(
                name="copy_is_documented",
                condition=GreaterThanOrEqual(Length(Trim("change_log")), MIN_REASON)
                & Q(GreaterThanOrEqual(Length(Trim("reapply_notes")), MIN_REASON)),
                violation_error_message="Escriba qué cambió y cómo volver a aplicarlo (al menos 10 caracteres).",
            ),
            CheckConstraint(
                name="copy_tested_whole",
                condition=Q(tested_by__isnull=True, tested_at__isnull=True, test_passed__isnull=True, test_notes="")
                | (
                    Q(tested_by__isnull=False, tested_at__isnull=False, test_passed__isnull=False)
                    & Q(GreaterThanOrEqual(Length(Trim("test_notes")), MIN_REASON))
                ),
            ),
            CheckConstraint(
                name="copy_tested_by_another",
                condition=Q(tested_by__isnull=True) | ~Q(tested_by=F("made_by")),
                violation_error_message="Quien hizo la copia no la prueba.",
            ),
        ]

    def __str__(self) -> str:
        return self.label


class PackagePort(models.Model):
    """Store what became of a copy in a newer version of its package; append-only (M32).

    A conflict may be followed by a change that applies the copy; «applied» and «not needed» are final.
    """

    class Outcome(models.TextChoices):
        APPLIED = "applied", "Aplicado"
        CONFLICT = "conflict", "En conflicto"
        NOT_NEEDED = "not_needed", "Ya no hace falta"

    copy = ForeignKey(IdentifiedCopy, PROTECT, related_name="ports", verbose_name="copia")
    package = ForeignKey(SupplierPackage, PROTECT, related_name="ports", verbose_name="versión nueva")
    outcome = models.CharField("resultado", max_length=10, choices=Outcome)
    # The released change of the new version, if the copy was applied to it.
    change = OneToOneField(
        PackageChange, PROTECT, null=True, blank=True, related_name="port", verbose_name="cambio que lo aplica"
    )
    notes = models.TextField("nota")
    decided_by = ForeignKey(User, PROTECT, related_name="+", verbose_name="anotó")
    decided_by_name = models.CharField("nombre de quien anotó", max_length=150)
    decided_at = models.DateTimeField("cuándo", default=clock.now)

    class Meta:
        verbose_name = "paso de una copia a otra versión"
        verbose_name_plural = "pasos de copias a otras versiones"
        ordering = ["pk"]
        constraints = [
            UniqueConstraint(
                name="one_final_port_per_version",
                fields=["copy", "package"],
                condition=Q(outcome__in=["applied", "not_needed"]),
                violation_error_message="Ya se anotó qué pasó con esa copia en esa versión.",
            ),
            UniqueConstraint(
                name="one_conflict_per_version", fields=["copy", "package"], condition=Q(outcome="conflict")
            ),
            CheckConstraint(
                name="port_names_its_change",
                condition=Q(outcome="applied", change__isnull=False)
                | Q(outcome__in=["conflict", "not_needed"], change__isnull=True),
            ),
            CheckConstraint(
                name="port_has_notes",
                condition=GreaterThanOrEqual(Length(Trim("notes")), MIN_REASON),
                violation_error_message="Escriba qué pasó (al menos 10 caracteres).",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.copy_id} en {self.package_id}: {self.get_outcome_display()}"
