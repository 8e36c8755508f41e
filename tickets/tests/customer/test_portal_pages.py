"""The customer's pages answer: list, new, created, detail, message, confirmation, continuation (M10–M17)."""

import pytest
from django.urls import reverse

from factureya.testing.pages import ANSWERS, key_in, log_in, text_of
from factureya.testing.people import make_agent, make_contact, make_customer
from factureya.testing.tickets import make_ticket
from tickets import operations
from tickets.models import Ticket

pytestmark = pytest.mark.django_db


@pytest.fixture
def ana():
    return make_contact(make_customer(), full_name="Ana Robles", email="ana@ocaso.mx", representative=True)


@pytest.mark.clause("M10", "M17")
def test_a_ticket_is_opened_and_its_number_shown(client, ana):
    log_in(client, ana)
    page = client.get(reverse("tickets:new"))
    response = client.post(reverse("tickets:new"), {**ANSWERS, "key": key_in(page)})
    ticket = Ticket.objects.get()
    assert response.url == reverse("tickets:created", args=[ticket.number])
    created = client.get(response.url)
    assert ticket.number in text_of(created)
    assert "ana@ocaso.mx" in text_of(created)
    assert client.get(response.url).status_code == 200  # survives a reload
    assert ticket.messages.get().body == (
        "Dice CFDI40147.\n\nPasos que siguió:\n1. Entré a Nueva factura\n2. Di clic en Timbrar"
    )


@pytest.mark.clause("M16")
def test_the_detail_shows_history_and_whose_turn_it_is(client, ana):
    ticket = make_ticket(Ticket.Status.WAITING, requester=ana)
    log_in(client, ana)
    page = text_of(client.get(reverse("tickets:detail", args=[ticket.number])))
    assert "Le toca a usted: denos más detalle" in page
    assert "¿Nos comparte el XML?" in page
    assert "Pasó de Abierto a En espera: necesitamos más detalle" in page
    assert "Si no responde, se cierra el" in page


@pytest.mark.clause("M13")
def test_information_moves_the_ticket_to_open(client, ana):
    ticket = make_ticket(Ticket.Status.WAITING, requester=ana)
    log_in(client, ana)
    key = key_in(client.get(reverse("tickets:detail", args=[ticket.number])))
    url = reverse("tickets:add_information", args=[ticket.number])
    response = client.post(url, {"body": "Aquí va.", "key": key}, follow=True)
    ticket.refresh_from_db()
    assert ticket.status == Ticket.Status.OPEN
    assert "Pasó de En espera a Abierto: nos toca responder" in text_of(response)


@pytest.mark.clause("M15")
def test_confirming_takes_a_get_that_shows_and_a_post_that_decides(client, ana):
    ticket = make_ticket(requester=ana)
    log_in(client, ana)
    url = reverse("tickets:confirm", args=[ticket.number])
    assert "¿Quedó resuelto su ticket?" in text_of(client.get(url))
    ticket.refresh_from_db()
    assert ticket.status == Ticket.Status.OPEN
    response = client.post(url, follow=True)
    ticket.refresh_from_db()
    assert ticket.closed_reason == Ticket.ClosedReason.CONFIRMED
    assert "Cómo terminó" in text_of(response)
    assert "Cerrado: usted confirmó que quedó resuelto" in text_of(response)


@pytest.mark.clause("M12")
def test_a_closed_ticket_continues_in_a_linked_one(client, ana):
    ticket = make_ticket(Ticket.Status.CLOSED, requester=ana)
    log_in(client, ana)
    url = reverse("tickets:follow_up", args=[ticket.number])
    response = client.post(url, {"body": "Otra vez.", "key": key_in(client.get(url))})
    following = Ticket.objects.get(follows=ticket)
    assert response.url == reverse("tickets:created", args=[following.number])
    page = text_of(client.get(reverse("tickets:detail", args=[following.number])))
    assert f"Continúa a {ticket.number}" in page
    assert f"Continúa en {following.number}" in text_of(client.get(reverse("tickets:detail", args=[ticket.number])))


@pytest.mark.clause("M16")
def test_my_tickets_are_grouped_by_whose_turn_it_is(client, ana):
    waiting, mine = make_ticket(Ticket.Status.WAITING, requester=ana), make_ticket(requester=ana)
    make_ticket()  # a stranger's
    log_in(client, ana)
    page = text_of(client.get(reverse("tickets:list")))
    assert page.index("Le toca a usted 1") < page.index(waiting.number) < page.index(mine.number)
    assert "Vigentes 2" in page
    assert page.count("FY-") == 2


@pytest.mark.clause("M16")
def test_the_timeline_reads_every_public_verb(client, ana):
    agent = make_agent(full_name="Darío Luna")
    ticket = make_ticket(requester=ana)
    operations.take(ticket.pk, agent=agent)
    operations.add_note(ticket.pk, agent=agent, body="SECRETO interno")
    operations.answer(ticket.pk, agent=agent, body="Pruebe así.", wait_reason="authorization", proposes_solution=True)
    log_in(client, ana)
    page = text_of(client.get(reverse("tickets:detail", args=[ticket.number])))
    assert "Darío Luna, de Soporte, tomó su caso" in page
    assert "Le toca a usted: confirme si quedó resuelto" in page
    assert "SECRETO" not in page
