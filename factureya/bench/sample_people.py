"""The people of the load data: companies with contacts, agents of two providers; made in bulk, one password."""

from bisect import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Any

from allauth.account.models import EmailAddress
from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.utils import timezone

from accounts.models import Contact, Customer, Office, Provider, Representative, User, state
from accounts.operations.common import insert_assignment
from factureya.core import audit, clock
from factureya.core.models import Chained, ChainHead, Event

DOMAIN = "carga.example"
TICKETS_PER_COMPANY = 40
CONTACTS_PER_COMPANY = 3
THIRD_PARTY_SHARE = 10  # one agent in ten
GIVEN = ["Ana", "Luis", "María", "Jorge", "Lucía", "Pedro", "Elena", "Raúl", "Sara", "Hugo"]
FAMILY = ["Hernández", "García", "Martínez", "López", "Pérez", "Rojas", "Cruz", "Flores", "Reyes"]


@dataclass
class SamplePeople:
    """Hold whom the tickets belong to; a few companies have many tickets, most have few."""

    contacts: list[User]
    agents: list[User]
    providers: dict[int, Provider]
    weights: list[float]

    def contact(self, rng: Random) -> User:
        """Return a requester, the first companies far more often than the last."""
        place = bisect(self.weights, rng.random() * self.weights[-1])
        return self.contacts[place * CONTACTS_PER_COMPANY + rng.randrange(CONTACTS_PER_COMPANY)]

    def agent(self, rng: Random) -> User:
        """Return an agent, all equally often."""
        return rng.choice(self.agents)

    def provider_of(self, agent: User) -> Provider:
        """Return whom the agent works for."""
        return self.providers[agent.pk]


def gather(tickets: int, password: str | None = None) -> SamplePeople:
    """Make the people for this many tickets; without a password nobody of them can sign in."""
    now = clock.now() - timedelta(days=1000)
    encoded = make_password(password)
    with transaction.atomic(), clock.at(now):
        root = User(email=f"carga-root@{DOMAIN}", password=encoded, full_name="Raíz de Carga")
        root.is_staff = root.is_superuser = True  # who grants an office is one
        User.objects.insert_person(root)
        EmailAddress.objects.create(user=root, email=root.email, verified=True, primary=True)
        agents = _agents(10 + tickets // 5_000, encoded, root)
        contacts = _companies(max(20, tickets // TICKETS_PER_COMPANY), encoded, root)
    weights, total = [], 0.0
    for place in range(len(contacts) // CONTACTS_PER_COMPANY):
        total += 1 / (place + 10) ** 0.7
        weights.append(total)
    return SamplePeople(contacts, list(agents), {agent.pk: provider for agent, provider in agents.items()}, weights)


def _users(keys: list[str], encoded: str, *, is_staff: bool) -> list[User]:
    """Make a user for each key, and return them."""
    people = User.objects.bulk_create(
        User(
            email=f"{key}@{DOMAIN}",
            password=encoded,
            is_staff=is_staff,
            full_name=f"{GIVEN[place % 10]} {FAMILY[place % 9]} {FAMILY[place % 7]}",
        )
        for place, key in enumerate(keys)
    )
    _record_firsts([(user, {state.PERSON: state.describe_person(user)}, None) for user in people], "person.joined")
    EmailAddress.objects.bulk_create(
        EmailAddress(user=user, email=user.email, verified=True, primary=True) for user in people
    )
    return people


def _agents(count: int, encoded: str, root: User) -> dict[User, Provider]:
    """Make agents with their offices, and return the provider of each."""
    own = Provider.objects.get(is_own=True)
    other = Provider.objects.get_or_create(name="Mesa Externa de Carga")[0]
    people = _users([f"agente{place}" for place in range(count)], encoded, is_staff=True)
    served = {
        user: other if place % THIRD_PARTY_SHARE == THIRD_PARTY_SHARE - 1 else own for place, user in enumerate(people)
    }
    for user, provider in served.items():
        office = Office.AGENT if provider.is_own else Office.THIRD_PARTY_AGENT
        insert_assignment(user, "office.granted", office=office, provider=provider, granted_by=root, actor=root)
    return served


def _companies(count: int, encoded: str, root: User) -> list[User]:
    """Make verified companies with their contacts, and return the users of the contacts."""
    companies = Customer.objects.bulk_create(
        Customer(
            rfc=f"CAR{place % 1_000_000:06d}{place // 1_000_000:02d}A",
            legal_name=f"Empresa de Carga {place} SA de CV",
            registered_email=f"empresa{place}@{DOMAIN}",
            fiscal_address="Av. Reforma 1, 72000 Puebla, Pue.",
        )
        for place in range(count)
    )
    people = _users([f"contacto{place}" for place in range(count * CONTACTS_PER_COMPANY)], encoded, is_staff=False)
    role = Contact.Role
    contacts = Contact.objects.bulk_create(
        Contact(
            user=user,
            customer=companies[place // CONTACTS_PER_COMPANY],
            role=role.CONTACT if place % CONTACTS_PER_COMPANY else role.REPRESENTATIVE,
        )
        for place, user in enumerate(people)
    )
    representatives = _represent(companies, people[::CONTACTS_PER_COMPANY], root)
    for place, company in enumerate(companies):
        company.verified_at, company.verified_by = representatives[place].verified_at, root
    _record(companies, contacts, representatives, root)
    return people


def _represent(companies: list[Customer], people: list[User], root: User) -> list[Representative]:
    """Make each company's representative and then verify it, because only an execution adds one later (M1).

    Return the representatives.
    """
    now = clock.now()
    representatives = Representative.objects.bulk_create(
        Representative(
            customer=company,
            user=user,
            name=user.full_name,
            email=user.email,
            verified_by=root,
            verified_at=now,
            valid_from=timezone.localdate(now),
        )
        for company, user in zip(companies, people, strict=True)
    )
    made = Customer.objects.filter(pk__gte=companies[0].pk, pk__lte=companies[-1].pk)
    made.update(verified_at=now, verified_by=root)
    return representatives


def _record(
    companies: list[Customer], contacts: list[Contact], representatives: list[Representative], root: User
) -> None:
    """Write the first event of each company's chain, which holds the company, its contacts and its representative."""
    entries: list[tuple[Chained, dict[str, Any], User | None]] = []
    for place, company in enumerate(companies):
        here = contacts[place * CONTACTS_PER_COMPANY : (place + 1) * CONTACTS_PER_COMPANY]
        rows = {
            state.COMPANY: state.describe_company(company),
            state.CONTACT: [state.describe_contact(contact) for contact in here],
            state.REPRESENTATIVE: state.describe_representative(representatives[place]),
        }
        entries.append((company, rows, root))
    _record_firsts(entries, "company.verified")


def _record_firsts(entries: Sequence[tuple[Chained, dict[str, Any], User | None]], verb: str) -> None:
    """Write the first event of many chains, each as (subject, rows, actor)."""
    events = []
    for subject, rows, actor in entries:
        event = Event(chain=subject.chain, seq=1, prev=audit.GENESIS, verb=verb, at=clock.now())
        event.actor, event.actor_name, event.data = actor, actor.full_name if actor else "", {"rows": rows}
        event.hash = audit.compute_hash(event)
        events.append(event)
    ChainHead.objects.bulk_create(ChainHead(chain=event.chain, seq=1, hash=event.hash) for event in events)
    Event.objects.bulk_create(events, batch_size=1000)
