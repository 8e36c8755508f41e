"""What an agent sees of an attached invoice, and that its folio finds the ticket for whom may see it (M16, M17)."""

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from accounts.models import User
from factureya.core import tasks
from factureya.core.files import store
from factureya.core.models import Attachment
from factureya.testing.desk import QUEUE, agent_in, page_of, third_party_in
from factureya.testing.invoices import ISSUER, RECEIVER, UUID, Sealer, make_invoice, make_retention, make_sealed
from factureya.testing.pages import log_in, statements, text_of
from factureya.testing.people import make_contact, make_customer
from factureya.testing.tickets import make_ticket
from tickets import operations
from tickets.desk import invoices
from tickets.models import Ticket

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M17")]
OTHER_UUID = "00000000-0000-4000-8000-00000000000A"


@pytest.fixture(autouse=True)
def media(settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path / "media"
    settings.SAT_CERTIFICATES_DIR = tmp_path / "certificates"


def make_file(xml: str | None = None, name: str = "B0411.xml") -> Attachment:
    return store.store(SimpleUploadedFile(name, (xml or make_invoice()).encode()), draft="borrador")


@pytest.fixture
def ana() -> User:
    """A contact of the company that issued the invoices."""
    return make_contact(customer=make_customer(rfc=ISSUER), full_name="Ana Robles")


def make_ticket_with(ana: User, *contents: str, **fields: Any) -> Ticket:
    """Open a ticket with these XML files, and read them."""
    files = [make_file(xml, f"factura-{number}.xml") for number, xml in enumerate(contents, 1)]
    ticket = make_ticket(requester=ana, files=files, **fields)
    tasks.read_invoices()
    return ticket


def read_page(client: Client, ticket: Ticket) -> str:
    return text_of(client.get(page_of(ticket)))


# -- The card ----------------------------------------------------------------------------------------


def test_the_card_of_an_invoice(client: Client, ana: User):
    agent_in(client)
    text = read_page(client, make_ticket_with(ana, make_invoice()))
    for words in (
        "CFDI 4.0 · Ingreso Timbrado El emisor es este cliente",
        f"Emisor {ISSUER}",
        f"Receptor {RECEIVER}",
        "Total $4,872.00 MXN",
        "Fecha 23 nov 2026, 17:02",
        f"Folio fiscal {UUID}",
        "Sello del SAT Sin comprobar: falta su certificado",
        "Otros tickets con este folio (0) · con este receptor (0)",
    ):
        assert words in text


def test_an_invoice_that_is_not_stamped_has_no_folio(client: Client, ana: User):
    agent_in(client)
    text = read_page(client, make_ticket_with(ana, make_invoice(stamp="")))
    assert "CFDI 4.0 · Ingreso Sin timbrar" in text
    assert "Folio fiscal" not in text
    assert "este folio" not in text
    assert "Sello del SAT" not in text
    assert "Otros tickets con este receptor (0)" in text


def test_whose_invoice_it_is(client: Client, ana: User):
    agent_in(client)
    received = make_invoice(issuer={"Rfc": "AAA010101AAA"}, receiver={"Rfc": ISSUER})
    foreign = make_invoice(issuer={"Rfc": "AAA010101AAA"})
    assert "El receptor es este cliente; el emisor no" in read_page(client, make_ticket_with(ana, received))
    assert "El emisor no es este cliente" in read_page(client, make_ticket_with(ana, foreign))


@pytest.mark.parametrize(("total", "words"), [("4872.00", "Sello del SAT válido"), ("1.00", "Sello del SAT no válido")])
def test_the_seal_of_the_sat(client: Client, ana: User, settings: Any, total: str, words: str):
    issuer, sat = Sealer.make("30001000000500003416"), Sealer.make("30001000000500003456")
    sat.write_to(settings.SAT_CERTIFICATES_DIR)
    agent_in(client)
    xml = make_sealed(issuer, sat).replace(' Total="4872.00"', f' Total="{total}"')
    text = read_page(client, make_ticket_with(ana, xml))
    assert words in text
    assert "Sin comprobar" not in text


def test_withholdings_and_amounts(client: Client, ana: User):
    agent_in(client)
    text = read_page(client, make_ticket_with(ana, make_retention()))
    assert "Retenciones 2.0 Timbrado" in text
    assert "Total $1,000.50 MXN" in text
    assert invoices.format_money(Decimal("0"), "XXX") == "$0.00"
    assert invoices.format_money(Decimal("1234567.123456"), "USD") == "$1,234,567.123456 USD"
    assert invoices.format_money(None, "MXN") == "—"
    assert invoices.format_issued(None) == "—"


def test_complements_and_a_receiver_abroad(client: Client, ana: User):
    agent_in(client)
    abroad = '<r:Receptor NacionalidadR="Extranjero"><r:Extranjero NomDenRazSocR="World"/></r:Receptor>'
    local = '<i:ImpuestosLocales xmlns:i="http://www.sat.gob.mx/implocal" version="1.0"/>'
    text = read_page(
        client, make_ticket_with(ana, make_retention(receiver=abroad, stamp=""), make_invoice(complements=local))
    )
    assert "Receptor — Total" in text
    assert "Complementos Impuestos locales" in text


def test_an_xml_that_is_no_invoice_says_so(client: Client, ana: User):
    agent_in(client)
    assert "factura-1.xml: Es un XML, pero no un CFDI." in read_page(client, make_ticket_with(ana, "<nota/>"))


def test_a_file_that_is_not_read_yet_has_no_card(client: Client, ana: User):
    agent_in(client)
    ticket = make_ticket(requester=ana, files=[make_file()])
    assert "CFDI 4.0" not in read_page(client, ticket)


def test_what_an_invoice_says_is_escaped(client: Client, ana: User):
    agent_in(client)
    xml = make_invoice(issuer={"Rfc": "<b>x</b>"}, Moneda="<i>", complements='<x:a xmlns:x="urn:x"/>')
    page = client.get(page_of(make_ticket_with(ana, xml))).content.decode()
    assert "&lt;B&gt;X&lt;/B&gt;" in page
    assert "<B>X</B>" not in page
    assert "<i>" not in page


@pytest.mark.clause("M16", "M17")
def test_the_customer_sees_no_card(client: Client, ana: User):
    ticket = make_ticket_with(ana, make_invoice())
    log_in(client, ana)
    text = text_of(client.get(reverse("tickets:detail", args=[ticket.number])))
    assert "factura-1.xml" in text
    assert "CFDI 4.0" not in text


# -- Other tickets, and the search -------------------------------------------------------------------


def found(client: Client, query: str) -> list[str]:
    """The numbers of the tickets that an agent's search finds."""
    return re.findall(r"FY-\w{4}-\w{4}", text_of(client.get(QUEUE, {"q": query})))


def test_the_card_counts_the_other_tickets_and_links_to_them(client: Client, ana: User):
    agent_in(client)
    first = make_ticket_with(ana, make_invoice())
    typed = make_ticket(requester=make_contact(), cfdi_uuid=UUID)
    received = make_ticket_with(make_contact(), make_invoice(stamp=""))
    assert "Otros tickets con este folio (1) · con este receptor (1)" in read_page(client, first)
    assert set(found(client, UUID)) == {first.number, typed.number}
    assert set(found(client, UUID.lower().replace("-", ""))) == {first.number, typed.number}
    assert set(found(client, RECEIVER)) == {first.number, received.number}
    assert found(client, OTHER_UUID) == []


def test_only_the_newest_cards_count(client: Client, ana: User, monkeypatch: Any):
    monkeypatch.setattr(invoices, "MAX_COUNTED", 1)
    agent_in(client)
    text = read_page(client, make_ticket_with(ana, make_invoice(), make_invoice()))
    assert text.count("con este folio (0)") == 1
    assert text.count("con este folio ·") == 1


@pytest.mark.clause("M11", "M17")
def test_an_invoice_of_a_message_that_was_split_off_is_found_where_it_is_read(client: Client, ana: User):
    agent = agent_in(client)
    ticket = make_ticket(requester=ana)
    operations.add_information(ticket.pk, author=ana, body="Otra factura", files=[make_file()])
    tasks.read_invoices()
    other = make_ticket_with(make_contact(), make_invoice())
    split = operations.split_message(
        ticket.pk, agent=agent, message_pk=ticket.messages.get(seq=2).pk, subject="Otra factura"
    )
    assert set(found(client, UUID)) == {split.number, other.number}
    assert set(found(client, RECEIVER)) == {split.number, other.number}
    assert "Otros tickets con este folio (1) · con este receptor (1)" in read_page(client, split)
    log_in(client, ana)
    listed = text_of(client.get(reverse("tickets:list"), {"q": UUID}))
    assert split.number in listed
    assert ticket.number not in listed


@pytest.mark.clause("M3", "M16", "M17")
def test_another_providers_agent_finds_and_counts_nothing(client: Client, ana: User):
    make_ticket_with(ana, make_invoice())
    third_party_in(client)
    assert found(client, UUID) == []
    assert found(client, RECEIVER) == []


@pytest.mark.clause("M16", "M17")
def test_a_customer_finds_his_ticket_by_the_folio_in_his_file_alone(client: Client, ana: User):
    ticket = make_ticket_with(ana, make_invoice())
    address = reverse("tickets:list")
    log_in(client, ana)
    assert ticket.number in text_of(client.get(address, {"q": UUID.lower()}))
    log_in(client, make_contact(full_name="Carla Ortiz"))
    assert ticket.number not in text_of(client.get(address, {"q": UUID}))


@pytest.mark.clause("M16", "M17")
def test_an_invoice_in_an_internal_note_is_found_by_agents_alone(client: Client, ana: User):
    agent = agent_in(client)
    ticket = make_ticket(requester=ana)
    operations.add_note(ticket.pk, agent=agent, body="La que encontré", files=[make_file()])
    tasks.read_invoices()
    assert found(client, UUID) == [ticket.number]
    assert "CFDI 4.0" in read_page(client, ticket)
    log_in(client, ana)
    assert ticket.number not in text_of(client.get(reverse("tickets:list"), {"q": UUID}))


# -- Budgets -----------------------------------------------------------------------------------------


def test_one_query_for_all_cards_of_a_ticket(client: Client, ana: User):
    agent_in(client)
    one, many = make_ticket_with(ana, make_invoice()), make_ticket_with(ana, *[make_invoice()] * 4)
    sent = []
    for ticket in (one, many):
        client.get(page_of(ticket))
        with statements() as found_statements:
            client.get(page_of(ticket))
        sent.append(len(found_statements))
    assert sent[0] == sent[1] <= 16


def test_a_search_by_folio_is_within_the_budgets_of_its_list(client: Client, ana: User):
    make_ticket_with(ana, make_invoice())
    agent_in(client)
    for address, query, most in ((QUEUE, UUID, 8), (QUEUE, RECEIVER, 9)):
        with statements() as sent:
            client.get(address, {"q": query})
        assert len(sent) <= most, sent
    log_in(client, ana)
    with statements() as sent:
        client.get(reverse("tickets:list"), {"q": UUID})
    assert len(sent) <= 5, sent
