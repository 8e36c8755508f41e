"""Store the days without attention."""

from django.db import models


class Holiday(models.Model):
    """A day without attention: Mexico's statutory holidays (seeded, editable) and the company's own days."""

    day = models.DateField("día", unique=True)
    name = models.CharField("nombre", max_length=100)

    class Meta:
        verbose_name = "día inhábil"
        verbose_name_plural = "días inhábiles"
        ordering = ["-day"]

    def __str__(self) -> str:
        return f"{self.day:%d/%m/%Y} {self.name}"
