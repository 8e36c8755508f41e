"""Who owns the information: named by a superuser, with a dated alternate (manual 04 b)."""

from datetime import datetime

from accounts.models import Office, User
from change_requests import policy
from change_requests.models import ACCESS, InformationAsset
from change_requests.operations._common import reread_person
from factureya.core import audit
from factureya.core.locking import locked
from factureya.core.refusals import Invalid, NotAllowed


def set_asset_owner(
    pk: int,
    *,
    actor: User,
    owner: User,
    alternate: User | None = None,
    alternate_from: datetime | None = None,
    alternate_until: datetime | None = None,
) -> InformationAsset:
    """Store the owner of an asset, and an alternate who also decides between two instants. A superuser names them."""
    with locked(InformationAsset.objects.all(), pk) as asset:
        actor = reread_person(actor)
        if not policy.may_name_owners(actor):
            raise NotAllowed("Solo un superusuario nombra a los propietarios.")
        errors = _find_owner_errors(asset, actor, owner, alternate)
        if alternate is not None:
            errors |= _find_alternate_errors(owner, alternate, alternate_from, alternate_until)
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


def _find_owner_errors(asset: InformationAsset, actor: User, owner: User, alternate: User | None) -> dict[str, str]:
    """Return, by field, what forbids this owner: the asset «access», no office, or an actor who names himself."""
    if asset.code == ACCESS:
        return {"owner": "El acceso de personas lo decide el Responsable de Seguridad Informática."}
    if not reread_person(owner).holds(Office.INFORMATION_OWNER):
        return {"owner": "Esa persona no tiene el cargo de Propietario de la Información."}
    if actor.pk in {owner.pk, alternate.pk if alternate else None}:
        return {"owner": "Nadie se nombra a sí mismo."}
    return {}


def _find_alternate_errors(
    owner: User, alternate: User, start: datetime | None, end: datetime | None
) -> dict[str, str]:
    """Return, by field, what is wrong with the owner's alternate and the dates between which he decides."""
    errors = {}
    if alternate.pk == owner.pk or not reread_person(alternate).holds(Office.INFORMATION_OWNER):
        errors["alternate"] = "El suplente es otra persona con el cargo de Propietario de la Información."
    if start is None or end is None or end <= start:
        errors["alternate_until"] = "Indique desde y hasta cuándo suple."
    return errors
