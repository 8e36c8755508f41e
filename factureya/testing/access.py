"""What the table of addresses is made of: who comes, what strangers try to reach, and what a row says (M3, M16).

The cast is the demo's: Ana and Beto (one company), Carla (another), Dario (agent), Irma (a third party's agent), Laura
(supervisor), Elsa, Fabián, Jorge, Gina (officers), Hugo (developer), Olga (Auditoría), and a superuser without an
office.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.test import Client

from accounts.models import User
from change_requests.models import Evidence, FormalRequest
from factureya.core.models import InboundMessage
from factureya.testing.emergencies import Emergency
from tickets.models import Call, Ticket, TicketFile

CUSTOMERS = ("ana", "beto", "carla")
DESK = ("dario", "irma", "laura")
OFFICERS = ("elsa", "fabian", "jorge", "gina")
ROLES = ("anonymous", *CUSTOMERS, *DESK, *OFFICERS, "hugo", "olga", "root")


@dataclass
class World:
    """Hold who is there, and the things of Ana's company that strangers try to reach."""

    people: dict[str, User | None]
    ticket: Ticket  # Ana's, at our own provider
    closed: Ticket
    file: TicketFile
    note_file: TicketFile
    quarantined: InboundMessage
    mailed: InboundMessage  # a message of the ticket
    formal: FormalRequest  # Ana's, in approval; Gina is to carry it out
    evidence: Evidence  # of that request
    emergency: Emergency  # Gina's, about Ana's company
    call: Call  # of Ana, whom Dario attends
    sale: Call  # of a stranger

    def client(self, role: str) -> Client:
        """Return a browser of this person, past the password."""
        client = Client()
        person = self.people[role]
        if person is not None:
            client.force_login(person)
        return client


def codes(everybody: int, **others: int) -> dict[str, int]:
    """Return the expected code of each role: one for everybody but the named roles or groups."""
    groups = {
        "customers": CUSTOMERS,
        "desk": DESK,
        "officers": OFFICERS,
        "staff": (*DESK, *OFFICERS, "hugo", "olga", "root"),
    }
    expected = dict.fromkeys(ROLES, everybody)
    for name in [n for n in others if n in groups] + [n for n in others if n not in groups]:
        expected |= dict.fromkeys(groups.get(name, (name,)), others[name])
    return expected


@dataclass
class Row:
    """Hold one address: how to reach it, and what each role gets."""

    expected: dict[str, int]
    args: Callable[[World], list[Any]] = lambda _world: []
    method: str = "get"
    query: str = ""


def key(*values: Any) -> Callable[[World], list[Any]]:
    """Return the same arguments whoever asks."""
    return lambda _world: list(values)
