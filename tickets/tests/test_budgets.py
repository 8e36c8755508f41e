"""The committed query budgets (style.md, habit 13): equal for 3 rows and 300, no full count, no OFFSET."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Office, User
from accounts.web.form_memory import new_key
from factureya.bench import ticket_histories
from factureya.bench.load import Loader
from factureya.bench.sample_people import SamplePeople
from factureya.bench.sweep import recorded
from factureya.core import numbers
from factureya.testing.people import make_contact, make_staff, own_provider
from tickets.customer.views_person import NEW
from tickets.models import NUMBER_PREFIX, Ticket

pytestmark = pytest.mark.django_db
MANY = 300
# Statements that read or write; session and user included, savepoints not.
MY_TICKETS, DETAIL, CREATE, QUEUE, WORKSPACE = 5, 6, 12, 8, 14
CAPPED_COUNT = re.compile(r"COUNT\(\*\) FROM \(SELECT .*? LIMIT \d+\)")

Cast = tuple[User, User]


@pytest.fixture
def cast() -> Cast:
    """A representative, and an agent who is a supervisor too, so that his page offers everything."""
    own_provider()
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


def statements(send: Callable[[], Any], status: int = 200) -> list[str]:
    """The statements of one request, none of which counts without a limit or skips rows."""
    with recorded() as found:
        answer = send()
    assert answer.status_code == status
    texts = [text for text, _ in found]
    for text in texts:
        assert "OFFSET" not in text
        assert text.count("COUNT(") == len(CAPPED_COUNT.findall(text)), text
    return texts


def budget(few: list[str], many: list[str], most: int) -> None:
    """Both requests sent the same number of statements, within the budget."""
    assert len(few) == len(many), "\n".join(["few:", *few, "many:", *many])
    assert len(many) <= most, "\n".join(many)


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
    few = [statements(lambda q=q: client.get(path + q)) for q in LISTS]
    load(cast, *["t", "ts", "tsc"] * (MANY // 3))
    for query, sent in zip(LISTS, few, strict=True):
        budget(sent, statements(lambda q=query: client.get(path + q)), MY_TICKETS)


def test_my_tickets_further_on(client: Client, cast: Cast) -> None:
    client.force_login(cast[0])
    load(cast, *["tsc"] * MANY)
    path = reverse("tickets:list")
    first = client.get(path, {"vista": "cerrados"})
    following = statements(lambda: client.get(path + first.context["next_url"]))
    assert len(following) <= MY_TICKETS


def test_detail(client: Client, cast: Cast) -> None:
    client.force_login(cast[0])
    short, long = load(cast, "qi", "qi" * (MANY // 2))
    numbers = dict(Ticket.objects.values_list("pk", "number"))
    paths = [reverse("tickets:detail", args=[numbers[pk]]) for pk in (short, long)]
    budget(*[statements(lambda path=path: client.get(path)) for path in paths], DETAIL)


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
    few = statements(lambda: send("Zarzamora"), 302)
    load(cast, *["t", "ts", "tqi"] * (MANY // 3))
    budget(few, statements(lambda: send("Guanábana"), 302), CREATE)


def test_queue(client: Client, cast: Cast) -> None:
    client.force_login(cast[1])
    path = reverse("admin:tickets_ticket_changelist")
    load(cast, "", "ts", "tqi", "tsc")
    few = [statements(lambda q=q: client.get(path + q)) for q in QUEUES]
    load(cast, *["", "ts", "tqi", "tsc"] * (MANY // 4))
    for query, sent in zip(QUEUES, few, strict=True):
        budget(sent, statements(lambda q=query: client.get(path + q)), QUEUE)


def test_workspace(client: Client, cast: Cast) -> None:
    client.force_login(cast[1])
    short, long = load(cast, "tnqi", "tn" + "qi" * (MANY // 2))
    load(cast, *["t"] * 6)  # with fewer open ones the company's closed tickets are asked for too
    few = statements(lambda: client.get(reverse("admin:tickets_ticket_change", args=[short])))
    load(cast, *["t"] * MANY)
    many = statements(lambda: client.get(reverse("admin:tickets_ticket_change", args=[long])))
    budget(few, many, WORKSPACE)
