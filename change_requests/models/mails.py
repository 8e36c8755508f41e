"""Store what came in a mail beside a form: its words, and the files that are evidence of no request (M20)."""

from django.db import models
from django.db.models import PROTECT, ForeignKey, UniqueConstraint

from accounts.models import User
from change_requests.models.requests import FormalRequest
from factureya.core import clock
from factureya.core.models import Attachment


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
