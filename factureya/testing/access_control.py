"""The addresses of mesa de control × everybody (M3, M21, M24)."""

from typing import Any

from change_requests.models import Decision, InformationAsset
from factureya.testing.access import Row, World, codes, key


def folio(world: World) -> list[Any]:
    """Return the folio of Ana's request."""
    return [world.formal.folio]


def evidence(world: World) -> list[Any]:
    """Return the folio and the token of its file."""
    return [world.formal.folio, world.evidence.attachment.token]


# Whoever works in mesa de control sees every request; an implementer the own work alone; all others none.
MEMBERS = {"laura": 200, "elsa": 200, "fabian": 200, "jorge": 200, "gina": 200}
READER = {"olga": 200}  # Auditoría: sees every page, and every act of hers is refused (M26)
SEEN = codes(404, anonymous=302, **MEMBERS, **READER)
SENT_TO_ITS_PAGE = codes(404, anonymous=302, **dict.fromkeys((*MEMBERS, "olga"), 302))
REFUSED = codes(404, anonymous=302, **MEMBERS, olga=403)  # an empty form: the page again, nothing done
OFFICERS_POST = codes(405)
NAMERS = codes(403, anonymous=302, root=200)

ROWS: dict[str, list[Row]] = {
    "control:inbox": [
        Row(codes(403, anonymous=302, officers=200, laura=200, olga=200)),
        Row(codes(403, anonymous=302, officers=200, laura=200, olga=200), query="?vista=en-curso&q=ocaso"),
    ],
    "control:decide_factor_reset": [Row(codes(403, anonymous=302, officers=405, laura=405, olga=405), key(1))],
    "control:assets": [Row(NAMERS | {"elsa": 200} | READER)],
    "control:asset": [
        Row(NAMERS, key("identity")),
        Row(NAMERS, key("identity"), method="post"),
        Row(NAMERS | {"root": 404}, key("access")),
    ],
    "control:request": [Row(SEEN, folio), Row(codes(404, anonymous=302), key("SC-0000-0000"))],
    "control:evidence": [
        Row(SEEN, evidence),
        Row(codes(404, anonymous=302), lambda world: [world.formal.folio, "otro"]),
    ],
    "control:expediente": [Row(SEEN, folio)],
    "control:expediente_zip": [Row(SEEN, folio)],
}
# Acts: by POST alone, but for those with a page of their own, which only shows it to whom it is for.
for act in ("verify", "decide", "designate", "execute", "check", "close", "resume", "alarm"):
    ROWS[f"control:{act}"] = [Row(OFFICERS_POST, folio), Row(REFUSED, folio, method="post")]
for act, for_whom in (("waive", {}), ("return", {"laura": 200}), ("withdraw", {"laura": 200}), ("revert", {})):
    ROWS[f"control:{act}"] = [Row(SENT_TO_ITS_PAGE | for_whom, folio), Row(REFUSED, folio, method="post")]
# The stock admin shows a superuser that they are there; nothing is added, changed or deleted.
ROOT_ONLY = codes(403, anonymous=302, root=200)
SHOWN = {
    "formalrequest": lambda world: [world.formal.pk],
    "decision": lambda _world: [Decision.objects.get().pk],
    "execution": key(999),
    "waiver": key(999),
    "informationasset": lambda _world: [InformationAsset.objects.first().pk],
}
NONE_YET = {"execution", "waiver"}  # the admin goes back to its list
NEVER = codes(403, anonymous=302)
for model, one in SHOWN.items():
    page = ROOT_ONLY | {"root": 302} if model in NONE_YET else ROOT_ONLY
    ROWS[f"admin:change_requests_{model}_changelist"] = [Row(ROOT_ONLY)]
    ROWS[f"admin:change_requests_{model}_change"] = [Row(page, one), Row(NEVER, one, method="post")]
    ROWS[f"admin:change_requests_{model}_add"] = [Row(NEVER)]
    ROWS[f"admin:change_requests_{model}_delete"] = [Row(NEVER, one)]
    ROWS[f"admin:change_requests_{model}_history"] = [Row(codes(403, anonymous=302, desk=404, root=404, olga=404), one)]
