"""Store the mails that came in, what they say, and how far a mailbox was read."""

from functools import cached_property

from django.db import models
from django.db.models import Q

from factureya.core import clock
from factureya.core.models.events import Chained


class InboundMessage(Chained):
    """Store a mail as it came, before it is read, and what became of it (M5, M6); it is never deleted.

    Its bytes (`InboundOriginal`) and its envelope never change. `disposition` is empty until `core.mail.intake` has
    handled the mail, once. A mail in the tray waits for an agent until `resolved_at`. Lock this row before the ticket.
    """

    class Source(models.TextChoices):
        PIPE = "pipe", "Comando"
        SMTP = "smtp", "Servidor de correo"
        IMAP = "imap", "Buzón"

    class Disposition(models.TextChoices):
        """Name what became of a mail (spec/interfaces.md); *reject* means quarantined, never deleted."""

        NEW = "accept-new", "Ticket nuevo"
        REPLY = "accept-reply", "Respuesta"
        REQUEST = "accept-request", "Solicitud"
        AUTO = "ignore-auto", "Respuesta automática"
        BOUNCE = "ignore-bounce", "Aviso de no entregado"
        DUPLICATE = "ignore-duplicate", "Repetido"
        UNREGISTERED = "reject-unregistered", "Remitente sin comprobar"
        MALFORMED = "reject-malformed", "Ilegible"

    class Resolution(models.TextChoices):
        """Name what an agent did with a mail of the tray."""

        LINKED = "linked", "Agregado a un ticket"
        OPENED = "opened", "Abrió un ticket"
        DISCARDED = "discarded", "Descartado"

    source = models.CharField("llegó por", max_length=10, choices=Source)
    received_at = models.DateTimeField("recibido")  # by the first server of ours that had it (M15)
    kept_at = models.DateTimeField("guardado", default=clock.now)
    message_id = models.CharField("Message-ID", max_length=400, blank=True)  # without brackets
    digest = models.CharField("SHA-256 sin encabezados de tránsito", max_length=64)
    # What it says, decoded: equal in two deliveries of one mail. Null until it is handled, and beyond the limits.
    content = models.CharField("SHA-256 de lo que dice", max_length=64, null=True, editable=False)
    recipients = models.JSONField("destinatarios del sobre", default=list, blank=True)
    sender = models.CharField("de", max_length=254, blank=True)
    subject = models.CharField("asunto", max_length=300, blank=True)
    disposition = models.CharField("destino", max_length=20, choices=Disposition, blank=True)
    reason = models.CharField("motivo", max_length=40, blank=True)
    about = models.CharField("sobre", max_length=80, blank=True, db_index=True)  # ticket:FY-…
    disposed_at = models.DateTimeField("atendido", null=True, blank=True)
    attempts = models.PositiveSmallIntegerField("intentos", default=0)
    attempted_at = models.DateTimeField("último intento", null=True, blank=True)
    resolution = models.CharField("resolución", max_length=10, choices=Resolution, blank=True)
    resolved_at = models.DateTimeField("resuelto", null=True, blank=True)

    IN_TRAY = (Disposition.UNREGISTERED, Disposition.MALFORMED, Disposition.AUTO, Disposition.BOUNCE)

    class Meta:
        verbose_name = "correo recibido"
        verbose_name_plural = "correos recibidos"
        constraints = [
            models.UniqueConstraint(fields=["message_id", "digest"], name="one_entry_per_message_and_digest"),
            models.CheckConstraint(
                name="disposed_mail_has_its_instant",
                condition=Q(disposition="", disposed_at__isnull=True)
                | (~Q(disposition="") & Q(disposed_at__isnull=False)),
            ),
            models.CheckConstraint(
                name="resolved_mail_has_its_instant",
                condition=Q(resolution="", resolved_at__isnull=True)
                | (~Q(resolution="") & Q(resolved_at__isnull=False)),
            ),
        ]
        indexes = [
            models.Index(name="inbound_undisposed", fields=["kept_at"], condition=Q(disposition="")),
            models.Index(name="inbound_by_fate", fields=["disposition", "resolution", "-id"]),
            models.Index(name="inbound_resolved", fields=["-id"], condition=~Q(resolution="")),
        ]

    def __str__(self) -> str:
        return f"{self.subject or '(sin asunto)'} ({self.sender or 'sin remitente'})"

    @property
    def chain(self) -> str:
        """Return the name of the chain of this mail's own events."""
        return f"mail:{self.pk}"

    @cached_property
    def raw(self) -> bytes:
        """Return the bytes of this mail as they came, read once from the row that stores them."""
        # Not through `original`: objects that refer to each other stay in memory, with the bytes, until a collection.
        return bytes(InboundOriginal.objects.values_list("raw", flat=True).get(pk=self.pk))

    @property
    def is_in_tray(self) -> bool:
        """Return True if an agent must still look at this mail: unproven sender, unreadable, automatic, or a bounce."""
        return self.disposition in self.IN_TRAY and not self.resolution


class InboundOriginal(models.Model):
    """Store the bytes of a mail apart from its other columns: lists do not read them, updates do not write them."""

    message = models.OneToOneField(
        InboundMessage, models.PROTECT, primary_key=True, related_name="original", verbose_name="correo"
    )
    raw = models.BinaryField("original")

    class Meta:
        verbose_name = "original de un correo"
        verbose_name_plural = "originales de correos"


class InboundReading(models.Model):
    """Store what a mail said when it was handled, as values that never change (M6, M17).

    A mail beyond the limits has none. `files` holds name, type, size and place in the original of each file.
    """

    message = models.OneToOneField(
        InboundMessage, models.PROTECT, primary_key=True, related_name="reading", verbose_name="correo"
    )
    subject = models.TextField("asunto", blank=True)  # whole
    senders = models.JSONField("remitentes", default=list)
    recipients = models.JSONField("destinatarios que dice", default=list)
    date = models.DateTimeField("fecha que dice", null=True)
    verdict = models.CharField("comprobación", max_length=4)  # core.mail.verdicts.Verdict
    text = models.TextField("texto")
    new_text = models.TextField("texto nuevo", blank=True)  # empty when nothing was cut: then all of it is new
    was_cut = models.BooleanField("se recortó lo citado", default=False)
    is_id_reused = models.BooleanField("otro correo tuvo el mismo Message-ID", default=False)
    files = models.JSONField("archivos", default=list)

    class Meta:
        verbose_name = "lectura de un correo"
        verbose_name_plural = "lecturas de correos"

    def __str__(self) -> str:
        return f"lectura de {self.message_id}"

    @property
    def own_words(self) -> str:
        """Return what the sender wrote himself, without the quoted mail and the signature."""
        return (self.new_text if self.was_cut else self.text).strip()


class InboundCopy(models.Model):
    """Store the copy of a mail that a person may download instead of the original: without our links (M16).

    A mail that was read and has no copy is given out as it came; one that was not read, by `export_mail` only.
    """

    message = models.OneToOneField(
        InboundMessage, models.PROTECT, primary_key=True, related_name="copy", verbose_name="correo"
    )
    raw = models.BinaryField("copia")

    class Meta:
        verbose_name = "copia de un correo"
        verbose_name_plural = "copias de correos"


class MailFolder(models.Model):
    """Store how far a polled IMAP folder was read, by the UIDs of one UIDVALIDITY.

    `taken_over_at` is the first poll: mails that were read before it are not ours. Mails up to `old_uid` were there
    then, or when the mailbox was rebuilt; only the `wanted` of them are taken, and all newer ones.
    """

    name = models.CharField(max_length=255, primary_key=True)  # user@host/folder, no password
    uid_validity = models.BigIntegerField()
    taken_over_at = models.DateTimeField(default=clock.now)
    old_uid = models.BigIntegerField(default=0)
    wanted = models.JSONField(default=list, blank=True)
    last_uid = models.BigIntegerField(default=0)
    read_until = models.DateTimeField(null=True, blank=True)  # all that came before it was kept
