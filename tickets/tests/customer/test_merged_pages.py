"""What the customer sees of merged and split tickets, by login, link, look-up and file (M11, M16)."""

from typing import Any

import pytest
from django.urls import reverse

from accounts.models import User
from factureya.core.files import store
from factureya.testing.pages import key_in, log_in, png, text_of
from factureya.testing.people import make_agent, make_contact
from factureya.testing.tickets import make_ticket
from tickets import notifications, operations
from tickets.models import Ticket
from tickets.similar_tickets import find_similar

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M11")]


@pytest.fixture
def pair(ana: User) -> tuple[Ticket, Ticket]:
    """Two tickets of Ana; the first is merged into the second."""
    ticket = make_ticket(requester=ana, subject="Sello revocado", body="No timbra.")
    survivor = make_ticket(requester=ana, subject="Tampoco timbra", body="Sigue sin timbrar.")
    operations.merge_ticket(ticket.pk, agent=make_agent(), into_pk=survivor.pk)
    ticket.refresh_from_db()
    return ticket, survivor


def at(name: str, ticket: Ticket) -> str:
    return reverse(f"tickets:{name}", args=[ticket.number])


def by_link(client: Any, person: User, ticket: Ticket) -> Any:
    return client.get(f"/enlace/{notifications.make_link_token(person, ticket)}/")


def hide_survivor(ana: User, survivor: Ticket) -> None:
    """Ana sees only her own tickets since, and the survivor is a colleague's."""
    colleague = make_contact(ana.contact.customer)
    Ticket.objects.filter(pk=survivor.pk).update(requester=colleague)
    ana.contact.own_tickets_only = True
    ana.contact.save()


@pytest.mark.parametrize("name", ["detail", "confirm"])
def test_the_old_number_leads_to_the_same_page_of_the_survivor(client, ana, pair, name):
    log_in(client, ana)
    answer = client.get(at(name, pair[0]), follow=True)
    assert answer.request["PATH_INFO"] == at(name, pair[1])
    assert f"El ticket {pair[0].number} se combinó con este" in text_of(client.get(at("detail", pair[0]), follow=True))


def test_the_page_after_opening_leads_to_the_survivor_too(client, ana, pair):
    log_in(client, ana)
    assert client.get(at("created", pair[0])).url == at("detail", pair[1])


def test_the_page_reads_both_conversations(client, ana, pair):
    log_in(client, ana)
    text = text_of(client.get(at("detail", pair[1])))
    assert "No timbra." in text
    assert "Sigue sin timbrar." in text
    assert f"Se combinó con este el ticket {pair[0].number}" in text


def test_what_was_typed_on_the_old_page_lands_in_the_survivor(client, ana):
    ticket, survivor = make_ticket(requester=ana), make_ticket(requester=ana)
    log_in(client, ana)
    key = key_in(client.get(at("detail", ticket)))
    operations.merge_ticket(ticket.pk, agent=make_agent(), into_pk=survivor.pk)
    empty = client.post(at("add_information", ticket), {"key": key, "body": " "})
    assert "Escriba su mensaje" in text_of(empty)
    answer = client.post(at("add_information", ticket), {"key": key, "body": "Va el XML"})
    assert answer.url == at("detail", survivor)
    assert survivor.messages.latest("seq").body == "Va el XML"
    again = client.post(at("add_information", ticket), {"key": key, "body": "Va el XML"})
    assert again.url == at("detail", survivor)
    assert survivor.messages.filter(body="Va el XML").count() == 1


@pytest.mark.clause("M11", "M15")
@pytest.mark.parametrize("name", ["confirm", "add_information"])
def test_a_confirmation_on_the_old_page_closes_no_ticket_that_the_customer_did_not_see(client, ana, name):
    ticket, survivor = make_ticket(requester=ana), make_ticket(requester=ana)
    log_in(client, ana)
    key = key_in(client.get(at("detail", ticket)))
    operations.merge_ticket(ticket.pk, agent=make_agent(), into_pk=survivor.pk)
    data = {"key": key, "resolved": "1", "body": "Gracias", "files": [png("sello.png")]}
    page = client.post(at(name, ticket), data, follow=True)
    assert page.request["PATH_INFO"] == at("detail", survivor)
    text = text_of(page)
    assert f"{ticket.number} se combinó con {survivor.number}. Véalo y confirme ahí" in text
    assert {Ticket.objects.get(pk=each.pk).status for each in (ticket, survivor)} == {"open"}
    assert survivor.messages.count() == 1
    if name == "add_information":  # what was typed waits in the other ticket's form
        assert "Gracias" in text
        assert "sello.png" in text
        client.post(at(name, survivor), {"key": key_in(page), "resolved": "1", "body": "Gracias"})
        assert Ticket.objects.get(pk=survivor.pk).status == "closed"
        assert survivor.messages.latest("seq").body == "Gracias"


@pytest.mark.clause("M15")
def test_a_confirmation_by_the_link_of_a_merged_ticket_leads_to_the_other(client, ana):
    ticket, survivor = make_ticket(requester=ana), make_ticket(requester=ana)
    by_link(client, ana, ticket)
    operations.merge_ticket(ticket.pk, agent=make_agent(), into_pk=survivor.pk)
    page = client.post(at("confirm", ticket), follow=True)
    assert page.request["PATH_INFO"] == at("detail", survivor)
    assert "Véalo y confirme ahí" in text_of(page)
    assert Ticket.objects.get(pk=survivor.pk).status == "open"


@pytest.mark.clause("M17")
@pytest.mark.parametrize("has_other", [False, True])
def test_what_was_typed_before_the_session_ended_waits_in_the_survivor(client, ana, has_other):
    ticket, survivor = make_ticket(requester=ana), make_ticket(requester=ana)
    log_in(client, ana)
    drafts = {ticket: "Va el XML", survivor: "Va el PDF"}
    keys = {each: key_in(client.get(at("detail", each))) for each in drafts}
    client.logout()
    for each, body in drafts.items():
        if each == ticket or has_other:
            client.post(at("add_information", each), {"key": keys[each], "body": body, "files": [png(f"{body}.png")]})
    operations.merge_ticket(ticket.pk, agent=make_agent(), into_pk=survivor.pk)
    log_in(client, ana)
    page = client.get(at("detail", ticket), follow=True)
    assert page.request["PATH_INFO"] == at("detail", survivor)
    shown = page.context["form"]["body"].value()
    assert shown == ("Va el PDF\n\nVa el XML" if has_other else "Va el XML")
    assert [file.name for file in page.context["kept"]] == ["Va el XML.png", *(["Va el PDF.png"] if has_other else [])]
    client.post(at("add_information", survivor), {"key": key_in(page), "body": shown})
    assert survivor.messages.latest("seq").body == shown


@pytest.mark.clause("M17")
def test_a_new_tickets_text_goes_to_where_the_chosen_ticket_leads(client, ana, pair):
    log_in(client, ana)
    data = {"key": key_in(client.get(reverse("tickets:new"))), "agregar_a": pair[0].number, "subject": "Sello otra vez"}
    page = client.post(reverse("tickets:new"), data, follow=True)
    assert page.request["PATH_INFO"] == at("detail", pair[1])
    assert page.context["form"]["body"].value() == "Sello otra vez"
    hide_survivor(ana, pair[1])
    page = client.post(reverse("tickets:new"), data)
    assert page.context["form"]["subject"].value() == "Sello otra vez"


def test_what_still_goes_on_after_the_survivor_closed_opens_a_linked_ticket(client, ana, pair):
    operations.confirm_resolved(pair[1].pk, author=ana)
    log_in(client, ana)
    assert client.get(at("follow_up", pair[0])).url == at("follow_up", pair[1])


def test_lists_and_counts_have_the_survivor_alone_and_a_search_finds_both(client, ana, pair):
    log_in(client, ana)
    for view in ("vigentes", "turno", "empresa"):
        page = client.get(reverse("tickets:list"), {"vista": view})
        assert pair[0].number not in text_of(page)
    counts = {tab.view: tab.count for tab in page.context["tabs"]}
    assert (counts["vigentes"], counts["empresa"]) == ("1", "1")
    found = text_of(client.get(reverse("tickets:list"), {"q": pair[0].number}))
    assert pair[0].number in found
    assert "Sigue en otro ticket" in found
    assert [ticket.number for ticket in find_similar(ana, "Sello revocado")] == []


def test_a_link_of_the_old_number_opens_the_survivor_and_its_files(client, ana, pair):
    file = store.store(png(), draft="a" * 22)
    operations.undo_merge(pair[0].pk, agent=make_agent())
    operations.add_information(pair[0].pk, author=ana, body="Va", files=[file])
    operations.merge_ticket(pair[0].pk, agent=make_agent(), into_pk=pair[1].pk)
    by_link(client, ana, pair[1])
    answer = client.get(reverse("tickets:file", args=[file.token]))
    assert answer.status_code == 200
    list(answer.streaming_content)
    client.cookies.clear()
    assert by_link(client, ana, pair[0]).url == at("detail", pair[0])
    page = client.get(at("detail", pair[0]), follow=True)
    assert page.request["PATH_INFO"] == at("detail", pair[1])
    client.post(at("add_information", pair[1]), {"key": key_in(page), "body": "Por enlace"})
    assert pair[1].messages.latest("seq").body == "Por enlace"


def test_a_link_opens_no_survivor_that_its_reader_may_not_see(client, ana, pair):
    hide_survivor(ana, pair[1])
    by_link(client, ana, pair[0])
    page = client.get(at("detail", pair[0]))
    text = text_of(page)
    assert "se combinó con otro de su empresa" in text
    assert "Sigue sin timbrar." not in text
    assert "Enviar respuesta" not in text
    assert client.get(at("detail", pair[1])).url.startswith(reverse("account_login"))


def test_who_does_not_see_the_survivor_writes_nothing_there_and_keeps_his_words(client, ana):
    ticket, survivor = make_ticket(requester=ana), make_ticket(requester=ana)
    log_in(client, ana)
    key = key_in(client.get(at("detail", ticket)))
    operations.merge_ticket(ticket.pk, agent=make_agent(), into_pk=survivor.pk)
    hide_survivor(ana, survivor)
    answer = client.post(at("add_information", ticket), {"key": key, "body": "Va el XML"})
    assert "se combinó con otro que usted no ve" in text_of(answer)
    assert survivor.messages.count() == 1
    assert client.get(at("detail", survivor)).status_code == 404
    assert client.post(at("confirm", ticket)).status_code == 302
    survivor.refresh_from_db()
    assert survivor.status == "open"


def test_the_survivors_page_hides_a_merged_ticket_that_its_reader_does_not_see(client, ana):
    colleague = make_contact(ana.contact.customer)
    hers = make_ticket(requester=ana, body="Lo de Ana")
    his = make_ticket(requester=colleague, body="Lo del otro")
    operations.merge_ticket(his.pk, agent=make_agent(), into_pk=hers.pk)
    ana.contact.own_tickets_only = True
    ana.contact.save()
    log_in(client, ana)
    text = text_of(client.get(at("detail", hers)))
    assert "Lo de Ana" in text
    assert "Lo del otro" not in text


def test_the_look_up_of_the_old_number_shows_the_survivor(client, ana, pair):
    answer = client.post(reverse("tickets:lookup"), {"number": pair[0].number, "email": ana.email})
    text = text_of(answer)
    assert f"Ticket {pair[1].number}" in text
    assert f"El ticket {pair[0].number} se combinó con este" in text
    assert "Se combinó con este otro de sus tickets" in text
    assert "timbra" not in text
    hide_survivor(ana, pair[1])
    text = text_of(client.post(reverse("tickets:lookup"), {"number": pair[0].number, "email": ana.email}))
    assert pair[1].number not in text
    assert "Combinado con otro" in text


def test_another_company_finds_neither(client, pair):
    log_in(client, make_contact())
    for ticket in pair:
        assert client.get(at("detail", ticket)).status_code == 404


def test_a_split_message_moves_to_its_new_ticket_with_its_files(client, ana):
    ticket = make_ticket(requester=ana)
    file = store.store(png(), draft="a" * 22)
    operations.add_information(ticket.pk, author=ana, body="Además no llega el correo", files=[file])
    message = ticket.messages.latest("seq")
    new = operations.split_message(ticket.pk, agent=make_agent(), message_pk=message.pk, subject="No llega")
    log_in(client, ana)
    page = client.get(at("detail", new))
    assert "Además no llega el correo" in text_of(page)
    assert file.token in page.content.decode()
    assert f"con un mensaje de {ticket.number}" in text_of(page)
    old = client.get(at("detail", ticket))
    assert "Además no llega el correo" not in text_of(old)
    assert file.token not in old.content.decode()
    assert f"se atiende en {new.number}" in text_of(old)
    client.logout()
    by_link(client, ana, new)
    answer = client.get(reverse("tickets:file", args=[file.token]))
    assert answer.status_code == 200
    list(answer.streaming_content)
