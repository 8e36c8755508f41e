"""Store a supplier's credit package: credits, price, validity, software, licence and original (M28)."""

from django.db import models
from django.db.models import PROTECT, CheckConstraint, F, ForeignKey, OneToOneField, Q, UniqueConstraint, Value
from django.db.models.functions import Concat, Length, Lower, Trim
from django.db.models.lookups import GreaterThanOrEqual

from accounts.models import User
from change_requests.packages.models.files import PackageFile
from factureya.core import clock
from factureya.core.models import Chained


class SupplierPackage(Chained):
    """Store one version of a supplier's credit package; its facts and its original never change (M32).

    `in_use` is the released copy that customers get; empty means the original.
    """

    supplier = models.CharField("proveedor", max_length=120)
    name = models.CharField("paquete", max_length=60)  # for example PAC-500
    version = models.CharField("versión", max_length=30)  # for example v3.2
    software = models.CharField("software", max_length=120)
    credits = models.PositiveIntegerField("créditos")
    price = models.DecimalField("precio", max_digits=10, decimal_places=2)
    months = models.PositiveSmallIntegerField("meses de vigencia de los créditos")
    valid_from = models.DateField("vigente desde")
    valid_until = models.DateField("vigente hasta", null=True, blank=True)
    licence_name = models.CharField("licencia", max_length=120)
    licence_text = models.TextField("qué dice la licencia sobre modificarlo")
    original = OneToOneField(PackageFile, PROTECT, related_name="package", verbose_name="original")
    # The version before, which this one replaces; each copy of it asks for a port (M32).
    replaces = OneToOneField(
        "self", PROTECT, null=True, blank=True, related_name="replaced_by", verbose_name="reemplaza a"
    )
    in_use = OneToOneField(
        "change_requests.IdentifiedCopy", PROTECT, null=True, blank=True, related_name="+", verbose_name="copia en uso"
    )
    registered_by = ForeignKey(User, PROTECT, related_name="+", verbose_name="registró")
    registered_at = models.DateTimeField("registrado", default=clock.now)
    form_key = models.CharField("clave del formulario", max_length=80, unique=True, null=True, blank=True)

    class Meta:
        verbose_name = "paquete del proveedor"
        verbose_name_plural = "paquetes del proveedor"
        ordering = ["supplier", "name", "pk"]
        constraints = [
            UniqueConstraint(
                Lower(Concat("name", Value("-"), "version")),  # so their copies have labels of their own
                name="one_package_per_label",
                violation_error_message="Ya hay un paquete cuyas copias llevarían la misma etiqueta.",
            ),
            CheckConstraint(
                name="package_has_its_texts",
                condition=GreaterThanOrEqual(Length(Trim("supplier")), 3)
                & GreaterThanOrEqual(Length(Trim("name")), 2)
                & GreaterThanOrEqual(Length(Trim("version")), 1)
                & GreaterThanOrEqual(Length(Trim("software")), 2)
                & GreaterThanOrEqual(Length(Trim("licence_name")), 3)
                & GreaterThanOrEqual(Length(Trim("licence_text")), 10),
            ),
            CheckConstraint(name="package_has_credits", condition=Q(credits__gte=1, months__gte=1)),
            CheckConstraint(name="package_price_is_not_negative", condition=Q(price__gte=0)),
            CheckConstraint(
                name="package_validity_is_forward",
                condition=Q(valid_until__isnull=True) | Q(valid_until__gte=F("valid_from")),
                violation_error_message="La vigencia termina antes de empezar.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.version}"

    @property
    def chain(self) -> str:
        return f"package:{self.pk}"

    def make_label(self, number: int) -> str:
        """Return the label of this package's identified copy with this number, for example «PAC-500-v3.2+fy.1»."""
        return f"{self.name}-{self.version}+fy.{number}"
