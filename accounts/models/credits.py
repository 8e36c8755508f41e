"""Store what is left of each company's credit package, and the files from which a supervisor imports it (M28)."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models
from django.db.models import PROTECT, CheckConstraint, F, ForeignKey, Index, Q, UniqueConstraint
from django.utils import timezone

from accounts.models.companies import Customer
from factureya.core import clock
from factureya.core.models import Chained

if TYPE_CHECKING:
    from accounts.models.people import User

MAX_CREDITS = 10_000_000  # of one package; fits every integer column
MAX_PACKAGE = 80  # characters of a package's name
_WITHIN = Q(remaining__lte=F("total"), total__gte=1, total__lte=MAX_CREDITS) & ~Q(package="")


class CreditBalanceQuerySet(models.QuerySet["CreditBalance"]):
    """Find balances of credits."""

    def low(self) -> "CreditBalanceQuerySet":
        """Return the balances of which at most CREDITS_LOW_PERCENT of the package is left."""
        return self.filter(remaining__lte=F("total") * settings.CREDITS_LOW_PERCENT / 100)

    def expiring(self) -> "CreditBalanceQuerySet":
        """Return the balances that have expired or expire within CREDITS_EXPIRE_DAYS."""
        return self.filter(valid_until__lte=timezone.localdate(clock.now()) + _get_warning_time())

    def select_for(self, person: "User") -> models.QuerySet["CreditBalance", tuple[Any, ...]]:
        """Select the columns SHOWN of the credits that this person may read: those of the company, if any."""
        full_contact = {"customer__contacts__user": person, "customer__contacts__own_tickets_only": False}
        return self.filter(**full_contact).values_list(*CreditBalance.SHOWN)


class CreditBalance(models.Model):
    """Store a company's credit package and its remaining credits, as a supervisor last entered or imported them.

    `operations.credits` writes the row after its event, and the guards accept no other row.
    """

    class Source(models.TextChoices):
        ENTERED = "entered", "Captura"
        IMPORTED = "imported", "CSV"

    customer = models.OneToOneField(Customer, PROTECT, related_name="credit_balance", verbose_name="cliente")
    package = models.CharField("paquete", max_length=MAX_PACKAGE)
    total = models.PositiveIntegerField("créditos del paquete")
    remaining = models.PositiveIntegerField("créditos que quedan")
    valid_until = models.DateField("vence", null=True, blank=True)
    source = models.CharField("origen", max_length=10, choices=Source)
    recorded_at = models.DateTimeField("dato de")
    recorded_by = ForeignKey("User", PROTECT, related_name="+", verbose_name="anotó")

    SHOWN = ("package", "total", "remaining", "valid_until")

    objects = CreditBalanceQuerySet.as_manager()

    class Meta:
        verbose_name = "créditos de un cliente"
        verbose_name_plural = "créditos de los clientes"
        constraints = [
            CheckConstraint(
                name="credits_within_their_package",
                condition=_WITHIN,
                violation_error_message="No pueden quedar más créditos que los del paquete.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.customer}: {self.summary}"

    @classmethod
    def choose_to_warn_of(cls, rows: Sequence[Sequence[Any]]) -> "CreditBalance | None":
        """Return the credits of the first row if they have a `warning`; a row has the columns SHOWN, a date as text."""
        if not rows:
            return None
        package, total, remaining, last_day = rows[0]
        valid_until = date.fromisoformat(last_day) if last_day else None
        balance = cls(package=package, total=total, remaining=remaining, valid_until=valid_until)
        return balance if balance.warning else None

    @property
    def summary(self) -> str:
        """Return how many credits are left of how many: «34 de 1,000»."""
        return f"{self.remaining:,} de {self.total:,}"

    @property
    def is_low(self) -> bool:
        """Return True if at most CREDITS_LOW_PERCENT of the package is left."""
        return self.remaining * 100 <= self.total * settings.CREDITS_LOW_PERCENT

    @property
    def has_expired(self) -> bool:
        """Return True after the last day on which the credits are valid."""
        return self.valid_until is not None and self.valid_until < timezone.localdate(clock.now())

    @property
    def expires_soon(self) -> bool:
        """Return True if the credits expire within CREDITS_EXPIRE_DAYS days; False if they have expired or never do."""
        if self.valid_until is None or self.has_expired:
            return False
        return self.valid_until <= timezone.localdate(clock.now()) + _get_warning_time()

    @property
    def warning(self) -> str:
        """Return what a person must know about these credits in a few words, or an empty text."""
        if self.has_expired:
            return "Vencidos"
        if self.remaining == 0:
            return "Agotados"
        if self.is_low:
            return "Quedan pocos"
        return "Vencen pronto" if self.expires_soon else ""

    @property
    def warning_chip(self) -> str:
        """Return the name of the colour of the warning's chip, for `core.templatetags.fy.state_class`."""
        return "bad" if self.has_expired or self.remaining == 0 else "waiting"


class CreditImport(Chained):
    """Store a file of credits that a supervisor uploaded, how far it was checked, and what was applied of it."""

    class Status(models.TextChoices):
        CHECKING = "checking", "Revisando"
        CHECKED = "checked", "Por confirmar"
        APPLYING = "applying", "Aplicando"
        APPLIED = "applied", "Aplicado"
        DISCARDED = "discarded", "Descartado"
        STOPPED = "stopped", "Detenido"

    status = models.CharField("estado", max_length=10, choices=Status, default=Status.CHECKING)
    name = models.CharField("archivo", max_length=150)
    size = models.PositiveIntegerField("bytes")
    sha256 = models.CharField("SHA-256", max_length=64)
    uploaded_by = ForeignKey("User", PROTECT, related_name="+", verbose_name="subió")
    uploaded_at = models.DateTimeField("subido", default=clock.now)
    # The one-time key of the upload form: a double click makes one import.
    form_key = models.CharField("clave del formulario", max_length=80, unique=True)
    confirmed_by = ForeignKey("User", PROTECT, null=True, blank=True, related_name="+", verbose_name="confirmó")
    confirmed_at = models.DateTimeField("confirmado", null=True, blank=True)
    finished_at = models.DateTimeField("terminado", null=True, blank=True)
    touched_at = models.DateTimeField("último avance", default=clock.now)
    problem = models.CharField("por qué no se puede leer", max_length=300, blank=True)
    rows_total = models.PositiveIntegerField("filas", default=0)  # the number of lines at first, for the progress
    rows_checked = models.PositiveIntegerField("filas revisadas", default=0)
    rows_bad = models.PositiveIntegerField("filas con error", default=0)
    rows_new = models.PositiveIntegerField("clientes sin créditos anotados", default=0)
    rows_changed = models.PositiveIntegerField("clientes que cambian", default=0)
    rows_applied = models.PositiveIntegerField("aplicadas", default=0)
    rows_left_out = models.PositiveIntegerField("no aplicadas", default=0)

    class Meta:
        verbose_name = "importación de créditos"
        verbose_name_plural = "importaciones de créditos"
        constraints = [
            CheckConstraint(
                name="credit_import_confirmed_without_bad_rows",
                condition=Q(confirmed_at__isnull=True, confirmed_by__isnull=True)
                | Q(confirmed_at__isnull=False, confirmed_by__isnull=False, rows_bad=0, problem=""),
            ),
            CheckConstraint(
                name="credit_import_applied_was_confirmed",
                condition=Q(status__in=["checking", "checked", "discarded"], confirmed_at__isnull=True)
                | Q(status__in=["applying", "applied", "stopped"], confirmed_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def chain(self) -> str:
        return f"credit_import:{self.pk}"

    @property
    def is_running(self) -> bool:
        """Return True while a task works on it, so that its page shows the progress."""
        return self.status in {self.Status.CHECKING, self.Status.APPLYING}

    @property
    def changes(self) -> int:
        """Return how many companies get other credits than they have."""
        return self.rows_new + self.rows_changed

    @property
    def unchanged(self) -> int:
        """Return how many checked rows say what is stored already."""
        return self.rows_checked - self.rows_bad - self.changes

    @property
    def may_be_applied(self) -> bool:
        """Return True if it waits for its confirmation, has no bad row, and changes something."""
        return self.status == self.Status.CHECKED and not self.problem and not self.rows_bad and self.changes > 0


class CreditFile(models.Model):
    """Store the bytes of an imported file as they were uploaded, compressed; they never change."""

    credit_import = models.OneToOneField(CreditImport, PROTECT, primary_key=True, related_name="file")
    content = models.BinaryField("contenido")

    def __str__(self) -> str:
        return f"archivo de {self.credit_import_id}"


class CreditImportRow(models.Model):
    """Store a row of an imported file that is bad, or that changes something; other rows are only counted."""

    class Kind(models.TextChoices):
        BAD = "bad", "Con error"
        NEW = "new", "Nuevo"
        CHANGED = "changed", "Cambia"

    class Outcome(models.TextChoices):
        WAITING = "", "Por aplicar"
        APPLIED = "applied", "Aplicada"
        LEFT_OUT = "left_out", "No aplicada"

    credit_import = ForeignKey(CreditImport, PROTECT, related_name="rows", verbose_name="importación")
    line = models.PositiveIntegerField("línea")
    kind = models.CharField("qué es", max_length=10, choices=Kind)
    outcome = models.CharField("resultado", max_length=10, choices=Outcome, blank=True, default=Outcome.WAITING)
    rfc = models.CharField("RFC", max_length=20, blank=True)
    problem = models.CharField("error", max_length=300, blank=True)
    customer = ForeignKey(Customer, PROTECT, null=True, blank=True, related_name="+", verbose_name="cliente")
    package = models.CharField("paquete", max_length=MAX_PACKAGE, blank=True)
    total = models.PositiveIntegerField("créditos del paquete", null=True, blank=True)
    remaining = models.PositiveIntegerField("créditos que quedan", null=True, blank=True)
    valid_until = models.DateField("vence", null=True, blank=True)
    before = models.JSONField("antes", null=True, blank=True)  # the balance that the preview showed

    class Meta:
        verbose_name = "fila de una importación"
        verbose_name_plural = "filas de una importación"
        constraints = [
            UniqueConstraint(fields=["credit_import", "line"], name="one_row_per_line_of_an_import"),
            CheckConstraint(
                name="bad_row_says_why_and_stores_nothing",
                condition=Q(kind="bad", customer__isnull=True, outcome="") & ~Q(problem="")
                | Q(kind__in=["new", "changed"], customer__isnull=False, problem="") & _WITHIN,
            ),
        ]
        indexes = [Index(name="credit_row_by_kind", fields=["credit_import", "kind", "line"])]

    def __str__(self) -> str:
        return f"línea {self.line}"

    @property
    def summary(self) -> str:
        """Return what the row says: «34 de 200»."""
        return f"{self.remaining:,} de {self.total:,}"

    @property
    def summary_before(self) -> str:
        """Return the company's credits when the check read this row: «74 de 200 (PAC-200)», or «Sin dato» if none."""
        if not self.before:
            return "Sin dato"
        return f"{self.before['remaining']:,} de {self.before['total']:,} ({self.before['package']})"


def _get_warning_time() -> timedelta:
    """Return how long before the last day a person is told that the credits expire."""
    return timedelta(days=settings.CREDITS_EXPIRE_DAYS)
