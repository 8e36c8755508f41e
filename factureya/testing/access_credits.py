"""The addresses of the companies' credits × everybody (M3, M28)."""

from factureya.testing.access import Row, World, codes, key

_READERS = codes(403, anonymous=302, dario=200, laura=200, root=200, olga=200)
_SUPERVISOR = codes(403, anonymous=302, laura=200)
_POST_ONLY = codes(403, anonymous=302, desk=405, root=405, olga=405)
_NO_IMPORT = dict.fromkeys(("dario", "laura", "root", "olga"), 404)


def _company(world: World) -> list[int]:
    """Return the key of Ana's company."""
    return [world.ticket.customer_id]


ROWS: dict[str, list[Row]] = {
    "admin:accounts_creditbalance_changelist": [Row(_READERS), Row(_READERS, query="?ver=todos&q=ocaso")],
    "admin:accounts_creditbalance_change": [Row(_SUPERVISOR, _company), Row(_SUPERVISOR, _company, method="post")],
    "admin:accounts_creditbalance_import_new": [Row(_SUPERVISOR), Row(_SUPERVISOR, method="post")],
    "admin:accounts_creditbalance_import": [Row(_READERS | _NO_IMPORT, key(999))],
    "admin:accounts_creditbalance_confirm": [
        Row(_POST_ONLY, key(999)),
        Row(_SUPERVISOR | {"laura": 404}, key(999), method="post"),
    ],
    "admin:accounts_creditbalance_discard": [
        Row(_POST_ONLY, key(999)),
        Row(_SUPERVISOR | {"laura": 404}, key(999), method="post"),
    ],
}
