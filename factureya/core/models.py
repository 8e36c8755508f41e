"""Facts that every app leaves: chained events, outgoing mail, files, holidays, heartbeats. No HTTP here."""

from functools import cached_property

from django.conf import settings
from django.db import models
from django.db.models import Q

from factureya.core import clock


class ChainHead(models.Model):
    """Where a chain of events ends. Its row is locked while an event is appended; it only moves forward (M26)."""

    chain = models.CharField(max_length=80, primary_key=True)
    seq = models.PositiveIntegerField()
    hash = models.CharField(max_length=64)

    def __str__(self) -> str:
        return f"{self.chain} #{self.seq}"


class Event(models.Model):
    """Something that happened to a subject: append-only and hash-chained. Written by `core.audit.record` alone."""

    chain = models.CharField("cadena", max_length=80)
    seq = models.PositiveIntegerField("número")
    prev = models.CharField("hash anterior", max_length=64)
    hash = models.CharField("hash", max_length=64, unique=True)
    verb = models.CharField("verbo", max_length=60)
    at = models.DateTimeField("cuándo")
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name="quién",
    )
    actor_name = models.CharField("nombre de quien actuó", max_length=200, blank=True)
    data = models.JSONField("datos", default=dict)

    class Meta:
        verbose_name = "evento"
        verbose_name_plural = "eventos"
        constraints = [models.UniqueConstraint(fields=["chain", "seq"], name="one_event_per_place_in_chain")]

    def __str__(self) -> str:
        return f"{self.chain} #{self.seq} {self.verb}"


class Chained(models.Model):
    """Mixin of models whose history is a chain of events."""

    class Meta:
        abstract = True

    @property
    def chain(self) -> str:
        """The name of this subject's chain, for example `ticket:FY-7K3M-9QX1`."""
        raise NotImplementedError

    def events(self) -> "models.QuerySet[Event]":
        """This subject's events, oldest first."""
        return Event.objects.filter(chain=self.chain).order_by("seq")


class OutboxMessage(Chained):
    """A mail that was decided in a transaction and is sent after it; `key` makes it unique."""

    class Status(models.TextChoices):
        QUEUED = "queued", "En cola"
        SENDING = "sending", "Enviándose"
        SENT = "sent", "Enviado"
        FAILED = "failed", "No enviado"
        DROPPED = "dropped", "Ya no hizo falta"

    key = models.CharField("clave", max_length=120, unique=True)
    # Without brackets. Null in no row that `enqueue` made; a table that tickets' triggers read isn't rebuilt for it.
    message_id = models.CharField("Message-ID", max_length=120, null=True, editable=False)
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
            models.UniqueConstraint(
                name="one_mail_per_message_id",
                fields=["message_id"],
                condition=Q(message_id__isnull=False),
            ),
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
        """What is done with the mail itself; what becomes of its subject is in the chain of `about`."""
        return f"outbox:{self.pk}"


def _attachment_path(attachment: "Attachment", _name: str) -> str:
    return f"{attachment.token[:2]}/{attachment.token}"


def is_picture_type(content_type: str) -> bool:
    """Tell a stored picture by its type: no other file of ours is kept as an image, and all of them are re-encoded."""
    return content_type.startswith("image/")


class Attachment(models.Model):
    """A file that passed the limits of `core.files.store`; stored under a random name, served by its owner's policy.

    `draft` is the one-time key of the form it was uploaded with; it is emptied when a message takes the file.
    """

    token = models.CharField("ficha", max_length=43, unique=True)
    file = models.FileField("archivo", upload_to=_attachment_path, max_length=100)
    name = models.CharField("nombre", max_length=150)
    content_type = models.CharField("tipo", max_length=60)
    size = models.PositiveIntegerField("bytes")
    sha256 = models.CharField("SHA-256", max_length=64)
    draft = models.CharField("borrador", max_length=80, blank=True, db_index=True)
    created_at = models.DateTimeField("subido", default=clock.now)
    # Of a picture, in pixels; none of what is no picture, and of pictures older than these columns.
    width = models.PositiveIntegerField("ancho", null=True, blank=True)
    height = models.PositiveIntegerField("alto", null=True, blank=True)

    class Meta:
        verbose_name = "archivo adjunto"
        verbose_name_plural = "archivos adjuntos"
        indexes = [models.Index(name="attachment_orphans", fields=["created_at"], condition=~Q(draft=""))]

    def __str__(self) -> str:
        return self.name

    @property
    def is_picture(self) -> bool:
        """Whether it is a picture that we re-encoded, the only kind of file that is shown in place."""
        return is_picture_type(self.content_type)


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
