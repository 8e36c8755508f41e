"""Store what came in a mail beside a form: its words, and the files that are evidence of no request (M20)."""

from django.db import models
from django.db.models import PROTECT, ForeignKey, UniqueConstraint

from accounts.models import User
from change_requests.models.requests import FormalRequest
from factureya.core import clock
from factureya.core.models import Attachment, InboundMessage


class MailText(models.Model):
    """Store the words of a mail that brought a form, with its request; append-only and no part of the content."""

    request = ForeignKey(FormalRequest, PROTECT, related_name="mail_texts", verbose_name="solicitud")
    author = ForeignKey(User, PROTECT, related_name="+", verbose_name="autor")
    author_name = models.CharField("nombre del autor", max_length=150)
    body = models.TextField("mensaje", blank=True)
    # Its mail brought forms of several companies: mesa de control reads it, and none of them what concerns another.
    is_shared = models.BooleanField("de varias empresas", default=False)
    at = models.DateTimeField("cuándo", default=clock.now)

    class Meta:
        verbose_name = "texto de un correo"
        verbose_name_plural = "textos de correos"

    def __str__(self) -> str:
        return f"texto {self.pk}"


class MailTextFile(models.Model):
    """Store a file of such a mail that is evidence of no request, for mesa de control to read. Append-only.

    The same file is stored beside the words in every request of its mail.
    """

    text = ForeignKey(MailText, PROTECT, related_name="files", verbose_name="texto")
    attachment = ForeignKey(Attachment, PROTECT, related_name="+", verbose_name="archivo")
    sha256 = models.CharField("SHA-256", max_length=64)

    class Meta:
        verbose_name = "archivo de un correo"
        verbose_name_plural = "archivos de correos"
        constraints = [UniqueConstraint(name="mail_file_once_per_text", fields=["text", "attachment"])]

    def __str__(self) -> str:
        return f"archivo {self.pk}"


class ReceivedForm(models.Model):
    """Store a PDF form that came by mail and filled a request, with the mail that brought it (M20). Append-only.

    `sender`, `message_id`, `sent_at` and `verdict` are what the mail said and how its sender was proven; `mail_sha256`
    is that of the untouched mail. The stored file may be missing if it was beyond the limits of files; the mail has it.
    """

    request = ForeignKey(FormalRequest, PROTECT, related_name="received_forms", verbose_name="solicitud")
    attachment = ForeignKey(Attachment, PROTECT, null=True, blank=True, related_name="+", verbose_name="archivo")
    name = models.CharField("nombre", max_length=150)
    sha256 = models.CharField("SHA-256", max_length=64)
    size = models.PositiveIntegerField("bytes")
    inbound = ForeignKey(InboundMessage, PROTECT, related_name="+", verbose_name="correo")
    sender = models.CharField("de", max_length=254)
    message_id = models.CharField("Message-ID", max_length=400, blank=True)
    sent_at = models.DateTimeField("fecha que dice", null=True, blank=True)
    verdict = models.CharField("comprobación", max_length=4)
    mail_sha256 = models.CharField("SHA-256 del correo", max_length=64)
    at = models.DateTimeField("cuándo", default=clock.now)

    class Meta:
        verbose_name = "formato recibido"
        verbose_name_plural = "formatos recibidos"

    def __str__(self) -> str:
        return f"formato {self.pk}"

    @property
    def verdict_label(self) -> str:
        """Return in words whether our mail server could prove the sender of the mail."""
        return {"pass": "Comprobado por nuestro servidor", "fail": "La comprobación falló"}.get(
            self.verdict, "Sin comprobar"
        )
