"""The committed query budgets (style.md, habit 13): equal for 3 rows and 300, no full count, no OFFSET."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Office, User
from accounts.web.form_memory import new_key
from factureya.bench import ticket_histories
from factureya.bench.load import Loader
from factureya.bench.sample_people import SamplePeople
from factureya.core import numbers
from factureya.testing.budgets import budget, capped_statements
from factureya.testing.people import make_contact, make_staff, own_provider
from tickets.catalogue import reading
from tickets.customer.views_person import NEW
from tickets.models import NUMBER_PREFIX, Ticket

pytestmark = pytest.mark.django_db
MANY = 300
# Statements that read or write; session and user included, savepoints not.
MY_TICKETS, DETAIL, CREATE, QUEUE, WORKSPACE = 5, 5, 11, 7, 12

Cast = tuple[User, User]


@pytest.fixture
def cast() -> Cast:
    """A representative, and an agent who is a supervisor too, so that his page offers everything."""
    own_provider()
    reading.describe_category("stamping")  # a process reads the labels once
    agent = make_staff(Office.SUPERVISOR, full_name="Laura Méndez")
    return make_contact(representative=True, full_name="Ana Rivas"), agent


def load(cast: Cast, *steps: str) -> list[int]:
    """Tickets of the representative that lived through these steps; their keys."""
    requester, agent = cast
    loader = Loader()
    loader.numbers = iter(lambda: numbers.make_number(NUMBER_PREFIX), "")
    people = SamplePeople([requester], [agent], {agent.pk: own_provider()}, [1.0])
    plans = [
        (ticket_histories.make_history(loader.rng, loader.present, active="c" not in s, steps=s), requester, agent)
        for s in steps
    ]
    return loader.insert(plans, people)


LISTS = ["", "?vista=turno", "?vista=cerrados", "?vista=empresa", "?vista=empresa-cerrados", "?q=factura", "?q=nada"]
QUEUES = [
    "",
    "?vista=respondio",
    "?vista=mios",
    "?vista=por-asignar",
    "?vista=en-espera",
    "?vista=hoy",
    "?vista=cerrados",
    "?q=factura",
    "?q=nada",
    "?vista=abiertos&categoria=stamping",
]


def test_my_tickets(client: Client, cast: Cast) -> None:
    client.force_login(cast[0])
    path = reverse("tickets:list")
    load(cast, "t", "ts", "tsc")
    few = [capped_statements(lambda q=q: client.get(path + q)) for q in LISTS]
    load(cast, *["t", "ts", "tsc"] * (MANY // 3))
    for query, sent in zip(LISTS, few, strict=True):
        budget(sent, capped_statements(lambda q=query: client.get(path + q)), MY_TICKETS)


def test_my_tickets_further_on(client: Client, cast: Cast) -> None:
    client.force_login(cast[0])
    load(cast, *["tsc"] * MANY)
    path = reverse("tickets:list")
    first = client.get(path, {"vista": "cerrados"})
    following = capped_statements(lambda: client.get(path + first.context["next_url"]))
    assert len(following) <= MY_TICKETS


def test_detail(client: Client, cast: Cast) -> None:
    client.force_login(cast[0])
    short, long = load(cast, "qi", "qi" * (MANY // 2))
    numbers = dict(Ticket.objects.values_list("pk", "number"))
    paths = [reverse("tickets:detail", args=[numbers[pk]]) for pk in (short, long)]
    budget(*[capped_statements(lambda path=path: client.get(path)) for path in paths], DETAIL)


def test_create(client: Client, cast: Cast) -> None:
    client.force_login(cast[0])

    def send(subject: str) -> Any:
        fields = {
            "subject": subject,
            "category": "stamping",
            "impact": "2",
            "description": "No avanza.",
            "steps": "Entré",
            "expected": "",
            "cfdi_uuid": "",
            "key": new_key(cast[0], NEW).token,
        }
        return client.post(reverse("tickets:new"), fields)

    load(cast, "t", "ts", "tqi")
    few = capped_statements(lambda: send("Zarzamora"), 302)
    load(cast, *["t", "ts", "tqi"] * (MANY // 3))
    budget(few, capped_statements(lambda: send("Guanábana"), 302), CREATE)


def test_queue(client: Client, cast: Cast) -> None:
    client.force_login(cast[1])
    path = reverse("admin:tickets_ticket_changelist")
    load(cast, "", "ts", "tqi", "tsc")
    few = [capped_statements(lambda q=q: client.get(path + q)) for q in QUEUES]
    load(cast, *["", "ts", "tqi", "tsc"] * (MANY // 4))
    for query, sent in zip(QUEUES, few, strict=True):
        budget(sent, capped_statements(lambda q=query: client.get(path + q)), QUEUE)


def test_workspace(client: Client, cast: Cast) -> None:
    client.force_login(cast[1])
    short, long = load(cast, "tnqi", "tn" + "qi" * (MANY // 2))
    load(cast, *["t"] * 6)  # with fewer open ones the company's closed tickets are asked for too
    few = capped_statements(lambda: client.get(reverse("admin:tickets_ticket_change", args=[short])))
    load(cast, *["t"] * MANY)
    many = capped_statements(lambda: client.get(reverse("admin:tickets_ticket_change", args=[long])))
    budget(few, many, WORKSPACE)
