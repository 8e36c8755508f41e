"""The committed query budgets of the pages of calls and providers: equal for 3 rows and 30 (M3, M5)."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Office, Provider, User
from factureya.testing.budgets import budget, capped_statements
from factureya.testing.calls import make_verified_call
from factureya.testing.people import make_agent, make_contact, make_customer, make_staff, own_provider
from factureya.testing.tickets import make_ticket
from tickets import operations
from tickets.calls import operations as calls
from tickets.models import Ticket

pytestmark = pytest.mark.django_db
SEARCH, CALL, SALES, PROVIDERS, PROVIDER, COMPANY, THIRD_PARTY = 12, 24, 8, 9, 11, 18, 21
FEW, MANY = 3, 12


@pytest.fixture
def agent(client: Client) -> User:
    own_provider()
    agent = make_agent()
    client.force_login(agent)
    return agent


def measure(client: Client, address: str) -> Any:
    """The statements of a page; the first visit is not counted, because it fills caches."""
    client.get(address)
    return capped_statements(lambda: client.get(address))


@pytest.mark.clause("M5")
def test_search_and_sales(client: Client, agent: User) -> None:
    search, sales = reverse("admin:tickets_ticket_phone") + "?q=grande", reverse("admin:tickets_ticket_call_sales")
    company = make_customer(legal_name="Grande SA")
    sent = []
    for count in (FEW, MANY):
        for _ in range(count):
            make_contact(company)
            calls.note_sale(agent=agent, caller_name="Luis", caller_phone="222", note="")
        sent.append([measure(client, search), measure(client, sales)])
    budget(sent[0][0], sent[1][0], SEARCH)
    budget(sent[0][1], sent[1][1], SALES)


@pytest.mark.clause("M5")
def test_call_and_company(client: Client, agent: User) -> None:
    caller = make_contact()
    call = make_verified_call(caller, agent=agent)
    addresses = {
        reverse("admin:tickets_ticket_call", args=[call.pk]): CALL,
        reverse("admin:accounts_customer_change", args=[caller.contact.customer_id]): COMPANY,
    }
    sent = []
    for count in (FEW, MANY):
        for _ in range(count):
            make_ticket(requester=caller)
        sent.append([measure(client, address) for address in addresses])
    for few, many, limit in zip(*sent, addresses.values(), strict=True):
        budget(few, many, limit)


@pytest.mark.clause("M3")
def test_providers_and_a_third_partys_page(client: Client, agent: User) -> None:
    laura = make_staff(Office.SUPERVISOR)
    external = Provider.objects.create(name="Externo")
    irma = make_staff(Office.THIRD_PARTY_AGENT, provider=external)
    page: dict[str, Any] = {"provider": [], "providers": [], "ticket": []}
    for count in (FEW, MANY):
        for _ in range(count):
            ticket = make_ticket()
            operations.hand_over(ticket.pk, supervisor=laura, provider=external)
        client.force_login(laura)
        page["providers"].append(measure(client, reverse("admin:tickets_ticket_providers")))
        page["provider"].append(measure(client, reverse("admin:tickets_ticket_provider", args=[external.pk])))
        client.force_login(irma)
        shown = Ticket.objects.latest("pk")
        page["ticket"].append(measure(client, reverse("admin:tickets_ticket_change", args=[shown.pk])))
    budget(*page["providers"], PROVIDERS)
    budget(*page["provider"], PROVIDER)
    budget(*page["ticket"], THIRD_PARTY)
