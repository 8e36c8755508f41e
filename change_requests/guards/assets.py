"""Guard who owns the information: an owner changes with its event and its row of history, and in no other way (M26)."""

from change_requests.guards.sql_terms import ASSET, OWNERSHIP, changed, guards
from factureya.core import triggers
from factureya.core.guard_terms import last_event_is

_OWNER_COLUMNS = "owner_id alternate_id alternate_from alternate_until"
_SAME = " AND ".join(
    f"NOT (h.{column} ≠ NEW.{column})" if column.endswith("_id") else f"NOT (T[h.{column}] ≠ T[NEW.{column}])"
    for column in _OWNER_COLUMNS.split()
)
_LAST_OWNERSHIP = f"""EXISTS (SELECT 1 FROM {OWNERSHIP} h WHERE h.asset_id = NEW.id AND {_SAME}
    AND NOT EXISTS (SELECT 1 FROM {OWNERSHIP} l WHERE l.asset_id = h.asset_id AND l.id > h.id))"""
_NAMED = last_event_is(
    f"(SELECT 'asset:' || a.code FROM {ASSET} a WHERE a.id = NEW.asset_id)",
    "asset.owner_set",
    """v.seq = NEW.event_seq AND v.actor_id = NEW.set_by_id AND T[v.at] = T[NEW.at]
        AND NOT (DATA[rows.ownership.owner] ≠ CAST(NEW.owner_id AS text))
        AND NOT (DATA[rows.ownership.alternate] ≠ CAST(NEW.alternate_id AS text))
        AND NOT (DATA_AT[rows.ownership.alternate_from] ≠ T[NEW.alternate_from])
        AND NOT (DATA_AT[rows.ownership.alternate_until] ≠ T[NEW.alternate_until])""",
)
_BY_SUPERUSER = "EXISTS (SELECT 1 FROM accounts_user u WHERE u.id = NEW.set_by_id AND u.is_superuser AND u.is_active)"

GUARDS = [
    *triggers.append_only(OWNERSHIP, "asset_id, event_seq"),
    *guards(
        OWNERSHIP,
        "INSERT",
        ("ownership_follows_its_event", f"NOT {_NAMED}", "un propietario se nombra con su evento"),
        ("ownership_by_superuser", f"NOT {_BY_SUPERUSER}", "al propietario lo nombra un superusuario activo"),
    ),
    *guards(
        ASSET,
        "UPDATE",
        (
            "asset_owner_by_history",
            f"{changed(_OWNER_COLUMNS)} AND NOT {_LAST_OWNERSHIP}",
            "el propietario cambia con su historial",
        ),
    ),
    *guards(
        ASSET,
        "INSERT",
        (
            "asset_begins_without_owner",
            "NEW.owner_id IS NOT NULL OR NEW.alternate_id IS NOT NULL",
            "un activo empieza sin propietario",
        ),
    ),
]
