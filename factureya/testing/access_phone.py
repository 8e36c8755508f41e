"""Who reaches the pages of calls and of the providers (M3–M5)."""

from typing import Any

from factureya.testing.access import Row, World, codes

CALL_DESK = codes(403, anonymous=302, dario=200, laura=200, irma=404)
OWN_CALL = codes(403, anonymous=302, dario=200, laura=404, irma=404)  # Dario's
POSTED = codes(403, anonymous=302, desk=405, root=405, olga=405)
OVERSEER = codes(403, anonymous=302, dario=404, irma=404, laura=200, olga=200)
SUPERVISOR = codes(403, anonymous=302, dario=404, irma=404, laura=404, root=404)


def call(world: World) -> list[Any]:
    """Return Ana's call."""
    return [world.call.pk]


def sale(world: World) -> list[Any]:
    """Return a stranger's call about sales."""
    return [world.sale.pk]


def provider(world: World) -> list[Any]:
    """Return our own provider."""
    return [world.ticket.provider_id]


def pk(world: World) -> list[Any]:
    """Return Ana's open ticket."""
    return [world.ticket.pk]


ROWS: dict[str, list[Row]] = {
    "admin:tickets_ticket_phone": [Row(CALL_DESK), Row(CALL_DESK, query="?q=ana")],
    "admin:tickets_ticket_call_start": [
        Row(POSTED),
        Row(codes(403, anonymous=302, desk=404), method="post"),  # nobody chosen
    ],
    "admin:tickets_ticket_call_sales": [Row(CALL_DESK), Row(CALL_DESK, method="post")],
    "admin:tickets_ticket_call_handled": [
        Row(POSTED, sale),
        Row(codes(403, anonymous=302, dario=302, laura=302, irma=404), sale, method="post"),
    ],
    "admin:tickets_ticket_call": [Row(OWN_CALL, call), Row(OWN_CALL, call, method="post")],
    "admin:tickets_ticket_call_similar": [Row(OWN_CALL, call, query="?asunto=timbrar")],
    "admin:tickets_ticket_call_code": [Row(POSTED, call), Row(OWN_CALL | {"dario": 302}, call, method="post")],
    "admin:tickets_ticket_call_check": [Row(POSTED, call), Row(OWN_CALL, call, method="post")],
    "admin:tickets_ticket_call_end": [Row(POSTED, call), Row(OWN_CALL | {"dario": 302}, call, method="post")],
    "admin:tickets_ticket_providers": [Row(OVERSEER)],
    "admin:tickets_ticket_provider": [Row(OVERSEER, provider)],
    "admin:tickets_ticket_provider_move": [
        Row(POSTED, provider),
        Row(codes(403, anonymous=302, dario=404, irma=404, laura=302), provider, method="post"),
    ],
    # Ana's ticket is at our own desk, where there is no third party to show the mail to.
    "admin:tickets_ticket_show_mail": [Row(SUPERVISOR, pk)],
    "admin:tickets_ticket_hide_mail": [
        Row(POSTED, pk),
        Row(codes(403, anonymous=302, dario=302, laura=302, irma=404, root=404), pk, method="post"),
    ],
}
