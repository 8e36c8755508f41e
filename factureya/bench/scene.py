"""The same scene at every size: one customer with a full list, one agent with a full queue, one ticket of ten events.

So a page shows the same rows over 1,000 tickets and over 100,000, and what grows is only what the database holds.
"""

import time
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import count, cycle

from django.urls import reverse

from accounts.models import User
from factureya.bench import sample_people, ticket_histories
from factureya.bench.browser import Browser, hidden_fields
from factureya.bench.load import Loader
from factureya.bench.sample_people import SamplePeople
from factureya.core import numbers
from tickets.models import Ticket

# A list of 25 rows, the ticket of ten events among them.
WAITING, WORKED_ON, CLOSED, TO_CLOSE = 5, 19, 60, 240
WRITERS = 300  # at most: each may be sent ten automatic mails an hour
TEN_EVENTS = "tnqiqiqis"  # with the opening: ten events, eight messages, one note


@dataclass
class Scene:
    """Hold who signs in and which ticket is looked at."""

    customer: User
    creators: list[User]
    writers: list[User]
    agent: User
    ticket: Ticket
    to_close: list[int]
    rate: float  # tickets loaded per second


def build(tickets: int) -> Scene:
    """Load an empty database with this many tickets, and the scene on top."""
    start, seconds = time.perf_counter(), 0.0
    people = sample_people.gather(tickets)
    loader = Loader()
    active = min(tickets // 2, max(400, tickets * 3 // 100))
    others = replace(people, weights=people.weights[:-1])  # the last company has the scene's tickets only
    for _ in loader.load(tickets, others, active=active):
        seconds = time.perf_counter() - start
    requester, agent = people.contacts[-1], people.agents[0]

    def plan(steps: str, *, active: bool = True) -> tuple[ticket_histories.History, User, User]:
        return ticket_histories.make_history(loader.rng, loader.present, active=active, steps=steps), requester, agent

    loader.insert([plan("ts") for _ in range(WAITING)], people)
    loader.insert([plan("tqi") for _ in range(WORKED_ON)], people)
    loader.insert([plan("tsc", active=False) for _ in range(CLOSED)], people)
    shown = loader.insert([plan(TEN_EVENTS)], people)[0]
    creators, writers = people.contacts[-33:-3:3], people.contacts[:WRITERS]
    ticket, silent = Ticket.objects.get(pk=shown), _silent(loader, people)
    return Scene(requester, creators, writers, agent, ticket, silent, tickets / seconds)


def _silent(loader: Loader, people: SamplePeople) -> list[int]:
    """Make waiting tickets whose time has run out, each with its reminder sent, for the sweep to close."""
    long_ago = loader.present - timedelta(days=5)
    plans = []
    for _ in range(TO_CLOSE):
        history = ticket_histories.make_history(loader.rng, long_ago, active=True, steps="tsw")
        plans.append((history, people.contacts[0], people.agent(loader.rng)))
    return loader.insert(plans, people)


class Page:
    """Ask for a page; `send` tells the seconds it took."""

    def __init__(self, browser: Browser, path: str) -> None:
        self.browser, self.path = browser, path

    def ready(self) -> None:
        """Do what comes before and is not measured."""

    def send(self) -> float:
        """Ask for the page once."""
        self.browser.get(self.path)
        return self.browser.seconds

    def over(self) -> None:
        """Do what comes after and is not measured."""


class NewTicket(Page):
    """Send the form of a new ticket; getting it with its one-time key is not measured.

    People of several companies take turns, none of them the one whose list is measured.
    """

    def __init__(self, browsers: list[Browser]) -> None:
        super().__init__(browsers[0], reverse("tickets:new"))
        self.browsers, self.serial = cycle(browsers), count(1)
        self.fields: dict[str, str] = {}

    def ready(self) -> None:
        """Get the form and fill it in, with a subject so unlike the others that no similar ticket is offered."""
        self.browser, number = next(self.browsers), next(self.serial) * 7919
        word = "".join(numbers.ALPHABET[(number >> shift) % 32] for shift in range(0, 40, 5))
        self.fields = hidden_fields(self.browser.get(self.path)) | {
            "subject": f"Asunto {word}",
            "category": "stamping",
            "impact": "2",
            "description": "No avanza.",
            "steps": "Entré\nDi clic en Timbrar",
            "expected": "",
            "cfdi_uuid": "",
        }

    def send(self) -> float:
        """Open the ticket."""
        self.browser.post(self.path, self.fields)
        return self.browser.seconds


def pages(scene: Scene) -> dict[str, Page]:
    """Return what is measured, by name."""
    customer, agent = Browser(scene.customer), Browser(scene.agent)
    auth, queue = reverse("bench_auth"), reverse("admin:tickets_ticket_changelist")
    workspace = reverse("admin:tickets_ticket_change", args=[scene.ticket.pk])
    return {
        "auth": Page(customer, auth),
        "my tickets": Page(customer, reverse("tickets:list")),
        "detail": Page(customer, reverse("tickets:detail", args=[scene.ticket.number])),
        "create": NewTicket([Browser(user) for user in scene.creators]),
        "auth (agent)": Page(agent, auth),
        "queue": Page(agent, f"{queue}?vista=abiertos"),
        "workspace": Page(agent, workspace),
    }
