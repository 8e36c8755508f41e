"""Helpers of the tests of the agent's pages."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Office, Provider, User
from factureya.testing.pages import key_in, log_in
from factureya.testing.people import make_agent, make_staff
from tickets.models import Ticket

QUEUE = "/admin/tickets/ticket/"


def page_of(ticket: Ticket, name: str = "change") -> str:
    """Return the address of an agent's page about the ticket."""
    return reverse(f"admin:tickets_ticket_{name}", args=[ticket.pk])


def agent_in(client: Client, **user: Any) -> User:
    """Make an agent of our own and sign him in."""
    agent = make_agent(**user)
    log_in(client, agent)
    return agent


def third_party_in(client: Client) -> User:
    """Make an agent of a third party and sign him in."""
    provider = Provider.objects.get_or_create(name="Soporte Externo")[0]
    agent = make_staff(Office.THIRD_PARTY_AGENT, provider=provider)
    log_in(client, agent)
    return agent


def reply(client: Client, ticket: Ticket, **fields: Any) -> Any:
    """Post the composer as the page gives it, with these answers."""
    page = client.get(page_of(ticket))
    form = page.context["form"]
    read = {f"explanation_{each.scope}": each.pk for each in page.context.get("explanations", ())}
    data = {"key": key_in(page), "seen": form["seen"].value(), "kind": "respuesta", **read, **fields}
    return client.post(page_of(ticket, "write"), data)


every_view = pytest.mark.parametrize(
    "view", ["respondio", "mios", "por-asignar", "abiertos", "en-espera", "hoy", "cerrados"]
)


def fresh(ticket: Ticket) -> Ticket:
    """Return the ticket as the database has it now."""
    return Ticket.objects.get(pk=ticket.pk)
