"""Who reaches minutes, charges and statements: the ticket's people, and of money only who represents or bills (M18)."""

from typing import Any

from factureya.testing.access import Row, World, codes, key
from factureya.testing.charges import note, propose
from factureya.testing.people import Cast
from tickets.models import Ticket

READERS = codes(404, anonymous=302, ana=200, beto=200, dario=200, laura=200, olga=200)
HER_COMPANY = codes(404, anonymous=302, ana=200, beto=200)
REPRESENTATIVES = codes(403, anonymous=302, ana=200, carla=200)
OWN_DESK = codes(403, anonymous=302, dario=200, laura=200, irma=404, root=404)
SUPERVISORS = OWN_DESK | {"dario": 404}
BILLING = codes(403, anonymous=302, laura=200, olga=200)
MONTH = "2026-10"


def make_charge(cast: Cast, ticket: Ticket) -> None:
    """Propose a charge on Ana's ticket and note minutes there."""
    propose(cast, ticket)
    note(ticket, 5, agent=cast.laura)


def charge(world: World) -> list[Any]:
    """Return the ticket's number and that of its charge."""
    return [world.ticket.number, 1]


def pk(world: World) -> list[Any]:
    """Return the ticket's key."""
    return [world.ticket.pk]


def pk_and_seq(world: World) -> list[Any]:
    """Return the ticket's key, and the number of its charge or entry."""
    return [world.ticket.pk, 1]


def company(world: World) -> list[Any]:
    """Return Ana's company and a month."""
    return [world.ticket.customer_id, MONTH]


ROWS: dict[str, list[Row]] = {
    "tickets:charge": [Row(READERS, charge), Row(HER_COMPANY, charge, method="post")],
    "tickets:charge_link": [Row(codes(404), key("forjado", 1))],
    "tickets:statement": [Row(REPRESENTATIVES)],
    "tickets:statement_month": [Row(REPRESENTATIVES, key(MONTH))],
    "tickets:statement_pdf": [Row(REPRESENTATIVES, key(MONTH))],
    "tickets:statement_csv": [Row(REPRESENTATIVES, key(MONTH))],
}
DESK_ROWS: dict[str, list[Row]] = {
    "admin:tickets_ticket_time": [Row(OWN_DESK | {"olga": 200}, pk), Row(OWN_DESK, pk, method="post")],
    "admin:tickets_ticket_void_time": [Row(OWN_DESK, pk_and_seq), Row(OWN_DESK, pk_and_seq, method="post")],
    "admin:tickets_ticket_propose": [Row(SUPERVISORS, pk), Row(SUPERVISORS, pk, method="post")],
    "admin:tickets_ticket_withdraw": [Row(SUPERVISORS, pk_and_seq), Row(SUPERVISORS, pk_and_seq, method="post")],
    "admin:tickets_ticket_statements": [Row(BILLING), Row(BILLING, query=f"?mes={MONTH}")],
    "admin:tickets_ticket_statement": [Row(BILLING, company)],
    "admin:tickets_ticket_statement_pdf": [Row(BILLING, company)],
    "admin:tickets_ticket_statement_csv": [Row(BILLING, company)],
}
