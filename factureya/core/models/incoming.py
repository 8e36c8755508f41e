"""Store the mails that came in, what they said, and how far a mailbox was read."""

from functools import cached_property

from django.db import models
from django.db.models import Q

from factureya.core import clock
from factureya.core.models.events import Chained


class InboundMessage(Chained):
    """A mail as it came, committed before anybody reads it, and what became of it (M5, M6). Never deleted.

    Its bytes (`InboundOriginal`) and what came with it never change. `disposition` is empty until `core.mail.intake`
    has disposed of the mail, once. What is in the tray waits for an agent until `resolved_at`. Lock this row first,
    then the ticket.
    """

    class Source(models.TextChoices):
        PIPE = "pipe", "Comando"
        SMTP = "smtp", "Servidor de correo"
        IMAP = "imap", "Buzón"

    class Disposition(models.TextChoices):
        """The values of spec/interfaces.md; *reject* means quarantined, never thrown away."""

        NEW = "accept-new", "Ticket nuevo"
        REPLY = "accept-reply", "Respuesta"
        REQUEST = "accept-request", "Solicitud"
        AUTO = "ignore-auto", "Respuesta automática"
        BOUNCE = "ignore-bounce", "Aviso de no entregado"
        DUPLICATE = "ignore-duplicate", "Repetido"
        UNREGISTERED = "reject-unregistered", "Remitente sin comprobar"
        MALFORMED = "reject-malformed", "Ilegible"

    class Resolution(models.TextChoices):
        """What an agent did with a mail of the tray."""

        LINKED = "linked", "Agregado a un ticket"
        OPENED = "opened", "Abrió un ticket"
        DISCARDED = "discarded", "Descartado"

    source = models.CharField("llegó por", max_length=10, choices=Source)
    received_at = models.DateTimeField("recibido")  # by the first server of ours that had it (M15)
    kept_at = models.DateTimeField("guardado", default=clock.now)
    message_id = models.CharField("Message-ID", max_length=400, blank=True)  # without brackets
    digest = models.CharField("SHA-256 sin encabezados de tránsito", max_length=64)
    # What it says, decoded: equal in two deliveries of one mail. Null until it is disposed of, and beyond the limits.
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

    IN_TRAY = (
        Disposition.UNREGISTERED,
        Disposition.MALFORMED,
        Disposition.AUTO,
        Disposition.BOUNCE,
    )

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
        return f"mail:{self.pk}"

    @cached_property
    def raw(self) -> bytes:
        """The bytes as they came. Not through `original`: two rows that know each other keep them in memory."""
        return bytes(InboundOriginal.objects.values_list("raw", flat=True).get(pk=self.pk))

    @property
    def is_in_tray(self) -> bool:
        """An agent has still to look at it: quarantine, malformed, robots and bounces."""
        return self.disposition in self.IN_TRAY and not self.resolution


class InboundOriginal(models.Model):
    """The bytes of a mail, apart from what became of it: lists don't read them, and no update writes them again."""

    message = models.OneToOneField(
        InboundMessage,
        models.PROTECT,
        primary_key=True,
        related_name="original",
        verbose_name="correo",
    )
    raw = models.BinaryField("original")

    class Meta:
        verbose_name = "original de un correo"
        verbose_name_plural = "originales de correos"

    def __str__(self) -> str:
        return f"original de {self.message_id}"


class InboundReading(models.Model):
    """What a mail said when it was disposed of, as values; never changed (M6, M17). None beyond the limits.

    Pages show this and parse nothing. `files` holds name, type, size and place in the original of each file.
    """

    message = models.OneToOneField(
        InboundMessage,
        models.PROTECT,
        primary_key=True,
        related_name="reading",
        verbose_name="correo",
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
        """What its sender wrote himself."""
        return (self.new_text if self.was_cut else self.text).strip()


class InboundCopy(models.Model):
    """The copy of a mail that a person may download, where it may not be the original: without our links (M16).

    Made when the mail is read. A mail that was read and has no copy is given out as it came; one that was not read at
    all leaves by `manage.py export_mail` alone.
    """

    message = models.OneToOneField(
        InboundMessage, models.PROTECT, primary_key=True, related_name="copy", verbose_name="correo"
    )
    raw = models.BinaryField("copia")

    class Meta:
        verbose_name = "copia de un correo"
        verbose_name_plural = "copias de correos"

    def __str__(self) -> str:
        return f"copia de {self.message_id}"


class MailFolder(models.Model):
    """How far a polled IMAP folder was read: the memory of UIDs that were kept, per UIDVALIDITY.

    `taken_over_at` is the first poll: what somebody read before it is not ours. Up to `old_uid` lay there then, or
    when the mailbox was rebuilt; of these the `wanted` are taken, and all above.
    """

    name = models.CharField(max_length=255, primary_key=True)  # user@host/folder, no password
    uid_validity = models.BigIntegerField()
    taken_over_at = models.DateTimeField(default=clock.now)
    old_uid = models.BigIntegerField(default=0)
    wanted = models.JSONField(default=list, blank=True)
    last_uid = models.BigIntegerField(default=0)
    read_until = models.DateTimeField(null=True, blank=True)  # all that came before it was kept

    def __str__(self) -> str:
        return self.name
