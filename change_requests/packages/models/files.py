"""Store what is known of each file of a package: originals, copies, patches, licences, and unfinished uploads (M32)."""

from django.db import models
from django.db.models import PROTECT, CheckConstraint, F, ForeignKey, OneToOneField, Q, UniqueConstraint
from django.db.models.functions import Length
from django.db.models.lookups import Exact

from accounts.models import User
from change_requests.packages.storage import WriteOnceStorage
from factureya.core import clock
from factureya.core.models import Chained

TOKEN = 43  # characters of a random token


class FileKind(models.TextChoices):
    """Name what a file of a package is."""

    ORIGINAL = "original", "Original del proveedor"
    COPY = "copy", "Copia identificada"
    PATCH = "patch", "Parche frente al original"
    LICENCE = "licence", "Documento de la licencia"
    CONSENT = "consent", "Consentimiento del proveedor"


def get_storage() -> WriteOnceStorage:
    """Return the storage of the packages' files, in which nothing is overwritten or deleted."""
    return WriteOnceStorage()


def make_path(file: "PackageFile", _name: str) -> str:
    """Return the path of a file in the store: its random token, in a folder of the first two characters."""
    return f"{file.token[:2]}/{file.token}"


class PackageFile(Chained):
    """Store what a file was when it was stored: name, size and SHA-256; append-only, and its bytes never change (M32).

    The nightly check compares the bytes with `sha256`; the event of the file's chain holds the same hash.
    """

    Kind = FileKind
    # No original is stored twice, and no copy is equal to an original or to another copy.
    PACKAGES = (FileKind.ORIGINAL, FileKind.COPY)

    token = models.CharField("ficha", max_length=TOKEN, unique=True)
    file = models.FileField("archivo", storage=get_storage, upload_to=make_path, max_length=100)
    kind = models.CharField("clase", max_length=8, choices=FileKind)
    name = models.CharField("nombre", max_length=150)
    size = models.PositiveBigIntegerField("bytes")
    sha256 = models.CharField("SHA-256", max_length=64)
    # Of a patch: how many files it changes, and how many lines it adds and removes.
    patch_files = models.PositiveIntegerField("archivos que cambia", null=True, blank=True)
    patch_lines = models.PositiveIntegerField("renglones que cambia", null=True, blank=True)
    stored_by = ForeignKey(User, PROTECT, related_name="+", verbose_name="subió")
    stored_at = models.DateTimeField("guardado", default=clock.now)

    class Meta:
        verbose_name = "archivo de un paquete"
        verbose_name_plural = "archivos de paquetes"
        constraints = [
            UniqueConstraint(
                name="one_package_file_per_hash",
                fields=["sha256"],
                condition=Q(kind__in=["original", "copy"]),
                violation_error_message="Ese archivo ya está guardado, como original o como copia.",
            ),
            CheckConstraint(name="package_file_kind_is_known", condition=Q(kind__in=FileKind.values)),
            CheckConstraint(name="package_file_is_not_empty", condition=Q(size__gte=1)),
            CheckConstraint(name="package_file_has_hash", condition=Exact(Length("sha256"), 64)),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def chain(self) -> str:
        return f"package-file:{self.token}"


class PackageFileCheck(models.Model):
    """Store what the last nightly check found of a file: whether its bytes are those that were stored (M32)."""

    class Verdict(models.TextChoices):
        INTACT = "intact", "Intacto"
        ALTERED = "altered", "Alterado"
        MISSING = "missing", "No está"

    file = OneToOneField(PackageFile, PROTECT, primary_key=True, related_name="check_row", verbose_name="archivo")
    checked_at = models.DateTimeField("comparado", default=clock.now)
    verdict = models.CharField("resultado", max_length=7, choices=Verdict)
    found_sha256 = models.CharField("SHA-256 encontrado", max_length=64, blank=True)

    class Meta:
        verbose_name = "comparación de un archivo"
        verbose_name_plural = "comparaciones de archivos"
        constraints = [
            CheckConstraint(
                name="file_check_verdict_is_known",
                condition=Q(verdict="missing", found_sha256="")
                | (Q(verdict__in=["intact", "altered"]) & ~Q(found_sha256="")),
            )
        ]

    def __str__(self) -> str:
        return f"{self.file_id}: {self.get_verdict_display()}"


class PackageUpload(models.Model):
    """Store an upload that comes in pieces; an operation takes it once it is finished, or the sweep deletes it (M32).

    `received` bytes are in the file of the same token, and the next piece begins there. Nobody else may add to it.
    """

    token = models.CharField("ficha", max_length=TOKEN, unique=True)
    kind = models.CharField("clase", max_length=8, choices=FileKind)
    # Of which change it is; an original comes before its package, and has none.
    change = ForeignKey(
        "change_requests.PackageChange", PROTECT, null=True, blank=True, related_name="uploads", verbose_name="cambio"
    )
    name = models.CharField("nombre", max_length=150)
    size = models.PositiveBigIntegerField("bytes")
    # Made by the script for each file that it sends; a piece with another one is of another window or another file.
    mark = models.CharField("seña de quien la manda", max_length=64, blank=True)
    received = models.PositiveBigIntegerField("bytes recibidos", default=0)
    started_by = ForeignKey(User, PROTECT, related_name="+", verbose_name="sube")
    started_at = models.DateTimeField("empezó", default=clock.now)
    touched_at = models.DateTimeField("última parte", default=clock.now)
    finished_at = models.DateTimeField("terminó", null=True, blank=True)
    found_sha256 = models.CharField("SHA-256", max_length=64, blank=True)
    # Of a patch: how many files it changes, and how many lines it adds and removes.
    patch_files = models.PositiveIntegerField("archivos que cambia", null=True, blank=True)
    patch_lines = models.PositiveIntegerField("renglones que cambia", null=True, blank=True)

    class Meta:
        verbose_name = "subida de un archivo"
        verbose_name_plural = "subidas de archivos"
        constraints = [
            UniqueConstraint(
                name="one_upload_per_change_and_kind",
                fields=["change", "kind"],
                condition=Q(change__isnull=False),
                violation_error_message="Ya hay una subida de ese archivo; termínela o cancélela.",
            ),
            UniqueConstraint(
                name="one_upload_of_an_original_per_person",
                fields=["started_by"],
                condition=Q(change__isnull=True),
                violation_error_message="Ya tiene una subida; termínela o cancélela.",
            ),
            CheckConstraint(
                name="upload_names_its_change",
                condition=Q(kind="original", change__isnull=True)
                | Q(kind__in=["copy", "patch", "licence", "consent"], change__isnull=False),
            ),
            CheckConstraint(name="upload_within_its_size", condition=Q(size__gte=1, received__lte=F("size"))),
            CheckConstraint(
                name="finished_upload_is_whole",
                condition=Q(finished_at__isnull=True, found_sha256="")
                | (Q(finished_at__isnull=False, received=F("size")) & Q(Exact(Length("found_sha256"), 64))),
            ),
        ]
        indexes = [models.Index(name="upload_to_purge", fields=["touched_at"])]

    def __str__(self) -> str:
        return f"{self.name}: {self.received} de {self.size}"

    @property
    def is_finished(self) -> bool:
        """Return True if the whole file arrived and its hash is known."""
        return self.finished_at is not None
