"""Store what the XML of a stored file said as an invoice, and when it is tried again if it could not be read."""

from django.db import models
from django.db.models import Q

from factureya.core import clock
from factureya.core.models.files import Attachment

UUID_CHARACTERS = 36  # of a *folio fiscal*, with its hyphens


class InvoiceReading(models.Model):
    """Store what an XML file said as an invoice (CFDI) when it was read, or why it was not read; it never changes.

    It goes with its file: a file that no message took is deleted, and this row with it (M17).
    """

    attachment = models.OneToOneField(
        Attachment, models.CASCADE, primary_key=True, related_name="invoice_reading", verbose_name="archivo"
    )
    read_at = models.DateTimeField("leído", default=clock.now)
    problem = models.CharField("por qué no se leyó", max_length=200, blank=True)
    uuid = models.CharField("folio fiscal", max_length=UUID_CHARACTERS, blank=True)
    receiver_rfc = models.CharField("RFC del receptor", max_length=40, blank=True)
    # The main facts as `core.invoices.readings` writes them; null when it was not read.
    facts = models.JSONField("lo que dice", null=True)

    class Meta:
        verbose_name = "lectura de un comprobante"
        verbose_name_plural = "lecturas de comprobantes"
        constraints = [
            models.CheckConstraint(
                name="reading_has_facts_or_problem",
                condition=Q(problem="", facts__isnull=False)
                | (~Q(problem="") & Q(facts__isnull=True, uuid="", receiver_rfc="")),
            )
        ]
        indexes = [
            models.Index(name="invoice_by_uuid", fields=["uuid"], condition=~Q(uuid="")),
            models.Index(name="invoice_by_receiver", fields=["receiver_rfc"], condition=~Q(receiver_rfc="")),
        ]

    def __str__(self) -> str:
        return self.uuid or self.problem or "sin timbrar"


class InvoiceAttempt(models.Model):
    """Store that an XML file was tried, how often, and until when nobody tries it again (M17).

    The one row of a file is its claim: who changes it reads the file, so two runs never read the same one. It stays
    after the reading.
    """

    attachment = models.OneToOneField(
        Attachment, models.CASCADE, primary_key=True, related_name="invoice_attempt", verbose_name="archivo"
    )
    tries = models.PositiveSmallIntegerField("intentos")
    rests_until = models.DateTimeField("se intenta otra vez desde")

    class Meta:
        verbose_name = "intento de leer un comprobante"
        verbose_name_plural = "intentos de leer comprobantes"

    def __str__(self) -> str:
        return f"{self.attachment_id}: {self.tries}"
