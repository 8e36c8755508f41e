"""The addresses of emergencies × everybody (M3, M22, M23, M27).

Gina has an emergency that is authorized: Fabián and Elsa authorized it, Laura and Jorge keep the halves.
"""

from typing import Any

from change_requests.emergency.models import EmergencyAccount, EmergencyCause, EmergencyGrant
from factureya.testing.access import Row, World, codes, key
from factureya.testing.emergencies import Emergency
from factureya.testing.people import Cast

MEMBERS = dict.fromkeys(("laura", "elsa", "fabian", "jorge", "gina", "olga"), 200)


def make_emergency(cast: Cast) -> Emergency:
    """Make the account and Gina's emergency, which is authorized."""
    emergency = Emergency(cast)
    emergency.bring(EmergencyGrant.Status.AUTHORIZED)
    return emergency


def folio(_world: World) -> list[Any]:
    """Return the folio of Gina's emergency."""
    return [EmergencyGrant.objects.get().folio]


def alias(_world: World) -> list[Any]:
    """Return the alias of the account."""
    return [EmergencyAccount.objects.get().alias]


def cause(_world: World) -> list[Any]:
    """Return the key of the first cause."""
    return [EmergencyCause.objects.order_by("pk")[0].pk]


def seq(world: World) -> list[Any]:
    """Return the folio, and the number of an act."""
    return [*folio(world), 1]


def only(everybody: int, **others: int) -> dict[str, int]:
    """Return the codes of an act by POST: of those who may see the page, and of the others, who do not.

    Olga of Auditoría reads everything and posts nothing.
    """
    return codes(404, anonymous=302, **{**dict.fromkeys(MEMBERS, everybody), "olga": 403, **others})


SEEN = codes(404, anonymous=302, **MEMBERS)  # who works in mesa de control, or reads there
POST_ONLY = codes(405)
ASKERS = codes(404, anonymous=302, **dict.fromkeys(MEMBERS, 302)) | {"gina": 200, "laura": 200}
KEEPERS = codes(404, anonymous=302, **dict.fromkeys(MEMBERS, 302)) | {"elsa": 200}
DELEGATERS = codes(404, anonymous=302, **dict.fromkeys(MEMBERS, 302)) | {
    "elsa": 200,
    "fabian": 200,
    "jorge": 200,
    "olga": 200,
}
NO_POST = {"olga": 403}
NOT_OPENED = codes(404, anonymous=302)  # there is no record of what was never opened
ROWS: dict[str, list[Row]] = {
    "emergency:list": [Row(SEEN)],
    "emergency:ask": [Row(ASKERS), Row(ASKERS, query="?simulacro=1"), Row(ASKERS | NO_POST, method="post")],
    "emergency:add_account": [Row(KEEPERS), Row(KEEPERS | NO_POST, method="post")],
    "emergency:seal": [
        Row(SEEN, alias),
        Row(codes(404, anonymous=302), key("no-existe")),
        Row(SEEN | dict.fromkeys(("elsa", "fabian", "gina", "olga"), 403), alias, method="post"),
    ],
    "emergency:start_seal": [Row(POST_ONLY, alias), Row(only(403, elsa=200), alias, method="post")],
    "emergency:confirm_sealed": [Row(POST_ONLY, alias), Row(only(403, laura=409, jorge=409), alias, method="post")],
    "emergency:retire_account": [Row(POST_ONLY, alias), Row(only(403, elsa=409), alias, method="post")],
    "emergency:causes": [Row(SEEN), Row(only(403, elsa=200), method="post")],
    "emergency:end_cause": [Row(KEEPERS, cause), Row(KEEPERS | NO_POST, cause, method="post")],
    "emergency:delegations": [Row(DELEGATERS), Row(DELEGATERS | NO_POST, method="post")],
    "emergency:end_delegation": [
        Row(DELEGATERS | dict.fromkeys(("elsa", "fabian", "jorge", "olga"), 404), key(999)),
        Row(DELEGATERS | dict.fromkeys(("elsa", "fabian", "jorge"), 404) | NO_POST, key(999), method="post"),
    ],
    "emergency:inside": [Row(codes(404, anonymous=302)), Row(codes(404, anonymous=302), method="post")],
    "emergency:leave": [Row(POST_ONLY), Row(codes(404, anonymous=302), method="post")],
    "emergency:grant": [Row(SEEN, folio), Row(codes(404, anonymous=302), key("EM-0000-0000"))],
    "emergency:decide": [Row(POST_ONLY, folio), Row(only(409), folio, method="post")],
    "emergency:revoke": [Row(POST_ONLY, folio), Row(only(200, laura=403, olga=403), folio, method="post")],
    "emergency:open": [Row(SEEN, folio), Row(only(403, laura=200, jorge=200), folio, method="post")],
    "emergency:enter": [Row(POST_ONLY, folio), Row(only(403, gina=409), folio, method="post")],
    "emergency:review": [Row(NOT_OPENED, folio)],
    "emergency:judge": [Row(POST_ONLY, seq), Row(NOT_OPENED, seq, method="post")],
    "emergency:sign": [Row(POST_ONLY, folio), Row(NOT_OPENED, folio, method="post")],
    "emergency:dossier": [Row(NOT_OPENED, folio)],
}
