"""The agent's pages that merge, undo and split, and what the ticket's page shows of it (M11)."""

from datetime import timedelta

import pytest

from accounts.models import Office, Provider
from factureya.core import clock
from factureya.testing.calls import make_verified_call
from factureya.testing.desk import QUEUE, agent_in, every_view, fresh, page_of, reply
from factureya.testing.pages import log_in, text_of
from factureya.testing.people import make_agent, make_auditor, make_contact, make_staff
from factureya.testing.tickets import make_ticket
from tickets import operations
from tickets.models import Ticket

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M11")]


def make_pair(first: str = "open", second: str = "open") -> tuple[Ticket, Ticket]:
    ana = make_contact()
    return (
        make_ticket(first, requester=ana, subject="Sello revocado", body="No timbra."),
        make_ticket(second, requester=ana, subject="Tampoco timbra", body="Sigue sin timbrar."),
    )


def merge(ticket: Ticket, survivor: Ticket) -> None:
    operations.merge_ticket(ticket.pk, agent=make_agent(), into_pk=survivor.pk)


def test_an_agent_merges_into_a_ticket_of_the_list(client):
    agent_in(client, full_name="Darío Salgado")
    ticket, survivor = make_pair()
    stranger = make_ticket(subject="De otra empresa")
    page = client.get(page_of(ticket, "merge"))
    assert survivor.subject in text_of(page)
    assert stranger.subject not in text_of(page)
    assert not fresh(ticket).is_merged
    answer = client.post(page_of(ticket, "merge"), {"chosen": survivor.pk}, follow=True)
    assert answer.request["PATH_INFO"] == page_of(survivor)
    text = text_of(answer)
    assert f"{ticket.number} se combinó con este" in text
    assert f"Darío Salgado combinó con este el ticket {ticket.number}" in text
    assert "No timbra." in text
    assert f"en {ticket.number}" in text
    assert f"Combinado aquí {ticket.number}" in text


def test_an_agent_merges_by_number(client):
    agent_in(client)
    ticket, survivor = make_pair()
    for number in ("", "FY-0000-0000", "x" * 50):
        answer = client.post(page_of(ticket, "merge"), {"chosen": "otro", "number": number})
        assert "<title>Error: " in answer.content.decode()
    stranger = make_ticket()
    answer = client.post(page_of(ticket, "merge"), {"chosen": "otro", "number": stranger.number})
    assert "empresas distintas" in text_of(answer)
    assert "Elija el ticket que sigue" in text_of(client.post(page_of(ticket, "merge"), {"chosen": ""}))
    assert not fresh(ticket).is_merged
    client.post(page_of(ticket, "merge"), {"chosen": "otro", "number": survivor.number.lower()})
    assert fresh(ticket).merged_into == survivor
    again = client.post(page_of(ticket, "merge"), {"chosen": survivor.pk})
    assert f"se combinó con {survivor.number}" in text_of(again)


def test_a_ticket_of_another_desk_is_not_found_by_its_number(client):
    agent_in(client)
    ticket, survivor = make_pair()
    other = Provider.objects.create(name="Otro")
    operations.hand_over(survivor.pk, supervisor=make_staff(Office.SUPERVISOR), provider=other)
    answer = client.post(page_of(ticket, "merge"), {"chosen": "otro", "number": survivor.number})
    assert "no hay un ticket suyo con él" in text_of(answer)


def test_the_merged_ticket_shows_where_it_goes_on_and_can_be_taken_back(client):
    agent_in(client)
    ticket, survivor = make_pair("waiting")
    merge(ticket, survivor)
    page = client.get(page_of(ticket))
    text = text_of(page)
    assert f"Este ticket se combinó con {survivor.number}" in text
    assert "Enviar al cliente" not in text
    assert f'href="{page_of(survivor)}' in page.content.decode()
    shown = client.get(page_of(ticket, "undo_merge"))
    assert "con el tiempo que le quedaba" in text_of(shown)
    assert fresh(ticket).is_merged
    answer = client.post(page_of(ticket, "undo_merge"), follow=True)
    assert "sigue otra vez por su cuenta" in text_of(answer)
    assert not fresh(ticket).is_merged
    assert "ya no está combinado" in text_of(client.post(page_of(ticket, "undo_merge")))


def test_after_thirty_days_no_button_offers_to_undo(client):
    agent_in(client)
    ticket, survivor = make_pair()
    with clock.at(clock.now() - timedelta(days=31)):
        merge(ticket, survivor)
    assert "Deshacer la combinación" not in text_of(client.get(page_of(ticket)))


@every_view
def test_a_merged_ticket_stands_in_no_view(client, view):
    agent = agent_in(client)
    for status in ("open", "waiting"):
        ticket, survivor = make_pair(status)
        operations.assign(ticket.pk, agent=agent, assignee=agent if view in {"respondio", "mios"} else None)
        merge(ticket, survivor)
        page = client.get(f"{QUEUE}?vista={view}")
        assert ticket.number not in text_of(page)


def test_a_search_finds_a_merged_ticket_and_says_so(client):
    agent_in(client)
    ticket, survivor = make_pair()
    merge(ticket, survivor)
    text = text_of(client.get(QUEUE, {"q": ticket.number}))
    assert ticket.number in text
    assert "Combinado con otro" in text


def test_what_was_written_on_an_old_page_is_refused_and_shown(client):
    agent_in(client)
    ticket, survivor = make_pair()
    page = client.get(page_of(ticket))
    merge(ticket, survivor)
    data = {
        "key": page.context["composer"].reply.key.token,
        "note_key": page.context["composer"].note.key.token,
        "seen": "1",
        "kind": "respuesta",
        "body": "Ya quedó corregido",
        "after": "abierto",
    }
    answer = client.post(page_of(ticket, "write"), data)
    assert f"{ticket.number} se combinó con {survivor.number}" in text_of(answer)
    assert "Ya quedó corregido" in answer.content.decode()
    assert survivor.messages.count() == 1


def test_a_reply_in_the_survivor_counts_its_own_messages(client):
    agent_in(client)
    ticket, survivor = make_pair()
    merge(ticket, survivor)
    answer = reply(client, survivor, body="Ya quedó", after="confirmacion")
    assert answer.status_code == 302
    assert fresh(survivor).status == "waiting"


def test_an_agent_splits_a_message(client):
    agent_in(client, full_name="Darío Salgado")
    ticket, _other = make_pair()
    operations.add_information(ticket.pk, author=ticket.requester, body="Además no llega el correo")
    message = ticket.messages.get(seq=2)
    page = client.get(page_of(ticket, "split"))
    assert "Además no llega el correo" in text_of(page)
    assert "No timbra." not in text_of(page)
    for fields in (
        {},
        {"chosen": message.pk},
        {"chosen": "999", "subject": "x"},
        {"chosen": message.pk, "subject": " "},
    ):
        answer = client.post(page_of(ticket, "split"), fields)
        assert "<title>Error: " in answer.content.decode()
    answer = client.post(page_of(ticket, "split"), {"chosen": message.pk, "subject": "No llega el correo"}, follow=True)
    new = Ticket.objects.get(split_from=message)
    assert answer.request["PATH_INFO"] == page_of(new)
    text = text_of(answer)
    assert f"Darío Salgado lo abrió con un mensaje de {ticket.number}" in text
    assert "Además no llega el correo" in text
    assert f"Separado de {ticket.number}" in text
    old = text_of(client.get(page_of(ticket)))
    assert "Además no llega el correo" not in old
    assert f"Darío Salgado separó un mensaje en {new.number}" in old
    again = client.post(page_of(ticket, "split"), {"chosen": message.pk, "subject": "Otra vez"})
    assert "Elija el mensaje" in text_of(again)
    assert "No hay un mensaje del cliente que se pueda separar" in text_of(client.get(page_of(ticket, "split")))


def test_an_agent_splits_a_message_of_a_merged_ticket_from_the_survivors_page(client):
    agent_in(client)
    ticket, survivor = make_pair()
    operations.add_information(ticket.pk, author=ticket.requester, body="Además no llega el correo")
    merge(ticket, survivor)
    page = text_of(client.get(page_of(survivor, "split")))
    assert f"en {ticket.number}: «Además no llega el correo»" in page
    assert "No timbra." not in page
    fields = {"chosen": ticket.messages.get(seq=2).pk, "subject": "No llega el correo"}
    answer = client.post(page_of(survivor, "split"), fields, follow=True)
    assert answer.request["PATH_INFO"] == page_of(Ticket.objects.get(split_from=fields["chosen"]))
    assert "Además no llega el correo" not in text_of(client.get(page_of(survivor)))


def test_the_menu_offers_the_steps_that_apply(client):
    agent_in(client)
    ticket, survivor = make_pair()
    assert "Combinar con otro ticket…" in text_of(client.get(page_of(ticket)))
    merge(ticket, survivor)
    merged = text_of(client.get(page_of(ticket)))
    assert "Combinar con otro ticket…" not in merged
    assert "Ver como lo ve el cliente" in merged


def test_who_reads_as_auditor_sees_it_without_a_button(client):
    ticket, survivor = make_pair()
    merge(ticket, survivor)
    log_in(client, make_auditor())
    text = text_of(client.get(page_of(ticket)))
    assert f"se combinó con {survivor.number}" in text
    assert "Deshacer" not in text


@pytest.mark.clause("M11", "M15")
def test_a_confirmation_by_phone_on_a_merged_tickets_page_is_asked_about_the_other(client):
    agent = agent_in(client)
    ticket = make_ticket()
    survivor = make_ticket(requester=ticket.requester)
    operations.merge_ticket(ticket.pk, agent=agent, into_pk=survivor.pk)
    call = make_verified_call(ticket.requester, agent=agent)
    for send in (client.get, client.post):
        answer = send(page_of(ticket, "confirm"), {"chosen": call.pk})
        assert answer.url == page_of(survivor, "confirm")
    assert f"{ticket} se combinó con {survivor}: véalo y confirme ahí" in text_of(client.get(answer.url))
    assert fresh(survivor).status == "open"
    client.post(answer.url, {"chosen": call.pk})
    assert fresh(survivor).status == "closed"
