"""Store what is known about each file that people sent."""

from django.db import models
from django.db.models import Q

from factureya.core import clock


def attachment_path(attachment: "Attachment", _name: str) -> str:
    """Return the path of an attachment in the store: its random name, in a folder of the first two characters."""
    return f"{attachment.token[:2]}/{attachment.token}"


def is_picture_type(content_type: str) -> bool:
    """Return True for an image type; every image that we store was re-encoded."""
    return content_type.startswith("image/")


class Attachment(models.Model):
    """Store a file that passed the limits of `core.files.store`, under a random name; its owner's policy guards it.

    `draft` is the one-time key of the form that the file was uploaded with, emptied when a message takes the file.
    """

    token = models.CharField("ficha", max_length=43, unique=True)
    file = models.FileField("archivo", upload_to=attachment_path, max_length=100)
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
        indexes = [
            models.Index(name="attachment_orphans", fields=["created_at"], condition=~Q(draft="")),
            models.Index(name="attachment_xml", fields=["-id"], condition=Q(content_type="application/xml")),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_picture(self) -> bool:
        """Return True if this is a picture that we re-encoded, the only kind of file that pages show in place."""
        return is_picture_type(self.content_type)
