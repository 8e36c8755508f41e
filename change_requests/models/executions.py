"""Store what was executed: the approved content, by the designated person (M1, M24)."""

from django.db import models
from django.db.models import PROTECT, CheckConstraint, ForeignKey, Q, UniqueConstraint

from accounts.models import User
from change_requests.models.requests import FormalRequest
from factureya.core import clock


class Execution(models.Model):
    """Store an attempt to apply the approved version: *ok*, or *drift* (an old value had changed; nothing was written).

    Append-only. The row is written first, while the request is approved, and lets the changes pass the guards.
    """

    class Result(models.TextChoices):
        OK = "ok", "Aplicada"
        DRIFT = "drift", "El valor anterior había cambiado"

    request = ForeignKey(FormalRequest, PROTECT, related_name="executions", verbose_name="solicitud")
    revision_no = models.PositiveIntegerField("versión")
    sha256 = models.CharField("SHA-256 del contenido", max_length=64)
    executor = ForeignKey(User, PROTECT, related_name="+", verbose_name="implementó")
    executor_name = models.CharField("nombre de quien implementó", max_length=150)
    before = models.JSONField("antes", default=dict)
    after = models.JSONField("después", default=dict)
    result = models.CharField("resultado", max_length=5, choices=Result)
    at = models.DateTimeField("cuándo", default=clock.now)

    class Meta:
        verbose_name = "ejecución"
        verbose_name_plural = "ejecuciones"
        constraints = [
            UniqueConstraint(
                name="executed_once",
                fields=["request"],
                condition=Q(result="ok"),
                violation_error_message="Ya se ejecutó.",
            ),
            CheckConstraint(name="execution_result_is_known", condition=Q(result__in=["ok", "drift"])),
        ]

    def __str__(self) -> str:
        return f"{self.request_id}: {self.get_result_display()}"


class ExecutionContext(models.Model):
    """Store which request is being executed, on SQLite: one row, written and deleted inside one transaction.

    PostgreSQL uses a transaction-local setting and leaves this table empty. See `change_requests.execution`.
    """

    id = models.PositiveSmallIntegerField(primary_key=True)
    request = ForeignKey(FormalRequest, PROTECT, related_name="+")

    class Meta:
        verbose_name = "ejecución en curso"
        verbose_name_plural = "ejecuciones en curso"
        constraints = [CheckConstraint(name="one_execution_at_a_time", condition=Q(id=1))]

    def __str__(self) -> str:
        return f"ejecución de {self.request_id}"
