"""Store a company's own image (*Personaliza tu imagen*, M33): its logo and two colours."""

import hashlib

from django.db import models
from django.db.models import PROTECT, CheckConstraint, ForeignKey, Q

from accounts.models.companies import Customer
from factureya.core import clock

_IS_COLOUR = r"^#[0-9a-f]{6}$"


class BrandLogo(models.Model):
    """Store the sizes of one logo of a company; a row never changes, and one that is not in use may be deleted."""

    customer = ForeignKey(Customer, PROTECT, related_name="logos", verbose_name="empresa")
    name = models.CharField("nombre", max_length=150)
    size = models.PositiveIntegerField("bytes del archivo")
    width = models.PositiveIntegerField("ancho")  # pixels of the upload
    height = models.PositiveIntegerField("alto")
    is_transparent = models.BooleanField("tiene transparencia")
    is_light = models.BooleanField("no se distingue sobre blanco")
    print_png = models.BinaryField("para imprimir")
    screen_png = models.BinaryField("para pantalla")
    sha256 = models.CharField("SHA-256", max_length=64)  # of both sizes
    created_at = models.DateTimeField("subido", default=clock.now)

    class Meta:
        verbose_name = "logotipo"
        verbose_name_plural = "logotipos"
        constraints = [models.UniqueConstraint(fields=["customer", "sha256"], name="one_logo_per_content")]

    def __str__(self) -> str:
        return self.name

    def hash_sizes(self) -> str:
        """Return the SHA-256 of the stored sizes as they are now; it is `sha256` unless somebody changed them."""
        return hash_sizes(bytes(self.print_png), bytes(self.screen_png))


class Branding(models.Model):
    """Store the image that a company has now; with empty colours it has Factureya's. The row is never deleted.

    `chosen_…` is what the representative typed, `shown_…` are what is shown: corrected to be readable.
    """

    customer = models.OneToOneField(Customer, PROTECT, related_name="branding", verbose_name="empresa")
    logo = ForeignKey(BrandLogo, PROTECT, null=True, blank=True, related_name="+", verbose_name="logotipo")
    logo_sha256 = models.CharField("SHA-256 del logotipo", max_length=64, blank=True)
    logo_is_light = models.BooleanField("logotipo claro", default=False)
    chosen_main = models.CharField("color principal elegido", max_length=7, blank=True)
    chosen_accent = models.CharField("color de acento elegido", max_length=7, blank=True)
    shown_main = models.CharField("color principal", max_length=7, blank=True)
    shown_accent = models.CharField("color de acento", max_length=7, blank=True)
    changed_at = models.DateTimeField("cambió", default=clock.now)
    changed_by = ForeignKey("User", PROTECT, related_name="+", verbose_name="la cambió")

    class Meta:
        verbose_name = "imagen de la empresa"
        verbose_name_plural = "imágenes de las empresas"
        constraints = [
            CheckConstraint(
                name="brand_has_both_colours_or_none",
                condition=Q(chosen_main="", chosen_accent="", shown_main="", shown_accent="", logo__isnull=True)
                | Q(
                    chosen_main__regex=_IS_COLOUR,
                    chosen_accent__regex=_IS_COLOUR,
                    shown_main__regex=_IS_COLOUR,
                    shown_accent__regex=_IS_COLOUR,
                ),
            ),
            CheckConstraint(
                name="brand_logo_has_its_hash",
                condition=Q(logo__isnull=True, logo_sha256="", logo_is_light=False)
                | (Q(logo__isnull=False) & ~Q(logo_sha256="")),
            ),
        ]

    def __str__(self) -> str:
        return f"Imagen de {self.customer}"

    @property
    def is_own(self) -> bool:
        """Return True if the company has an image of its own, and False if it has Factureya's."""
        return self.shown_main != ""


def hash_sizes(print_png: bytes, screen_png: bytes) -> str:
    """Return the SHA-256 of a logo's two sizes, which names the logo in events and addresses."""
    return hashlib.sha256(print_png + screen_png).hexdigest()
