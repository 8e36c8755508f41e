"""What an agent sets on a ticket and the steps he takes: properties, a confirmation by phone, a hand-over (M3, M15)."""

import re

import pytest

from accounts.models import Office, Provider
from factureya.testing.desk import QUEUE, agent_in, fresh, page_of
from factureya.testing.pages import log_in, text_of
from factureya.testing.people import end_offices, make_agent, make_staff
from factureya.testing.tickets import make_ticket
from tickets import operations
from tickets.models import Ticket

pytestmark = pytest.mark.django_db


@pytest.mark.clause("M15")
def test_properties_are_saved_without_moving_the_clock(client):
    agent = agent_in(client, full_name="Darío Salgado")
    ticket = make_ticket()
    answer = client.post(
        page_of(ticket, "properties"), {"assignee": agent.pk, "category": "sales", "impact": "1"}, follow=True
    )
    assert "Cambios guardados." in text_of(answer)
    ticket = fresh(ticket)
    assert (ticket.assignee, ticket.category, ticket.impact) == (agent, "sales", 1)
    assert "ticket.taken" in [event.verb for event in ticket.events()]
    colleague = make_agent()
    client.post(page_of(ticket, "properties"), {"assignee": colleague.pk, "category": "sales", "impact": "1"})
    assert fresh(ticket).assignee == colleague
    client.post(page_of(ticket, "properties"), {"assignee": "", "category": "sales", "impact": "1"})
    assert fresh(ticket).assignee is None


@pytest.mark.clause("M3")
@pytest.mark.parametrize("fields", [{"assignee": "999999"}, {"assignee": "x"}, {"category": "x"}, {"impact": "9"}])
def test_properties_come_from_the_lists(client, fields):
    agent_in(client)
    ticket = make_ticket()
    answer = client.post(
        page_of(ticket, "properties"), {"assignee": "", "category": "sales", "impact": "1", **fields}, follow=True
    )
    assert "Elija de las listas" in text_of(answer)
    assert fresh(ticket).category == ticket.category


@pytest.mark.clause("M3")
def test_what_a_colleague_changed_meanwhile_is_not_set_back(client):
    agent_in(client)
    ticket, colleague = make_ticket(), make_agent()
    page = client.get(page_of(ticket)).content.decode()
    shown = dict(re.findall(r'name="(\w+_was)" value="([^"]*)"', page))
    assert shown == {"assignee_was": "", "category_was": "stamping", "impact_was": "3"}
    operations.take(ticket.pk, agent=colleague)
    operations.classify(ticket.pk, agent=colleague, category="access", impact=3)
    chosen = {"assignee": "", "category": "stamping", "impact": "1"}
    client.post(page_of(ticket, "properties"), shown | chosen)
    saved = fresh(ticket)
    assert (saved.assignee, saved.category, saved.impact) == (colleague, "access", 1)


@pytest.mark.clause("M3")
def test_who_no_longer_works_here_keeps_the_ticket_until_somebody_takes_it(client):
    agent_in(client)
    ticket, gone = make_ticket(), make_agent()
    operations.take(ticket.pk, agent=gone)
    end_offices(gone)
    chosen = {"assignee": str(gone.pk), "category": "sales", "impact": "3"}
    client.post(page_of(ticket, "properties"), chosen)
    assert (fresh(ticket).assignee, fresh(ticket).category) == (gone, "sales")


@pytest.mark.clause("M12")
def test_properties_of_a_closed_ticket_stay(client):
    agent_in(client)
    ticket = make_ticket("closed")
    answer = client.post(
        page_of(ticket, "properties"), {"assignee": "", "category": "sales", "impact": "1"}, follow=True
    )
    assert "El ticket está Cerrado" in text_of(answer)
    assert fresh(ticket).category == ticket.category


def test_an_assignee_who_left_the_desk_is_still_named(client):
    ticket, colleague = make_ticket(), make_agent(full_name="Se Fue")
    operations.take(ticket.pk, agent=colleague)
    colleague.is_active = False
    colleague.save()
    agent_in(client)
    assert (colleague.pk, "Se Fue", True) in client.get(page_of(ticket)).context["assignees"]


@pytest.mark.clause("M3")
def test_a_supervisor_hands_a_ticket_over_and_an_agent_cannot(client):
    ticket, provider = make_ticket(), Provider.objects.create(name="Soporte Externo")
    agent_in(client)
    assert client.get(page_of(ticket, "hand_over")).status_code == 404
    assert client.post(page_of(ticket, "hand_over"), {"chosen": provider.pk}).status_code == 404
    assert "Turnar a otro prestador" not in text_of(client.get(page_of(ticket)))
    log_in(client, make_staff(Office.SUPERVISOR))
    assert "Turnar a otro prestador" in text_of(client.get(page_of(ticket)))
    assert "Elija el prestador." in text_of(client.post(page_of(ticket, "hand_over"), {"chosen": ticket.provider_id}))
    answer = client.post(page_of(ticket, "hand_over"), {"chosen": provider.pk}, follow=True)
    assert f"{ticket.number} pasó a Soporte Externo." in text_of(answer)
    assert fresh(ticket).provider == provider
    assert "Recuperar o turnar" in text_of(client.get(page_of(ticket)))


@pytest.mark.clause("M12")
def test_a_closed_ticket_is_taken_from_those_who_need_not_read_it_any_more(client):
    ticket, provider = make_ticket("closed"), Provider.objects.create(name="Soporte Externo")
    log_in(client, make_staff(Office.SUPERVISOR))
    assert client.post(page_of(ticket, "hand_over"), {"chosen": provider.pk}).status_code == 302
    ticket.refresh_from_db()
    assert (ticket.provider, ticket.status, ticket.assignee) == (provider, "closed", None)


@pytest.mark.clause("M3", "M15")
def test_moves_between_desks_companies_and_lists_are_told(client):
    agent, supervisor = agent_in(client), make_staff(Office.SUPERVISOR, full_name="Laura Méndez")
    provider = Provider.objects.create(name="Soporte Externo")
    ticket = make_ticket()
    operations.hand_over(ticket.pk, supervisor=supervisor, provider=provider)
    Ticket.objects.filter(pk=ticket.pk).update(provider=agent.assignments[0].provider)
    operations.classify(ticket.pk, agent=agent, category="sales", impact=ticket.impact)
    operations.classify(ticket.pk, agent=agent, category="sales", impact=1)
    operations.answer(ticket.pk, agent=agent, body="Seguimos", wait_reason=None)
    for reason in ("detail", "authorization"):
        operations.answer(ticket.pk, agent=agent, body="¿?", wait_reason=reason)
    text = text_of(client.get(page_of(ticket)))
    for words in (
        "Laura Méndez lo turnó a Soporte Externo",
        "cambió la categoría a «Ventas» ·",
        "cambió el impacto a «Es una duda o consulta» ·",
        "Pasó a En espera: se pidió más detalle",
        "Sigue En espera: se pidió autorización",
    ):
        assert words in text


def test_properties_without_a_change_leave_no_event(client):
    agent = agent_in(client)
    ticket = make_ticket()
    operations.take(ticket.pk, agent=agent)
    data = {"assignee": agent.pk, "category": ticket.category, "impact": ticket.impact}
    before = ticket.events().count()
    client.post(page_of(ticket, "properties"), data)
    assert ticket.events().count() == before


@pytest.mark.clause("M15")
def test_a_bulk_step_that_does_nothing_says_only_why(client):
    agent_in(client)
    ticket = make_ticket("closed")
    page = client.post(f"{QUEUE}asignar/", {"elegido": ticket.pk, "a_quien": "yo"}, follow=True)
    assert f"No se pudo asignar {ticket.number}: El ticket está Cerrado" in text_of(page)
    assert "ahora lo atiende" not in text_of(page)
