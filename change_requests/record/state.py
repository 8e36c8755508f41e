"""Say what an event holds of an information asset's owner, and how today's rows are compared with it (M26)."""

from django.db.models import Q

from change_requests.models import AssetOwnership, InformationAsset
from factureya.core.record.state import Facts, Kind, read_facts

ASSET, OWNERSHIP = "asset", "ownership"
_OWNER_COLUMNS = {
    "owner": "owner_id",
    "alternate": "alternate_id",
    "alternate_from": "alternate_from",
    "alternate_until": "alternate_until",
}


def describe_asset(asset: InformationAsset) -> Facts:
    """Return who owns an asset and who is the alternate, and until when."""
    return {"asset": asset.pk, **read_facts(asset, **_OWNER_COLUMNS)}


def describe_ownership(ownership: AssetOwnership) -> Facts:
    """Return a row of the history of an asset's owners as an event keeps it, with who set it and the event's number."""
    other_columns = {"asset": "asset_id", "set_by": "set_by_id", "event_seq": "event_seq"}
    return read_facts(ownership, **_OWNER_COLUMNS, **other_columns)


KINDS = [
    Kind(
        ASSET,
        "el activo",
        verbs=("asset.owner_set",),
        rows=lambda: InformationAsset.objects.filter(Q(ownerships__isnull=False) | Q(owner__isnull=False)).distinct(),
        describe=describe_asset,
        subject=lambda asset: asset,
        chains=lambda asset: (asset.chain,),
        key=("asset",),
        column="pk",
    ),
    Kind(
        OWNERSHIP,
        "el historial de propietarios",
        verbs=("asset.owner_set",),
        rows=AssetOwnership.objects.select_related("asset").all,
        describe=describe_ownership,
        subject=lambda ownership: ownership.asset,
        chains=lambda ownership: (ownership.asset.chain,),
        key=("asset", "event_seq"),
        column="asset_id",
        seq_fact="event_seq",
    ),
]
