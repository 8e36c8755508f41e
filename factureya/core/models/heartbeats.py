"""Store when each sweep last ran."""

from django.db import models

from factureya.core import clock


class Heartbeat(models.Model):
    """When a sweep last ran: what /readyz reports."""

    name = models.CharField(max_length=40, primary_key=True)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name

    @classmethod
    def beat(cls, name: str) -> None:
        """Note that the sweep `name` ran now."""
        cls.objects.update_or_create(name=name, defaults={"at": clock.now()})
