"""The same scene at every size: one customer with a full list, one agent with a full queue, one ticket of ten events.

So a page shows the same rows over 1,000 tickets and over 100,000, and what grows is only what the database holds.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from itertools import count

from django.urls import reverse

from accounts.models import User
from factureya.core import numbers
from tickets.bench import crowd, lives
from tickets.bench.browser import Browser, hidden_fields
from tickets.bench.crowd import Crowd
from tickets.bench.load import Loader
from tickets.models import Ticket

# A list of 25 rows, the ticket of ten events among them.
WAITING, WORKED_ON, CLOSED, TO_CLOSE = 5, 19, 60, 240
TEN_EVENTS = "tnqiqiqis"  # with the opening: ten events, eight messages, one note


@dataclass
class Scene:
    """Who signs in and which ticket is looked at."""

    customer: User
    agent: User
    ticket: Ticket
    to_close: list[int]


def build(tickets: int) -> Scene:
    """Load an empty database with this many tickets, and the scene on top."""
    people = crowd.gather(tickets)
    loader = Loader()
    active = min(tickets // 2, max(400, tickets * 3 // 100))
    for _ in loader.load(tickets, people, active=active):
        pass
    requester, agent = people.contacts[-1], people.agents[0]

    def plan(steps: str, *, active: bool = True) -> tuple[lives.Life, User, User]:
        return lives.live(loader.rng, loader.present, active=active, steps=steps), requester, agent

    loader.insert([plan("ts") for _ in range(WAITING)], people)
    loader.insert([plan("tqi") for _ in range(WORKED_ON)], people)
    loader.insert([plan("tsc", active=False) for _ in range(CLOSED)], people)
    shown = loader.insert([plan(TEN_EVENTS)], people)[0]
    return Scene(requester, agent, Ticket.objects.get(pk=shown), _silent(loader, people))


def _silent(loader: Loader, people: Crowd) -> list[int]:
    """Waiting tickets whose time has run out, each with its reminder sent, for the sweep to close."""
    long_ago = loader.present - timedelta(days=5)
    plans = []
    for _ in range(TO_CLOSE):
        life = lives.live(loader.rng, long_ago, active=True, steps="tsw")
        plans.append((life, people.contact(loader.rng), people.agent(loader.rng)))
    return loader.insert(plans, people)


def pages(scene: Scene) -> dict[str, Callable[[], float]]:
    """What is measured: a function by name that asks for the page once and tells the seconds it took."""
    customer, agent = Browser(scene.customer), Browser(scene.agent)
    number = scene.ticket.number
    auth = reverse("bench_auth")
    queue = reverse("admin:tickets_ticket_changelist")

    def timed(browser: Browser, path: str) -> Callable[[], float]:
        def ask() -> float:
            browser.get(path)
            return browser.seconds

        return ask

    return {
        "auth": timed(customer, auth),
        "my tickets": timed(customer, reverse("tickets:list")),
        "detail": timed(customer, reverse("tickets:detail", args=[number])),
        "create": _creating(customer),
        "auth (agent)": timed(agent, auth),
        "queue": timed(agent, f"{queue}?vista=abiertos"),
        "workspace": timed(agent, reverse("admin:tickets_ticket_change", args=[scene.ticket.pk])),
    }


def _creating(browser: Browser) -> Callable[[], float]:
    """Opens a ticket by the form; getting the form with its one-time key is not timed."""
    serial, path = count(1), reverse("tickets:new")

    def send() -> float:
        # A subject of its own, so that no similar ticket is offered first.
        word = "".join(
            numbers.ALPHABET[(next(serial) * 7919 >> shift) % 32] for shift in range(0, 40, 5)
        )
        fields = {
            "subject": f"Asunto {word}", "category": "stamping", "impact": "2", "description": "No avanza.",
            "steps": "Entré\nDi clic en Timbrar", "expected": "", "cfdi_uuid": "",
        }  # fmt: skip
        browser.post(path, {**hidden_fields(browser.get(path)), **fields})
        return browser.seconds

    return send
