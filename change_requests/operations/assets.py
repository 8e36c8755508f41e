"""Who owns the information: named by a superuser, with a dated alternate (manual 04 b)."""

from datetime import datetime

from django.db import transaction

from accounts.models import Office, User
from change_requests import policy
from change_requests.models import ACCESS, InformationAsset
from change_requests.operations._locking import current
from change_requests.operations.errors import Invalid, NotAllowed
from factureya.core import audit


def set_asset_owner(
    pk: int,
    *,
    actor: User,
    owner: User,
    alternate: User | None = None,
    alternate_from: datetime | None = None,
    alternate_until: datetime | None = None,
) -> InformationAsset:
    """Name the owner of an asset, and who decides in his place between two instants. Raises NotAllowed, Invalid."""
    with transaction.atomic():
        asset = InformationAsset.objects.select_for_update().get(pk=pk)
        actor = current(actor)
        if not policy.may_own_assets(actor):
            raise NotAllowed("Solo un superusuario nombra a los propietarios.")
        errors = _errors(asset, actor, owner, alternate, alternate_from, alternate_until)
        if errors:
            raise Invalid(errors)
        asset.owner, asset.alternate = owner, alternate
        asset.alternate_from, asset.alternate_until = alternate_from, alternate_until
        asset.save(update_fields=["owner", "alternate", "alternate_from", "alternate_until"])
        audit.record(
            "asset.owner_set",
            asset,
            actor=actor,
            owner=owner.pk,
            owner_name=owner.get_full_name(),
            alternate=alternate.pk if alternate else None,
            alternate_from=alternate_from.isoformat() if alternate_from else None,
            alternate_until=alternate_until.isoformat() if alternate_until else None,
        )
    return asset


def _errors(
    asset: InformationAsset,
    actor: User,
    owner: User,
    alternate: User | None,
    start: datetime | None,
    end: datetime | None,
) -> dict[str, str]:
    errors = {}
    if asset.code == ACCESS:
        errors["owner"] = "El acceso de personas lo decide el Responsable de Seguridad Informática."
    elif not current(owner).holds(Office.INFORMATION_OWNER):
        errors["owner"] = "Esa persona no tiene el cargo de Propietario de la Información."
    elif owner.pk == actor.pk or (alternate is not None and alternate.pk == actor.pk):
        errors["owner"] = "Nadie se nombra a sí mismo."
    if alternate is None:
        return errors
    if alternate.pk == owner.pk or not current(alternate).holds(Office.INFORMATION_OWNER):
        errors["alternate"] = "El suplente es otra persona con el cargo de Propietario de la Información."
    if start is None or end is None or end <= start:
        errors["alternate_until"] = "Indique desde y hasta cuándo suple."
    return errors
