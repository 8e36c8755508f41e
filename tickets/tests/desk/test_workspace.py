"""The agent's page of a ticket in the admin (M3, M13–M16): what it shows, and to whom."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from django.urls import reverse

from accounts.models import Office
from factureya.core.clock import now
from factureya.testing.desk import agent_in, fresh, page_of, reply, third_party_in
from factureya.testing.pages import log_in, statements, text_of
from factureya.testing.people import (
    give_office,
    make_agent,
    make_contact,
    make_staff,
    make_superuser,
    make_user,
    own_provider,
)
from factureya.testing.tickets import let_it_close, make_ticket
from tickets import operations, providers
from tickets.charges import record
from tickets.desk import queue
from tickets.events import EVENTS
from tickets.models import Note, Ticket

pytestmark = pytest.mark.django_db


@pytest.mark.clause("M13", "M14", "M16")
def test_the_page_tells_the_whole_story(client):
    agent = agent_in(client, full_name="Darío Salgado")
    contact = make_contact(full_name="Rosa Paredes", representative=True)
    ticket = make_ticket(requester=contact, body="No puedo timbrar.\n\nPasos que siguió:\n1. Entré\n2. Timbré")
    operations.take(ticket.pk, agent=agent)
    operations.add_note(ticket.pk, agent=agent, body="El SAT lo reporta vigente.")
    operations.classify(ticket.pk, agent=agent, category="sales", impact=1)
    operations.answer(ticket.pk, agent=agent, body="¿Ya puede?", wait_reason="authorization", proposes_solution=True)
    operations.add_information(ticket.pk, author=contact, body="Todavía no.")
    operations.assign(ticket.pk, agent=agent, assignee=make_agent(full_name="Julio Tapia"))
    operations.assign(ticket.pk, agent=agent, assignee=None)
    text = text_of(client.get(page_of(ticket)))
    for words in (
        "Darío Salgado lo tomó",
        "Nota interna",
        "El SAT lo reporta vigente.",
        "Darío Salgado cambió la categoría a «Ventas» y el impacto a «Es una duda o consulta»",
        "Pasó a En espera: se pidió confirmar si quedó resuelto",
        "Volvió a Abierto: respondió el cliente",
        "Darío Salgado lo asignó a Julio Tapia",
        "Darío Salgado lo dejó por asignar",
        "Pasos que siguió",
        "Representante legal",
        contact.email,
        contact.contact.customer.rfc,
        contact.contact.customer.registered_email,
        "Verificada",
        "El cliente no verá esto.",
        "Siguiente respuesta:",
    ):
        assert words in text


def test_every_verb_of_a_ticket_has_words():
    verbs = set()
    for folder in (*operations.__path__, *providers.__path__):
        for source in Path(folder).glob("*.py"):
            verbs |= set(re.findall(r'"(ticket\.\w+)"', source.read_text()))
    verbs |= {verb for kind in record.KINDS for verb in (*kind.verbs, kind.recorded)}  # of charges and minutes
    assert verbs == set(EVENTS)


@pytest.mark.clause("M12", "M15")
def test_a_closed_ticket_takes_a_note_and_nothing_else(client):
    agent_in(client)
    ticket = let_it_close(make_ticket("waiting"))
    page = client.get(page_of(ticket))
    text = text_of(page)
    assert "Cerrado por falta de respuesta del cliente" in text
    assert "Salió el recordatorio al cliente" in text
    assert "Aquí solo puede dejar una nota interna" in text
    assert 'id="c-reply"' not in page.content.decode()
    assert 'name="assignee"' not in page.content.decode()
    answer = reply(client, ticket, body="Una cosa más", after="detalle")
    assert "El ticket está Cerrado" in text_of(answer)
    assert "Una cosa más" in text_of(answer)
    assert fresh(ticket).message_count == ticket.message_count
    reply(client, ticket, kind="nota", body="Llamó después.")
    assert Note.objects.get(ticket=ticket).body == "Llamó después."


def test_a_ticket_that_follows_another_names_it(client):
    agent_in(client)
    closed = make_ticket("closed")
    ticket = operations.follow_up(closed.pk, author=closed.requester, body="Sigue fallando")
    page = client.get(page_of(ticket))
    assert f"Continúa a {closed.number}" in text_of(page)
    assert page_of(closed) in page.content.decode()


@pytest.mark.clause("M3")
def test_a_followed_ticket_of_another_provider_is_named_without_a_link(client):
    outsider = third_party_in(client)
    closed = make_ticket("closed")
    ticket = operations.follow_up(closed.pk, author=closed.requester, body="Sigue fallando")
    provider = outsider.assignments[0].provider
    operations.hand_over(ticket.pk, supervisor=make_staff(Office.SUPERVISOR), provider=provider)
    page = client.get(page_of(ticket))
    assert f"Continúa a {closed.number}" in text_of(page)
    assert f'href="{page_of(closed)}' not in page.content.decode()
    assert "Otros tickets" not in text_of(page)
    assert provider.name in text_of(page)


def test_other_tickets_of_the_company_active_first_and_five_at_most(client):
    agent_in(client)
    contact = make_contact()
    ticket = make_ticket(requester=contact)
    closed = make_ticket("closed", requester=contact)
    active = [make_ticket(requester=contact) for _ in range(4)]
    make_ticket(subject="De otra empresa")
    others = [other.pk for other, _url in client.get(page_of(ticket)).context["others"]]
    assert others == [*(other.pk for other in reversed(active)), closed.pk]
    make_ticket(requester=contact)
    assert closed.pk not in [other.pk for other, _url in client.get(page_of(ticket)).context["others"]]


def test_previous_and_next_of_the_list_the_agent_came_from(client):
    agent_in(client)
    first, second, third = (make_ticket() for _ in range(3))
    page = client.get(page_of(second), {"vista": "abiertos"})
    assert page.context["previous_url"].startswith(page_of(first))
    assert page.context["next_url"] == f"{page_of(third)}?vista=abiertos"
    page = client.get(page_of(second))
    assert not page.context["previous_url"]
    assert not page.context["next_url"]
    page = client.get(page_of(first), {"q": "timbrar"})
    assert not page.context["next_url"]


@pytest.mark.parametrize("status", Ticket.Status)
def test_the_page_costs_the_same_however_long_the_story_is(client, status):
    agent, contact = agent_in(client), make_contact()
    few = make_ticket(requester=contact)
    many = make_ticket(requester=contact)
    for _ in range(5):
        make_ticket("closed", requester=contact)
    for number in range(30):
        operations.add_information(many.pk, author=contact, body=f"Mensaje {number}")
        operations.add_note(many.pk, agent=agent, body=f"Nota {number}")
    for ticket in (few, many):
        if status != Ticket.Status.OPEN:
            operations.answer(ticket.pk, agent=agent, body="¿Qué versión?", wait_reason="detail")
        if status == Ticket.Status.CLOSED:
            operations.confirm_resolved(ticket.pk, author=contact)
    with statements() as short:
        client.get(page_of(few), {"vista": "abiertos"})
    with statements() as long:
        page = client.get(page_of(many), {"vista": "abiertos"})
    assert len(page.context["entries"]) > 60
    assert len(short) == len(long) <= 15, "\n".join(long)


@pytest.mark.clause("M16")
def test_what_people_write_is_escaped_on_the_page(client):
    agent = agent_in(client, full_name="<b>Agente</b>")
    ticket = make_ticket(subject="<i>asunto</i>", body="<script>alert(1)</script>")
    operations.take(ticket.pk, agent=agent)
    operations.add_note(ticket.pk, agent=agent, body="<img src=x onerror=alert(1)>")
    html = client.get(page_of(ticket)).content.decode()
    for bad in ("<script>alert", "<img src=x", "<i>asunto", "<b>Agente"):
        assert bad not in html


# -- Who may come in ---------------------------------------------------------------------------------

NAMES = ["change", "write", "properties", "confirm", "hand_over"]


@pytest.mark.clause("M3", "M16")
@pytest.mark.parametrize("name", NAMES)
def test_a_foreign_ticket_is_as_good_as_absent(client, name):
    ticket = make_ticket()
    method = client.post if name in {"write", "properties"} else client.get
    third_party_in(client)
    assert method(page_of(ticket, name)).status_code == 404
    assert client.post(page_of(ticket, "confirm"), {"chosen": ticket.requester.pk}).status_code == 404
    log_in(client, make_superuser())
    assert method(page_of(ticket, name)).status_code == 404
    agent_in(client)
    assert method(reverse(f"admin:tickets_ticket_{name}", args=[10**9])).status_code == 404
    log_in(client, make_staff(Office.SECURITY_OFFICER))
    assert method(page_of(ticket, name)).status_code == 403
    log_in(client, ticket.requester)
    assert method(page_of(ticket, name)).status_code == 403
    client.logout()
    assert method(page_of(ticket, name)).status_code == 302
    assert fresh(ticket).status == "open"


@pytest.mark.parametrize(("name", "allowed"), [("change", "GET"), ("write", "POST"), ("properties", "POST")])
def test_each_address_has_its_methods(client, name, allowed):
    agent_in(client)
    ticket = make_ticket()
    method = client.post if allowed == "GET" else client.get
    assert method(page_of(ticket, name)).status_code == 405


def test_an_agents_office_that_ended_opens_nothing(client):
    agent = make_user(is_staff=True)
    held = give_office(agent, Office.AGENT, provider=own_provider(), ends_at=now() + timedelta(minutes=9))
    log_in(client, agent)
    ticket = make_ticket()
    assert client.get(page_of(ticket)).status_code == 200
    with time_machine.travel(held.starts_at + timedelta(hours=1), tick=False):
        assert client.get(page_of(ticket)).status_code == 403
    assert queue.find_colleagues([ticket.provider_id]) == [(agent.pk, agent.full_name)]


# -- People H3: after an answer, «Siguiente» is the next of the list the agent came from ---------------


def opened_from(client, place):
    """The addresses of the list's rows, as the queue links them."""
    page = client.get(f"/admin/tickets/ticket/?{place}")
    return [row.url for row in page.context["rows"]]


def pk_in(url):
    return int(re.search(r"/(\d+)/change/", url).group(1)) if url else None


@pytest.mark.clause("M13")
@pytest.mark.parametrize("place", ["vista=abiertos", "q=timbrar", "vista=por-asignar&categoria=stamping"])
def test_people_h3_after_an_answer_next_is_the_next_of_the_list(client, place):
    agent_in(client)
    for number in range(4):
        make_ticket(subject=f"No puedo timbrar {number}")
    rows = opened_from(client, place)
    here = client.get(rows[1])
    assert (pk_in(here.context["previous_url"]), pk_in(here.context["next_url"])) == (pk_in(rows[0]), pk_in(rows[2]))
    action = re.search(r'id="f-escribir"[^>]*action="([^"]+)"', here.content.decode()).group(1)
    form = here.context["form"]
    data = {
        "key": here.context["composer"].reply.key.token,
        "seen": form["seen"].value(),
        "kind": "respuesta",
        "body": "Hecho.",
        "after": "confirmacion",
    }
    answered = client.post(action.replace("&amp;", "&"), data, follow=True)
    assert answered.context["ticket"].is_waiting
    assert (pk_in(answered.context["previous_url"]), pk_in(answered.context["next_url"])) == (
        pk_in(rows[0]),
        pk_in(rows[2]),
    )
    following = client.get(answered.context["next_url"])
    assert pk_in(following.context["next_url"]) == pk_in(rows[3])
    assert following.context["list_url"].endswith(place)


@pytest.mark.clause("M13")
def test_people_h3_the_crumb_leads_back_to_the_page_of_the_view(client, monkeypatch):
    monkeypatch.setattr(queue, "PAGE_ROWS", 2)
    agent_in(client)
    for _ in range(5):
        make_ticket()
    first = client.get("/admin/tickets/ticket/?vista=abiertos")
    second = client.get(first.context["next_url"])
    ticket = client.get(second.context["rows"][0].url)
    assert ticket.context["list_url"] == first.context["next_url"]
    saved = client.post(
        page_of(ticket.context["ticket"], "properties") + "?" + ticket.context["place"].query,
        {"category": "access"},
        follow=True,
    )
    assert saved.context["list_url"] == first.context["next_url"]


@pytest.mark.clause("M13")
def test_people_h3_who_came_from_no_list_has_no_neighbours(client):
    agent_in(client)
    ticket, _other = make_ticket(), make_ticket()
    page = client.get(page_of(ticket) + "?lugar=1-1")
    assert (page.context["previous_url"], page.context["next_url"], page.context["list_url"]) == ("", "", "")
