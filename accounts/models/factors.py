"""Store requests to remove a lost second factor, which take two people (M3)."""

from django.db import models
from django.db.models import PROTECT, CheckConstraint, F, ForeignKey, Q, UniqueConstraint

from factureya.core import clock


class FactorReset(models.Model):
    """Store the removal of a lost second factor: one person asks and another approves; it is never deleted."""

    user = ForeignKey("User", PROTECT, related_name="+", verbose_name="persona")
    reason = models.CharField("motivo", max_length=300)
    requested_by = ForeignKey("User", PROTECT, related_name="+", verbose_name="pidió")
    requested_at = models.DateTimeField("pedido", default=clock.now)
    decided_by = ForeignKey("User", PROTECT, null=True, blank=True, related_name="+", verbose_name="decidió")
    decided_at = models.DateTimeField("decidido", null=True, blank=True)
    approved = models.BooleanField("aprobado", null=True, blank=True)

    class Meta:
        verbose_name = "restablecimiento del segundo factor"
        verbose_name_plural = "restablecimientos del segundo factor"
        constraints = [
            CheckConstraint(
                name="factor_reset_takes_two_people",
                condition=Q(decided_by__isnull=True) | ~Q(decided_by=F("requested_by")),
                violation_error_message="Quien lo pide no lo aprueba.",
            ),
            CheckConstraint(
                name="factor_reset_by_others",
                condition=~Q(requested_by=F("user")) & (Q(decided_by__isnull=True) | ~Q(decided_by=F("user"))),
                violation_error_message="Nadie restablece su propio segundo factor.",
            ),
            CheckConstraint(
                name="factor_reset_decided_whole",
                condition=Q(decided_by__isnull=True, decided_at__isnull=True, approved__isnull=True)
                | Q(decided_by__isnull=False, decided_at__isnull=False, approved__isnull=False),
            ),
            CheckConstraint(name="factor_reset_has_reason", condition=~Q(reason="")),
            UniqueConstraint(name="one_open_factor_reset", fields=["user"], condition=Q(decided_at__isnull=True)),
        ]

    def __str__(self) -> str:
        return f"segundo factor de {self.user}"
