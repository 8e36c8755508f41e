"""Store the days without attention, and when each sweep last ran."""

from django.db import models

from factureya.core import clock


class Holiday(models.Model):
    """Store a day without attention: Mexico's statutory holidays (seeded, editable) and the company's own days."""

    day = models.DateField("día", unique=True)
    name = models.CharField("nombre", max_length=100)

    class Meta:
        verbose_name = "día inhábil"
        verbose_name_plural = "días inhábiles"
        ordering = ["-day"]

    def __str__(self) -> str:
        return f"{self.day:%d/%m/%Y} {self.name}"


class Heartbeat(models.Model):
    """Store when a sweep last ran; /readyz reports it."""

    name = models.CharField(max_length=40, primary_key=True)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name

    @classmethod
    def beat(cls, name: str) -> None:
        """Store that the sweep `name` ran now."""
        cls.objects.update_or_create(name=name, defaults={"at": clock.now()})
