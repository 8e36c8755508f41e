"""Store the requests of information that an authority sends through the portal: a category of their own (M2)."""

from django.db import models
from django.db.models import PROTECT, CheckConstraint, Q

from accounts.models import User
from factureya.core import clock
from factureya.core.models import Attachment, Chained

FOLIO_PREFIX = "RA"


class AuthorityRequest(Chained):
    """Store what an authority asks for, with its *oficio*, until mesa de control says how it was answered.

    It is no ticket: the sender is no customer, sees nothing here, and gets the answer in writing.
    """

    class Status(models.TextChoices):
        RECEIVED = "received", "Por atender"
        ANSWERED = "answered", "Respondido"
        REFUSED = "refused", "No procede"

    folio = models.CharField("folio", max_length=12, unique=True)
    unit = models.CharField("unidad administrativa", max_length=150)
    official = models.CharField("quien firma", max_length=150)
    position = models.CharField("cargo", max_length=120)
    email = models.EmailField("correo institucional")
    document_number = models.CharField("número de oficio", max_length=60)
    taxpayer_rfc = models.CharField("RFC del contribuyente", max_length=13)
    body = models.CharField("qué información requiere", max_length=4000)
    document = models.OneToOneField(Attachment, PROTECT, related_name="+", verbose_name="oficio")
    received_at = models.DateTimeField("recibido", default=clock.now)
    form_key = models.CharField("clave del formulario", max_length=80, unique=True)
    status = models.CharField("estado", max_length=10, choices=Status, default=Status.RECEIVED)
    outcome = models.CharField("qué se hizo", max_length=1000, blank=True)
    closed_by = models.ForeignKey(User, PROTECT, null=True, blank=True, related_name="+", verbose_name="lo atendió")
    closed_at = models.DateTimeField("atendido", null=True, blank=True)

    class Meta:
        verbose_name = "requerimiento de la autoridad"
        verbose_name_plural = "requerimientos de la autoridad"
        constraints = [
            CheckConstraint(
                name="authority_request_says_what_was_done",
                condition=Q(status="received", outcome="", closed_by__isnull=True, closed_at__isnull=True)
                | Q(status__in=["answered", "refused"], closed_by__isnull=False, closed_at__isnull=False)
                & ~Q(outcome=""),
            )
        ]

    def __str__(self) -> str:
        return self.folio

    @property
    def chain(self) -> str:
        return f"authority:{self.folio}"

    @property
    def is_open(self) -> bool:
        """Return True until somebody says how it was answered."""
        return self.status == self.Status.RECEIVED

    @property
    def chip(self) -> str:
        """Return the name of the colour of the state's chip, for `core.templatetags.fy.state_class`."""
        return "waiting" if self.is_open else "closed"
