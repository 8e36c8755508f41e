"""Store what is said in a ticket: public messages, internal notes, and their files (M16, M17)."""

from typing import Any

from django.db import models
from django.db.models import Q
from django.db.models.functions import Coalesce

from accounts.models import User
from factureya.core import clock
from factureya.core.models import Attachment, InboundMessage
from tickets.models.ticket import Ticket


class Message(models.Model):
    """Store a public message of a ticket, which the customer reads; it is never changed and never deleted."""

    class Side(models.TextChoices):
        CUSTOMER = "customer", "Cliente"
        STAFF = "staff", "Factureya"

    ticket = models.ForeignKey(Ticket, models.PROTECT, related_name="messages", verbose_name="ticket")
    seq = models.PositiveIntegerField("número")  # 1, 2, 3… within the ticket
    side = models.CharField("de", max_length=10, choices=Side)
    author = models.ForeignKey(User, models.PROTECT, related_name="+", verbose_name="autor")
    author_name = models.CharField("nombre del autor", max_length=150)
    channel = models.CharField("canal", max_length=10, choices=Ticket.Channel)
    body = models.TextField("mensaje")
    created_at = models.DateTimeField("cuándo", default=clock.now)
    form_key = models.CharField("clave del formulario", max_length=80, unique=True, null=True, blank=True)
    inbound = models.OneToOneField(
        InboundMessage, models.PROTECT, null=True, blank=True, related_name="entry", verbose_name="correo del que viene"
    )

    class Meta:
        verbose_name = "mensaje"
        verbose_name_plural = "mensajes"
        constraints = [models.UniqueConstraint(fields=["ticket", "seq"], name="one_message_per_place")]

    def __str__(self) -> str:
        return f"{self.ticket_id} #{self.seq}"


class Note(models.Model):
    """Store an internal note: a model of its own, so that nothing of the customer's can list it (M16)."""

    ticket = models.ForeignKey(Ticket, models.PROTECT, related_name="notes", verbose_name="ticket")
    author = models.ForeignKey(User, models.PROTECT, related_name="+", verbose_name="autor")
    author_name = models.CharField("nombre del autor", max_length=150)
    body = models.TextField("nota")
    created_at = models.DateTimeField("cuándo", default=clock.now)
    form_key = models.CharField("clave del formulario", max_length=80, unique=True, null=True, blank=True)

    class Meta:
        verbose_name = "nota interna"
        verbose_name_plural = "notas internas"

    def __str__(self) -> str:
        return f"nota {self.pk}"


class TicketFileQuerySet(models.QuerySet["TicketFile"]):
    """Select files."""

    def visible_to(self, user: Any) -> "TicketFileQuerySet":
        """Select the files of the tickets that this person may see; only staff see those of internal notes (M16).

        The file of a message that was split off belongs to the ticket where the message is read since (M11).
        """
        visible = Ticket.objects.visible_to(user)
        written_here = Q(ticket__in=visible, message__split_ticket__isnull=True)
        files = self.filter(written_here | Q(message__split_ticket__in=visible))
        sees_notes = user.is_authenticated and (user.is_staff or user.reads_all)
        return files if sees_notes else files.filter(note__isnull=True)

    def list_reading_pks(self) -> "models.QuerySet[Any, Any]":
        """Return the keys of the tickets where these files are read, the newest first; after a split the new ticket."""
        read_in = Coalesce("message__split_ticket", "ticket")
        return self.values_list(read_in, flat=True).order_by(read_in.desc()).distinct()


class TicketFile(models.Model):
    """Store a file of a public message or of an internal note; its ticket's policy decides who may fetch it."""

    ticket = models.ForeignKey(Ticket, models.PROTECT, related_name="files", verbose_name="ticket")
    message = models.ForeignKey(Message, models.PROTECT, null=True, blank=True, related_name="files")
    note = models.ForeignKey(Note, models.PROTECT, null=True, blank=True, related_name="files")
    attachment = models.OneToOneField(Attachment, models.PROTECT, related_name="+", verbose_name="archivo")

    objects = TicketFileQuerySet.as_manager()

    class Meta:
        verbose_name = "archivo del ticket"
        verbose_name_plural = "archivos del ticket"
        constraints = [
            models.CheckConstraint(
                name="file_of_one_message_or_note",
                condition=Q(message__isnull=False, note__isnull=True) | Q(message__isnull=True, note__isnull=False),
            )
        ]

    def __str__(self) -> str:
        return f"archivo {self.pk}"


def match_folio(folio: str, user: Any) -> Q:
    """Return the filter for tickets with this fiscal folio: typed, or in an invoice that this person may read (M17)."""
    typed = Ticket.objects.filter(cfdi_uuid=folio).values_list("pk")
    read = TicketFile.objects.visible_to(user).filter(attachment__invoice_reading__uuid=folio)
    return Q(pk__in=typed.union(read.list_reading_pks().order_by()))
