"""Who reaches what of /solicitudes/: the representative with powers in force, and nobody else (M8)."""

from typing import Any

from factureya.testing.access import Row, World, codes, key

ASKERS = codes(403, anonymous=302, ana=200, carla=200)
ANYBODY = codes(200)
HERS = codes(403, anonymous=302, ana=200, carla=404)  # of Ana's company, for its representative
HERS_ON_ITS_WAY = HERS | {"ana": 302}  # to the request's page: it was sent
POST_ONLY = codes(405)
HER_FILE = codes(404, anonymous=302, ana=200)
BAD_LINK = codes(410)


def folio(world: World) -> list[Any]:
    """Return the folio of Ana's request."""
    return [world.formal.folio]


def token(world: World) -> list[Any]:
    """Return the token of its evidence."""
    return [world.evidence.attachment.token]


ROWS: dict[str, list[Row]] = {
    "requests:list": [Row(ASKERS), Row(ASKERS, query="?vista=terminadas")],
    "requests:new_access": [Row(ASKERS), Row(ASKERS, method="post")],
    "requests:new_change": [Row(ASKERS), Row(ASKERS, method="post")],
    "requests:form_access": [Row(ANYBODY), Row(codes(404, anonymous=302), query="?folio=SA-0000-0000")],
    "requests:form_change": [Row(ANYBODY)],
    "requests:verifier": [Row(ANYBODY)],
    "requests:verifier_file": [Row(ANYBODY)],
    "requests:evidence": [Row(HER_FILE, token), Row(codes(404, anonymous=302), key("forjado"))],
    "requests:confirm": [Row(BAD_LINK, key("x")), Row(BAD_LINK, key("x"), method="post")],
    "requests:not_me": [Row(BAD_LINK, key("x")), Row(BAD_LINK, key("x"), method="post")],
    "requests:set_password": [Row(BAD_LINK, key("x")), Row(BAD_LINK, key("x"), method="post")],
    "requests:detail": [Row(HERS, folio)],
    "requests:sent": [Row(HERS_ON_ITS_WAY, folio)],
    "requests:acuse": [Row(HERS, folio)],
    "requests:answer": [Row(POST_ONLY, folio), Row(HERS, folio, method="post")],
    "requests:code": [Row(POST_ONLY, folio), Row(HERS, folio, method="post")],
    "requests:resend_code": [Row(POST_ONLY, folio), Row(HERS_ON_ITS_WAY, folio, method="post")],
    "requests:withdraw": [Row(HERS, folio), Row(HERS, folio, method="post")],
    "requests:not_me_here": [Row(HERS, folio)],
    **{
        f"requests:{step}": [Row(HERS_ON_ITS_WAY, folio), Row(HERS_ON_ITS_WAY, folio, method="post")]
        for step in ("kind", "data", "reason", "sign", "review")
    },
    # The last, because it makes a draft of it.
    "requests:correct": [Row(POST_ONLY, folio), Row(HERS_ON_ITS_WAY, folio, method="post")],
}
