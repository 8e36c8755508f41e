"""Mis tickets: mine and my company's, by turn and state, with search and keyset pages (M16)."""

import re
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from factureya.core.keyset import PAGE_ROWS
from factureya.testing.pages import log_in, statements, text_of
from factureya.testing.people import make_agent, make_contact
from factureya.testing.tickets import make_ticket
from tickets import operations
from tickets.customer import my_tickets
from tickets.models import Ticket

pytestmark = pytest.mark.django_db
LIST = "/tickets/"
UUID = "6F1C2A90-7B3E-4D52-9ABC-0123456789AB"


@pytest.fixture
def beto(ana):
    return make_contact(ana.contact.customer, full_name="Beto Cruz")


def many(person, count, status=Ticket.Status.OPEN):
    """Tickets a minute apart, the first the oldest."""
    found = []
    for n in range(count):
        with time_machine.travel(datetime(2026, 11, 1, tzinfo=UTC) + timedelta(minutes=n), tick=False):
            found.append(make_ticket(status, requester=person))
    return found


def numbers_in(response):
    return re.findall(r'href="/tickets/(FY-[^/]+)/"', response.content.decode())


def link(response, rel):
    match = re.search(rf'href="([^"]+)" rel="{rel}"', response.content.decode())
    return match and match.group(1).replace("&amp;", "&")


@pytest.mark.clause("M16")
def test_tabs_show_whose_turn_mine_and_my_companys(client, ana, beto):
    waiting = make_ticket(Ticket.Status.WAITING, requester=ana)
    mine, closed = make_ticket(requester=ana), make_ticket(Ticket.Status.CLOSED, requester=ana)
    theirs, their_closed = (make_ticket(requester=beto), make_ticket(Ticket.Status.CLOSED, requester=beto))
    make_ticket()  # a stranger's
    log_in(client, ana)
    seen = {view: set(numbers_in(client.get(f"{LIST}?vista={view}"))) for view in my_tickets.VIEWS}
    assert seen == {
        "vigentes": {waiting.number, mine.number},
        "turno": {waiting.number},
        "cerrados": {closed.number},
        "empresa": {waiting.number, mine.number, theirs.number},
        "empresa-cerrados": {closed.number, their_closed.number},
    }
    page = text_of(client.get(LIST))
    assert "Vigentes 2 Le toca a usted 1 Cerrados 1 De mi empresa 3" in page
    assert "de Beto Cruz" in text_of(client.get(f"{LIST}?vista=empresa"))


@pytest.mark.clause("M16")
def test_a_person_limited_to_his_own_has_no_company_tab(client, ana, beto):
    mine, theirs = make_ticket(requester=ana), make_ticket(requester=beto)
    ana.contact.own_tickets_only = True
    ana.contact.save()
    log_in(client, ana)
    for path in (LIST, f"{LIST}?vista=empresa", f"{LIST}?vista=empresa-cerrados", f"{LIST}?q=timbrar"):
        response = client.get(path)
        assert "De mi empresa" not in text_of(response)
        assert theirs.number not in response.content.decode()
        assert numbers_in(response) == [mine.number]


@pytest.mark.clause("M16")
def test_rows_say_what_happened_last_and_who_has_it(client, ana):
    laura = make_agent(full_name="Laura Méndez")
    log_in(client, ana)
    fresh = make_ticket(requester=ana)
    row = f"{LIST}?q={fresh.number}"
    assert "Levantado" in text_of(client.get(row))
    assert "Por asignar" in text_of(client.get(row))
    operations.add_information(fresh.pk, author=ana, body="Más")
    assert "Recibimos su información" in text_of(client.get(row))
    operations.answer(fresh.pk, agent=laura, body="Lo veo", wait_reason=None)
    assert "Le respondimos; seguimos trabajando" in text_of(client.get(row))
    assert "Lo tiene Laura Méndez" in text_of(client.get(row))
    operations.add_information(fresh.pk, author=ana, body="Y más")
    assert "Recibimos su información" in text_of(client.get(row))
    for reason, solves, says in (
        ("detail", False, "Laura Méndez le pidió más detalle"),
        ("authorization", False, "Laura Méndez le pidió su autorización"),
        ("authorization", True, "Laura Méndez le envió una solución"),
    ):
        operations.answer(fresh.pk, agent=laura, body="?", wait_reason=reason, proposes_solution=solves)
        assert says in text_of(client.get(row))
        assert "Se cierra el" in text_of(client.get(row))
    operations.confirm_resolved(fresh.pk, author=ana)
    assert "Se confirmó que quedó resuelto" in text_of(client.get(row))


@pytest.mark.clause("M16")
def test_an_empty_list_and_empty_tabs_say_what_to_do(client, ana, beto):
    log_in(client, ana)
    assert "Todavía no tiene tickets" in text_of(client.get(LIST))
    make_ticket(Ticket.Status.CLOSED, requester=beto)
    assert "No hay tickets vigentes." in text_of(client.get(LIST))
    assert "Nada espera su respuesta." in text_of(client.get(f"{LIST}?vista=turno"))
    assert "Todavía no hay tickets cerrados." in text_of(client.get(f"{LIST}?vista=cerrados"))


@pytest.mark.clause("M16")
@pytest.mark.parametrize(
    "query", ["facturación", "FACTURACION carta", "facturacion", UUID, UUID.lower(), UUID.replace("-", "")]
)
def test_search_finds_words_without_accents_and_fiscal_folios(client, ana, beto, query):
    found = make_ticket(requester=beto, subject="La Facturación con Carta Porte falla", cfdi_uuid=UUID)
    make_ticket(requester=ana, subject="Otra cosa")
    make_ticket(subject="La facturación con carta porte falla", cfdi_uuid=UUID)  # a stranger's
    log_in(client, ana)
    assert numbers_in(client.get(LIST, {"q": query})) == [found.number]


@pytest.mark.clause("M10", "M16")
def test_search_by_number_forgives_and_shows_no_foreign_row(client, ana):
    mine, foreign = make_ticket(Ticket.Status.CLOSED, requester=ana), make_ticket()
    log_in(client, ana)
    for typed in (mine.number, mine.number.lower(), mine.number.replace("-", " ")):
        assert numbers_in(client.get(LIST, {"q": typed})) == [mine.number]
    assert numbers_in(client.get(LIST, {"q": foreign.number})) == []
    wrong = mine.number[:-1] + ("2" if mine.number[-1] != "2" else "3")
    assert "Revise el número: hay un carácter cambiado" in text_of(client.get(LIST, {"q": wrong}))


@pytest.mark.clause("M16")
@pytest.mark.parametrize("query", ["zzz", "100%", "_", "'; drop table", "\0", "«»", "a" * 500, "<qq>"])
def test_a_search_without_matches_offers_the_way_back(client, ana, query):
    make_ticket(requester=ana)
    log_in(client, ana)
    response = client.get(LIST, {"q": query})
    assert response.status_code == 200
    assert query == "\0" or "Nada coincide con" in text_of(response)
    assert "<qq>" not in response.content.decode()


@pytest.mark.clause("M16")
@pytest.mark.parametrize("view", ["vigentes", "empresa", "turno"])
def test_pages_follow_each_other_without_gap_or_repeat(client, ana, view):
    status = Ticket.Status.WAITING if view == "turno" else Ticket.Status.OPEN
    tickets = [t.number for t in many(ana, 2 * PAGE_ROWS + 3, status)]
    expected = tickets if view == "turno" else tickets[::-1]
    log_in(client, ana)
    pages, url = [], f"?vista={view}"
    while url:
        response = client.get(LIST + url)
        pages.append(numbers_in(response))
        url = link(response, "next")
    assert [len(page) for page in pages] == [PAGE_ROWS, PAGE_ROWS, 3]
    assert [number for page in pages for number in page] == expected
    back = client.get(LIST + link(response, "prev"))
    assert numbers_in(back) == pages[1]
    first = client.get(LIST + link(back, "prev"))
    assert numbers_in(first) == pages[0]
    assert link(first, "prev") is None
    assert link(first, "next")


@pytest.mark.clause("M16")
def test_rows_of_the_same_instant_are_neither_skipped_nor_repeated(client, ana):
    with time_machine.travel("2026-11-24 10:00-06:00", tick=False):
        tickets = {make_ticket(requester=ana).number for _ in range(PAGE_ROWS + 4)}
    log_in(client, ana)
    first = client.get(LIST)
    second = client.get(LIST + link(first, "next"))
    assert len(numbers_in(second)) == 4
    assert set(numbers_in(first)) | set(numbers_in(second)) == tickets


@pytest.mark.clause("M16")
def test_a_long_turn_is_cut_with_the_way_to_the_rest(client, ana):
    many(ana, PAGE_ROWS + 1, Ticket.Status.WAITING)
    log_in(client, ana)
    assert "Ver todos los que le tocan a usted" in text_of(client.get(LIST))


@pytest.mark.clause("M16")
@pytest.mark.parametrize("cursor", ["x", "1.FY-0000-0001", "99999999999999999.FY-0000-0000", "1", "'"])
def test_a_cursor_that_is_none_starts_at_the_beginning_or_the_end(client, ana, cursor):
    make_ticket(requester=ana)
    log_in(client, ana)
    assert client.get(LIST, {"despues": cursor}).status_code == 200
    assert client.get(LIST, {"antes": cursor, "vista": "nada"}).status_code == 200


@pytest.mark.clause("M16")
def test_a_figure_stops_at_ninety_nine(client, ana):
    number = iter(range(200))
    Ticket.objects.bulk_create(
        Ticket(
            number=f"T{next(number)}",
            customer=ana.contact.customer,
            requester=ana,
            subject="x",
            category="other",
            provider=make_ticket(requester=ana).provider,
            impact=1,
            channel="portal",
            queue_at=datetime.now(UTC),
        )
        for _ in range(99)
    )
    log_in(client, ana)
    assert "Vigentes 99+" in text_of(client.get(LIST))


@pytest.mark.clause("M16")
@pytest.mark.parametrize("path", ["", "?vista=turno", "?vista=cerrados", "?vista=empresa", "?q=timbrar"])
def test_the_list_takes_the_same_statements_for_three_rows_and_three_hundred(client, ana, path):
    log_in(client, ana)
    costs = []
    for count in (3, 297):
        bulk(ana, count)
        with statements() as found:
            assert client.get(LIST + path).status_code == 200
        costs.append(len(found))
    assert costs[0] == costs[1] <= 6, "\n".join(found)


def bulk(person, count):
    """Tickets of the three states, cheaply."""
    model = {status: make_ticket(status, requester=person) for status in Ticket.Status}
    for n in range(count // 3):
        for status, ticket in model.items():
            ticket.pk, ticket.number, ticket.reminder = (None, f"FY-{status[0]}{Ticket.objects.count():08d}"[:12], None)
            ticket._state.adding = True
            ticket.touched_at += timedelta(seconds=n)
            Ticket.objects.bulk_create([ticket])
