"""The addresses of the requests of an authority × everybody (M2, M3)."""

from factureya.testing.access import Row, codes, key

_ANYBODY = codes(200)
_READERS = codes(403, anonymous=302, laura=200, olga=200)
_NOT_THERE = _READERS | {"laura": 404, "olga": 404}

ROWS: dict[str, list[Row]] = {
    "tickets:authority": [Row(_ANYBODY), Row(_ANYBODY, method="post")],
    "tickets:authority_sent": [Row(codes(302))],
    "admin:tickets_ticket_authority": [Row(_READERS), Row(_READERS, query="?ver=todos")],
    "admin:tickets_ticket_authority_request": [Row(_NOT_THERE, key(999)), Row(_NOT_THERE, key(999), method="post")],
    "admin:tickets_ticket_authority_document": [Row(_NOT_THERE, key(999))],
}
