"""Store what each verification of the whole log of events found (M26)."""

from django.db import models


class LogVerification(models.Model):
    """Store one run over every chain: how much it read and what it found, append-only.

    `anchor_day` is the day of the last anchor that was compared with its file and with the chains, or None without one.
    """

    started_at = models.DateTimeField("empezó")
    finished_at = models.DateTimeField("terminó")
    chains = models.PositiveIntegerField("cadenas")
    events = models.PositiveBigIntegerField("eventos")
    flaws = models.PositiveIntegerField("faltas")  # verification.MOST_FLAWS at most
    first_flaw = models.CharField("primera falta", max_length=300, blank=True)
    anchor_day = models.DateField("ancla comparada", null=True, blank=True)

    class Meta:
        verbose_name = "verificación de la bitácora"
        verbose_name_plural = "verificaciones de la bitácora"

    def __str__(self) -> str:
        return f"verificación {self.pk}"

    @property
    def is_whole(self) -> bool:
        """Return True if the run found no flaw."""
        return self.flaws == 0
