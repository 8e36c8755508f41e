"""Store the information assets: groups of sensitive fields, each with an owner (manual 04 b)."""

from datetime import datetime

from django.db import models
from django.db.models import PROTECT, CheckConstraint, F, ForeignKey, Q, UniqueConstraint

from accounts.models import User
from factureya.core import clock
from factureya.core.models import Chained

# The asset of access requests; it has no owner: the security officer decides alone (M7).
ACCESS = "access"


class InformationAsset(Chained):
    """Store a group of sensitive fields (rows made by migrations) and who decides about the group.

    `code` and `fields` never change. The owner decides, or the alternate between the dates of the delegation; whoever
    decides must hold the office of information owner then. `operations.set_asset_owner` writes the owner, after a row
    of `AssetOwnership` with the same values.
    """

    code = models.CharField("clave", max_length=20, unique=True)
    name = models.CharField("nombre", max_length=80)
    fields = models.JSONField("campos", default=list)  # codes of `kinds.fields`
    owner = ForeignKey(User, PROTECT, null=True, blank=True, related_name="owned_assets", verbose_name="propietario")
    alternate = ForeignKey(User, PROTECT, null=True, blank=True, related_name="+", verbose_name="suplente")
    alternate_from = models.DateTimeField("suple desde", null=True, blank=True)
    alternate_until = models.DateTimeField("suple hasta", null=True, blank=True)

    class Meta:
        verbose_name = "activo de información"
        verbose_name_plural = "activos de información"
        ordering = ["pk"]
        constraints = [
            CheckConstraint(
                name="alternate_is_another",
                condition=Q(alternate__isnull=True) | Q(owner__isnull=False) & ~Q(alternate=F("owner")),
                violation_error_message="El suplente es otra persona que el propietario.",
            ),
            CheckConstraint(
                name="alternate_has_dates",
                condition=Q(alternate__isnull=True, alternate_from__isnull=True, alternate_until__isnull=True)
                | Q(
                    alternate__isnull=False,
                    alternate_from__isnull=False,
                    alternate_until__isnull=False,
                    alternate_until__gt=F("alternate_from"),
                ),
                violation_error_message="Indique desde y hasta cuándo suple.",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def chain(self) -> str:
        return f"asset:{self.code}"


class AssetOwnershipQuerySet(models.QuerySet["AssetOwnership"]):
    """Find who owned assets."""

    def at_instant(self, asset: InformationAsset, instant: datetime) -> "AssetOwnership | None":
        """Return the row that said who owned the asset at an instant, or None if nobody did."""
        return self.filter(asset=asset, at__lte=instant).order_by("-pk").first()


class AssetOwnership(models.Model):
    """Store who owned an asset from an instant on, and the alternate named with the owner; append-only.

    The last row of an asset says who owns it now, and is the only way to change `InformationAsset.owner`.
    """

    asset = ForeignKey(InformationAsset, PROTECT, related_name="ownerships", verbose_name="activo")
    owner = ForeignKey(User, PROTECT, null=True, blank=True, related_name="+", verbose_name="propietario")
    alternate = ForeignKey(User, PROTECT, null=True, blank=True, related_name="+", verbose_name="suplente")
    alternate_from = models.DateTimeField("suple desde", null=True, blank=True)
    alternate_until = models.DateTimeField("suple hasta", null=True, blank=True)
    # These two are empty in the rows that the migration made of the owners of that day.
    set_by = ForeignKey(User, PROTECT, null=True, blank=True, related_name="+", verbose_name="nombró")
    event_seq = models.PositiveIntegerField("evento", null=True, blank=True)
    at = models.DateTimeField("desde", default=clock.now)

    objects = AssetOwnershipQuerySet.as_manager()

    class Meta:
        verbose_name = "propietario de un activo"
        verbose_name_plural = "historial de propietarios"
        ordering = ["pk"]
        constraints = [
            UniqueConstraint(
                name="one_ownership_per_event", fields=["asset", "event_seq"], condition=Q(event_seq__isnull=False)
            )
        ]

    def __str__(self) -> str:
        return f"{self.asset}: {self.owner}"


def owner_at(asset: InformationAsset, instant: datetime) -> User | None:
    """Return who owned the asset at an instant, or None if nobody did."""
    ownership = AssetOwnership.objects.at_instant(asset, instant)
    return ownership.owner if ownership else None
