"""Store the chained events: all history is made of them."""

from django.conf import settings
from django.db import models


class ChainHead(models.Model):
    """Store where a chain of events ends; the row is locked while an event is appended, and only moves on (M26)."""

    chain = models.CharField(max_length=80, primary_key=True)
    seq = models.PositiveIntegerField()
    hash = models.CharField(max_length=64)

    def __str__(self) -> str:
        return f"{self.chain} #{self.seq}"


class Event(models.Model):
    """Store something that happened to a subject, append-only and hash-chained; only `core.audit` writes it."""

    chain = models.CharField("cadena", max_length=80)
    seq = models.PositiveIntegerField("número")
    prev = models.CharField("hash anterior", max_length=64)
    hash = models.CharField("hash", max_length=64, unique=True)
    verb = models.CharField("verbo", max_length=60)
    at = models.DateTimeField("cuándo")
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+", verbose_name="quién"
    )
    actor_name = models.CharField("nombre de quien actuó", max_length=200, blank=True)
    data = models.JSONField("datos", default=dict)

    class Meta:
        verbose_name = "evento"
        verbose_name_plural = "eventos"
        constraints = [models.UniqueConstraint(fields=["chain", "seq"], name="one_event_per_place_in_chain")]
        # One for each way in which the log is searched: by time alone, by person, by verb.
        indexes = [
            models.Index(name="event_by_time", fields=["at", "id"]),
            models.Index(name="event_by_person", fields=["actor", "at", "id"]),
            models.Index(name="event_by_verb", fields=["verb", "at", "id"]),
        ]

    def __str__(self) -> str:
        return f"{self.chain} #{self.seq} {self.verb}"


class Anchor(models.Model):
    """Store one day's hash over the ends of all chains, append-only; only `core.record.anchors` writes it (M26)."""

    day = models.DateField("día", unique=True)
    seq = models.PositiveIntegerField("número", unique=True)
    prev = models.CharField("hash anterior", max_length=64)
    hash = models.CharField("hash", max_length=64, unique=True)
    heads = models.PositiveIntegerField("cadenas")
    events = models.PositiveBigIntegerField("eventos")
    sealed_at = models.DateTimeField("sellado")

    class Meta:
        verbose_name = "ancla"
        verbose_name_plural = "anclas"

    def __str__(self) -> str:
        return f"ancla {self.seq} ({self.day})"


class UnwrittenAnchor(models.Model):
    """Store the text of an anchor's file, compressed, until the file is on the disk; then the row is deleted."""

    anchor = models.OneToOneField(Anchor, models.CASCADE, primary_key=True, related_name="+")
    content = models.BinaryField()

    def __str__(self) -> str:
        return f"texto de {self.anchor}"


class Chained(models.Model):
    """Add a chain of events, its history, to a model."""

    class Meta:
        abstract = True

    @property
    def chain(self) -> str:
        """Return the name of this subject's chain, for example `ticket:FY-7K3M-9QX1`."""
        raise NotImplementedError

    def events(self) -> "models.QuerySet[Event]":
        """Return this subject's events, the oldest first."""
        return Event.objects.filter(chain=self.chain).order_by("seq")
