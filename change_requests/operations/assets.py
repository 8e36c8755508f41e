"""Who owns the information: named by a superuser, with a dated alternate (manual 04 b)."""

from datetime import datetime

from accounts.models import Office, User
from change_requests import policy
from change_requests.models import ACCESS, AssetOwnership, InformationAsset
from change_requests.operations._common import reread_person
from change_requests.record import state
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
        write_asset_owner(asset, actor=actor)
    return asset


def write_asset_owner(asset: InformationAsset, *, actor: User) -> AssetOwnership:
    """Record the owner and the alternate that a locked asset was given, and write them; return the row of history.

    The event comes first, then the row of history, then the asset's columns: the guards accept no other way.
    """
    owner, alternate = asset.owner, asset.alternate
    facts = state.describe_asset(asset)
    event = audit.record(
        "asset.owner_set",
        asset,
        actor=actor,
        owner=owner.pk if owner else None,
        owner_name=owner.get_full_name() if owner else "",
        alternate=alternate.pk if alternate else None,
        alternate_name=alternate.get_full_name() if alternate else "",
        alternate_from=facts["alternate_from"],
        alternate_until=facts["alternate_until"],
        rows={state.ASSET: facts, state.OWNERSHIP: facts | {"set_by": actor.pk}},
    )
    ownership = AssetOwnership.objects.create(
        asset=asset,
        owner=owner,
        alternate=alternate,
        alternate_from=asset.alternate_from,
        alternate_until=asset.alternate_until,
        set_by=actor,
        event_seq=event.seq,
        at=event.at,
    )
    asset.save(update_fields=["owner", "alternate", "alternate_from", "alternate_until"])
    return ownership


def _find_owner_errors(asset: InformationAsset, actor: User, owner: User, alternate: User | None) -> dict[str, str]:
    """Return, by field, what is wrong: the asset is «access», the owner lacks the cargo, or the actor names himself."""
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
