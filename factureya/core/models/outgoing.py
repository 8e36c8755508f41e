"""Store the mails that go out, and count the automatic ones."""

from django.db import models
from django.db.models import Q

from factureya.core import clock
from factureya.core.models.events import Chained


class OutboxMessage(Chained):
    """Store a mail that was queued in a transaction and is sent after it; `key` makes it unique."""

    class Status(models.TextChoices):
        QUEUED = "queued", "En cola"
        SENDING = "sending", "Enviándose"
        SENT = "sent", "Enviado"
        FAILED = "failed", "No enviado"
        DROPPED = "dropped", "Ya no hizo falta"

    key = models.CharField("clave", max_length=120, unique=True)
    message_id = models.CharField("Message-ID", max_length=120, editable=False)  # without brackets
    kind = models.CharField("tipo", max_length=60)
    about = models.CharField("sobre", max_length=80, blank=True, db_index=True)
    to = models.EmailField("para")
    subject = models.CharField("asunto", max_length=200)
    body = models.TextField("texto")
    headers = models.JSONField("encabezados", default=dict)
    is_secret = models.BooleanField("se borra al enviarse", default=False)
    status = models.CharField("estado", max_length=10, choices=Status, default=Status.QUEUED)
    attempts = models.PositiveSmallIntegerField("intentos", default=0)
    due_at = models.DateTimeField("se intenta a partir de", default=clock.now)
    claimed_at = models.DateTimeField("tomado", null=True, blank=True)
    sent_at = models.DateTimeField("enviado", null=True, blank=True)
    # Another server told us later that it never arrived: «no entregado».
    bounced_at = models.DateTimeField("no entregado", null=True, blank=True)
    last_error = models.CharField("último error", max_length=500, blank=True)
    created_at = models.DateTimeField("creado", default=clock.now)

    class Meta:
        verbose_name = "correo de salida"
        verbose_name_plural = "correos de salida"
        constraints = [
            models.UniqueConstraint(name="one_mail_per_message_id", fields=["message_id"]),
            models.CheckConstraint(
                name="sent_mail_has_its_instant",
                condition=Q(status="sent", sent_at__isnull=False) | (~Q(status="sent") & Q(sent_at__isnull=True)),
            ),
        ]
        indexes = [
            models.Index(name="outbox_due", fields=["due_at"], condition=Q(status="queued")),
            models.Index(name="outbox_claimed", fields=["claimed_at"], condition=Q(status="sending")),
            models.Index(name="outbox_failed", fields=["-id"], condition=Q(status="failed")),
            models.Index(name="outbox_to", fields=["to", "-id"]),
        ]

    def __str__(self) -> str:
        return f"{self.kind} → {self.to}"  # not the subject, which may hold a customer's words

    @property
    def chain(self) -> str:
        """Return the name of the chain of the mail's own events; those of its subject are in the chain `about`."""
        return f"outbox:{self.pk}"


class MailQuota(models.Model):
    """Count the automatic mails for `name` since `since`; `core.mail.answer_limits` writes it, its row is the lock."""

    name = models.CharField(max_length=300, primary_key=True)
    since = models.DateTimeField()
    count = models.PositiveIntegerField(default=0)
