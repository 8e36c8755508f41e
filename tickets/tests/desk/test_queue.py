"""The agent's queue in the admin (M3, M13–M16)."""

import re
from datetime import datetime, timedelta
from itertools import chain
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.urls import reverse

from accounts.models import Office
from factureya.testing.desk import QUEUE, agent_in, every_view, third_party_in
from factureya.testing.pages import log_in, statements, text_of
from factureya.testing.people import (
    give_office,
    make_agent,
    make_contact,
    make_customer,
    make_staff,
    make_superuser,
    own_provider,
)
from factureya.testing.tickets import make_ticket
from tickets import operations
from tickets.desk import queue, wording
from tickets.models import Ticket

pytestmark = pytest.mark.django_db
MEXICO = ZoneInfo("America/Mexico_City")
MONDAY = datetime(2026, 3, 9, 10, 0, tzinfo=MEXICO)


def numbers_on(response):
    return {row.ticket.number for row in response.context.get("rows", [])}


def counts_on(response):
    entry = r'\?vista=([\w-]+)"[^>]*>[^<]*<span class="fy-n[^"]*">(\d+\+?)</span>'
    return dict(re.findall(entry, response.content.decode()))


@pytest.fixture
def desk(client):
    """An agent and one ticket for every view."""
    agent, colleague = agent_in(client, full_name="Darío Salgado"), make_agent()
    tickets = {name: make_ticket() for name in ("free", "mine", "replied", "other")}
    tickets["waiting"], tickets["closed"] = make_ticket("waiting"), make_ticket("closed")
    operations.take(tickets["mine"].pk, agent=agent)
    operations.take(tickets["other"].pk, agent=colleague)
    operations.answer(tickets["replied"].pk, agent=agent, body="¿Qué versión?", wait_reason="detail")
    operations.add_information(tickets["replied"].pk, author=tickets["replied"].requester, body="La 4.0")
    return tickets


@pytest.mark.clause("M13", "M14", "M15")
@pytest.mark.parametrize(
    ("view", "shown"),
    [
        ("respondio", {"replied"}),
        ("mios", {"mine", "replied"}),
        ("por-asignar", {"free"}),
        ("abiertos", {"free", "mine", "replied", "other"}),
        ("en-espera", {"waiting"}),
        ("hoy", set()),
        ("cerrados", {"closed"}),
        ("inventada", {"free", "mine", "replied", "other"}),
    ],
)
def test_each_view_shows_its_tickets(client, desk, view, shown):
    page = client.get(QUEUE, {"vista": view})
    assert page.status_code == 200
    assert numbers_on(page) == {desk[name].number for name in shown}


@pytest.mark.clause("M15")
def test_counts_stand_beside_the_views_and_none_beside_closed(client, desk):
    assert counts_on(client.get(QUEUE)) == {
        "respondio": "1",
        "mios": "2",
        "por-asignar": "1",
        "abiertos": "4",
        "en-espera": "1",
        "hoy": "0",
        "ventas-por-asignar": "0",
        "ventas": "0",
    }


def test_counts_are_one_statement_that_stops_at_the_cap(client, desk, monkeypatch):
    monkeypatch.setattr(queue, "COUNT_CAP", 3)
    with statements() as found:
        page = client.get(QUEUE)
    assert counts_on(page)["abiertos"] == "99+"
    counting = [sql for sql in found if "COUNT(" in sql.upper()]
    assert len(counting) == 1
    assert counting[0].upper().count("LIMIT 3") == 8


@pytest.mark.clause("M15")
def test_closing_today_ends_at_local_midnight(client):
    with time_machine.travel(MONDAY, tick=False):
        tonight = make_ticket("waiting")
    with time_machine.travel(MONDAY + timedelta(hours=15), tick=False):  # closes on Friday at 1:00
        later = make_ticket("waiting")
    with time_machine.travel(MONDAY + timedelta(days=3, minutes=-10), tick=False):
        agent_in(client)
        page = client.get(QUEUE, {"vista": "hoy"})
        assert numbers_on(page) == {tonight.number}
        assert "Se cierra hoy, 10:00 si el cliente no responde" in text_of(page)
    assert later.number != tonight.number


@every_view
def test_queue_costs_the_same_for_3_rows_and_for_many(client, view):
    with time_machine.travel(MONDAY, tick=False):
        agent, contact = make_agent(), make_contact()
    closed = view == "cerrados"

    def grow(number):
        for _ in range(number):
            ticket = make_ticket("closed" if closed else "open", requester=contact)
            if view in {"respondio", "mios"}:
                operations.answer(ticket.pk, agent=agent, body="¿?", wait_reason="detail")
                operations.add_information(ticket.pk, author=contact, body="Sí")
            if view in {"en-espera", "hoy"}:
                operations.answer(ticket.pk, agent=agent, body="¿?", wait_reason="detail")

    moment = MONDAY + (timedelta(days=3, hours=1) if view == "hoy" else timedelta(0))
    with time_machine.travel(MONDAY, tick=False):
        grow(3)
    with time_machine.travel(moment, tick=False):
        log_in(client, agent)
    with time_machine.travel(moment, tick=False), statements() as few:
        page = client.get(QUEUE, {"vista": view})
    assert len(page.context["rows"]) == 3
    with time_machine.travel(MONDAY, tick=False):
        grow(27)
    with time_machine.travel(moment, tick=False), statements() as many:
        page = client.get(QUEUE, {"vista": view})
    assert len(page.context["rows"]) == queue.PAGE_ROWS
    assert len(few) == len(many) <= 8, "\n".join(many)


def test_a_search_with_filters_stays_within_the_budget(client, desk):
    with statements() as found:
        client.get(QUEUE, {"q": "timbrar", "categoria": "stamping", "agente": queue.NOBODY})
    assert len(found) <= 8, "\n".join(found)


def test_pages_go_forth_and_back_without_offset_or_total(client):
    agent_in(client)
    contact = make_contact()
    tickets = [make_ticket(requester=contact) for _ in range(queue.PAGE_ROWS * 2 + 3)]
    with statements() as found:
        first = client.get(QUEUE)
        second = client.get(first.context["next_url"])
        third = client.get(second.context["next_url"])
        again = client.get(third.context["previous_url"])
        start = client.get(again.context["previous_url"])
    shown = [[row.ticket.number for row in page.context["rows"]] for page in (first, second, third)]
    assert list(chain(*shown)) == [ticket.number for ticket in tickets]
    assert [row.ticket.number for row in again.context["rows"]] == shown[1]
    assert [row.ticket.number for row in start.context["rows"]] == shown[0]
    assert not first.context["previous_url"]
    assert not third.context["next_url"]
    assert not start.context["previous_url"]
    assert not any("OFFSET" in sql for sql in found)


def test_closed_tickets_are_paged_newest_first(client):
    agent_in(client)
    contact = make_contact()
    tickets = [make_ticket("closed", requester=contact) for _ in range(queue.PAGE_ROWS + 2)]
    first = client.get(QUEUE, {"vista": "cerrados"})
    second = client.get(first.context["next_url"])
    shown = [row.ticket.number for page in (first, second) for row in page.context["rows"]]
    assert shown == [ticket.number for ticket in reversed(tickets)]
    back = client.get(second.context["previous_url"])
    assert [row.ticket.number for row in back.context["rows"]] == shown[: queue.PAGE_ROWS]


def test_who_works_for_two_providers_sees_both_in_one_order(client):
    agent = third_party_in(client)
    give_office(agent, Office.AGENT, provider=own_provider())
    supervisor, external = make_staff(Office.SUPERVISOR), agent.assignments[0].provider
    tickets = [make_ticket() for _ in range(4)]
    for ticket in tickets[::2]:
        operations.hand_over(ticket.pk, supervisor=supervisor, provider=external)
    page = client.get(QUEUE)
    assert [row.ticket.number for row in page.context["rows"]] == [t.number for t in tickets]


@pytest.mark.parametrize(
    "cursor", ["x", "1-", "-1", "1.5-2", "9" * 60, f"{10**22}-1", "²-1", "1-2-3", "1709251200000000-99"]
)
def test_a_cursor_that_is_none_of_ours_does_no_harm(client, cursor):
    agent_in(client)
    ticket = make_ticket()
    page = client.get(QUEUE, {"despues": cursor})
    assert page.status_code == 200
    assert numbers_on(page) == {ticket.number}


# -- Search and filters ------------------------------------------------------------------------------


@pytest.fixture
def searched(client):
    agent_in(client)
    company = make_customer("EKU9003173C9", "Escuela Kémper Urgáte SA de CV", registered_email="eku@ejemplo.mx")
    found = make_ticket(requester=make_contact(company), subject="El sello aparece revocado: cancelación")
    make_ticket(requester=make_contact(make_customer("XIA190128J61", "Xenón")), subject="Otra cosa", body="sello")
    operations.confirm_resolved(found.pk, author=found.requester)
    return found


@pytest.mark.clause("M10")
@pytest.mark.parametrize(
    "text",
    [
        "NUMBER",
        "number sloppy",
        "sello",
        "SELLO revocado",
        "revo cancelacion",
        "EKU9003173C9",
        "eku9003",
        "kemper urgate",
        "Kémper",
        "eku@ejemplo.mx",
    ],
)
def test_search_finds_by_number_subject_rfc_mail_and_customer_in_any_state(client, searched, text):
    if text == "NUMBER":
        text = searched.number
    elif text == "number sloppy":
        text = searched.number.lower().replace("-", " ")
    page = client.get(QUEUE, {"q": text, "vista": "por-asignar"})
    assert numbers_on(page) == {searched.number}
    assert "Cerrado" in text_of(page)


@pytest.mark.parametrize(
    "text", ["zzzz", "' OR 1=1 --", "%", "_", "sello:*|!xyz", "\0", "<script>alert(1)</script>", "FY-0000-0001"]
)
def test_search_takes_any_text(client, searched, text):
    page = client.get(QUEUE, {"q": text})
    assert page.status_code == 200
    assert searched.number not in numbers_on(page)
    assert b"<script>alert" not in page.content


@pytest.mark.clause("M3")
@pytest.mark.parametrize("text", ["--", "@@", ".", "% _"])
def test_a_text_of_signs_finds_no_company(text):
    make_customer()
    assert queue.find_customers(text, 50, by_mail=False) == []


@pytest.mark.clause("M3")
def test_search_looks_into_own_provider_only(client, searched):
    third_party_in(client)
    for text in (searched.number, "sello", "EKU9003173C9", "Kemper"):
        assert searched.number not in numbers_on(client.get(QUEUE, {"q": text}))


def test_filters_by_category_and_agent(client, desk):
    sales = make_ticket(category=Ticket.Category.SALES)
    assert numbers_on(client.get(QUEUE, {"vista": "ventas", "categoria": "sales"})) == {sales.number}
    assert numbers_on(client.get(QUEUE, {"q": sales.subject, "categoria": "sales"})) == {sales.number}
    mine = Ticket.objects.get(pk=desk["mine"].pk).assignee
    assert numbers_on(client.get(QUEUE, {"agente": mine.pk})) == {desk["mine"].number, desk["replied"].number}
    assert numbers_on(client.get(QUEUE, {"agente": "nadie"})) == {desk["free"].number}
    for text in ("-1", "x", "1e9", "²"):
        assert client.get(QUEUE, {"agente": text, "categoria": text}).status_code == 200


@pytest.mark.clause("M3")
def test_the_selects_offer_colleagues_and_never_all_users(client, desk):
    outsider, customer = third_party_in(client), make_contact(full_name="Cliente Curioso")
    make_staff(Office.DEVELOPER, full_name="Hugo Desarrollo")
    page = client.get(QUEUE)
    assert page.context["agents"] == [(str(outsider.pk), outsider.full_name, False)]
    assert customer.full_name not in page.content.decode()


# -- Words -------------------------------------------------------------------------------------------


@pytest.mark.clause("M13", "M14")
@pytest.mark.parametrize(
    ("after", "text", "css"),
    [
        (timedelta(minutes=10), "Vence en 3 h 50 min primera respuesta", ""),
        (timedelta(hours=3, minutes=40), "Vence en 20 min primera respuesta", "fy-soon"),
        (timedelta(hours=4, minutes=5), "Vencida hace 5 min primera respuesta", "fy-late"),
    ],
)
def test_the_goal_is_said_in_words(client, after, text, css):
    with time_machine.travel(MONDAY.replace(hour=9), tick=False):
        make_ticket()
    with time_machine.travel(MONDAY.replace(hour=9) + after, tick=False):
        agent_in(client)
        page = client.get(QUEUE)
    assert text in text_of(page)
    assert page.context["rows"][0].goal.css == css
    assert "Levantado por el portal" in text_of(page)


def test_a_goal_of_tomorrow_says_when(client):
    with time_machine.travel(MONDAY.replace(hour=18), tick=False):
        make_ticket()
        agent_in(client)
        assert "Mañana, 12:00" in text_of(client.get(QUEUE))


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (timedelta(seconds=20), "menos de 1 min"),
        (timedelta(hours=1, minutes=47), "1 h 47 min"),
        (timedelta(days=1, hours=3, minutes=59), "1 d 3 h"),
        (timedelta(days=9, hours=5), "9 d"),
    ],
)
def test_long_spans_are_said_roughly(span, text):
    assert wording.describe_span(span) == text


def test_last_messages_are_cut():
    ticket = Ticket(message_count=2, last_excerpt="x" * 100)
    assert wording.describe_last_message(ticket) == f"«{'x' * 46}…»"
    assert wording.describe_last_message(Ticket(message_count=2, last_excerpt="Sí")) == "«Sí»"
    assert wording.describe_last_message(Ticket(message_count=1, channel="mail")) == "Levantado por correo"
    assert wording.describe_last_message(Ticket(message_count=1, channel="phone")) == "Levantado por teléfono"


def test_goals_of_every_state_have_words():
    instant = MONDAY
    assert wording.describe_goal(Ticket(status="open"), instant).text == "Sin respuesta pendiente"
    assert (
        wording.describe_goal(Ticket(status="waiting", closes_at=instant - timedelta(1)), instant).text
        == "Por cerrarse"
    )
    late = Ticket(status="open", reply_due_at=instant - timedelta(hours=1), first_replied_at=instant)
    assert wording.describe_headline(late, instant).text == "Siguiente respuesta: vencida hace 1 h"
    assert wording.describe_headline(Ticket(status="open"), instant).text == "Sin respuesta pendiente"


def test_an_empty_view_names_the_next_one(client):
    agent = agent_in(client)
    ticket = make_ticket()
    operations.take(ticket.pk, agent=agent)
    page = client.get(QUEUE, {"vista": "por-asignar"})
    assert "Nada por asignar. Siguiente vista: Mis tickets (1)" in text_of(page)
    page = client.get(QUEUE, {"q": "zzzz"})
    assert "Ningún ticket con esos datos." in text_of(page)


@pytest.mark.clause("M16")
def test_what_people_write_is_escaped(client):
    agent_in(client)
    make_ticket(subject="<b>negritas</b>", requester=make_contact(make_customer(legal_name="<i>Empresa</i>")))
    html = client.get(QUEUE).content.decode()
    assert "&lt;b&gt;negritas" in html
    assert "<b>negritas" not in html
    assert "<i>Empresa" not in html


# -- Bulk --------------------------------------------------------------------------------------------


def assign(client, *tickets, to="yo", **place):
    return client.post(f"{QUEUE}asignar/", {"elegido": [t.pk for t in tickets], "a_quien": to, **place}, follow=True)


@pytest.mark.clause("M3", "M15")
def test_bulk_taking_does_what_can_be_done_and_names_the_rest(client, desk):
    before = Ticket.objects.get(pk=desk["waiting"].pk).closes_at
    page = assign(client, desk["free"], desk["other"], desk["closed"], vista="por-asignar")
    agent = Ticket.objects.get(pk=desk["mine"].pk).assignee
    assert Ticket.objects.get(pk=desk["free"].pk).assignee == agent
    assert Ticket.objects.get(pk=desk["other"].pk).assignee != agent
    assert "1 ticket: ahora lo atiende Darío Salgado." in text_of(page)
    assert f"{desk['other'].number}: Ya lo atiende" in text_of(page)
    assert f"{desk['closed'].number}: El ticket está Cerrado" in text_of(page)
    assert page.request["QUERY_STRING"] == "vista=por-asignar"
    assert Ticket.objects.get(pk=desk["waiting"].pk).closes_at == before


def test_bulk_assigning_to_a_colleague(client, desk):
    colleague = make_agent(full_name="Julio Tapia")
    page = assign(client, desk["free"], desk["mine"], to=colleague.pk)
    assert {Ticket.objects.get(pk=desk[n].pk).assignee for n in ("free", "mine")} == {colleague}
    assert "2 tickets: ahora los atiende Julio Tapia." in text_of(page)


@pytest.mark.clause("M3")
def test_bulk_touches_own_tickets_and_knows_own_colleagues_only(client, desk):
    outsider = third_party_in(client)
    page = assign(client, desk["free"])
    assert "Elija al menos un ticket." in text_of(page)
    agent_in(client)
    page = assign(client, desk["free"], to=outsider.pk)
    assert "Elija a quién asignar los tickets." in text_of(page)
    assert Ticket.objects.get(pk=desk["free"].pk).assignee is None


@pytest.mark.parametrize("keys", [[], ["x"], ["9" * 30], ["-1"], ["²"]])
def test_bulk_without_a_ticket_says_so(client, keys):
    agent_in(client)
    page = client.post(f"{QUEUE}asignar/", {"elegido": keys, "a_quien": "yo"}, follow=True)
    assert "Elija al menos un ticket." in text_of(page)


def test_get_never_assigns(client, desk):
    assert client.get(f"{QUEUE}asignar/", {"elegido": desk["free"].pk, "a_quien": "yo"}).status_code == 405
    assert client.post(QUEUE).status_code == 405


# -- Who may come in ---------------------------------------------------------------------------------


@pytest.mark.clause("M3")
def test_a_third_party_sees_its_own_tickets_only(client, desk):
    outsider = third_party_in(client)
    operations.hand_over(
        desk["free"].pk, supervisor=make_staff(Office.SUPERVISOR), provider=outsider.assignments[0].provider
    )
    for view in queue.VIEWS:
        assert numbers_on(client.get(QUEUE, {"vista": view})) <= {desk["free"].number}
    assert numbers_on(client.get(QUEUE)) == {desk["free"].number}
    assert "Ticket por teléfono" not in text_of(client.get(QUEUE))


def test_a_superuser_sees_no_ticket_by_that_alone(client, desk):
    log_in(client, make_superuser())
    page = client.get(QUEUE)
    assert page.status_code == 200
    assert not numbers_on(page)
    assert "sin él nadie ve tickets" in text_of(page)
    assert client.get(reverse("admin:index")).status_code == 200


@pytest.mark.parametrize("office", [Office.SECURITY_OFFICER, Office.IMPLEMENTER, Office.DEVELOPER])
def test_other_offices_have_no_queue(client, desk, office):
    log_in(client, make_staff(office))
    assert client.get(QUEUE).status_code == 403
    assert client.post(f"{QUEUE}asignar/").status_code == 403


def test_the_admins_index_is_the_queue_for_agents(client):
    agent_in(client)
    assert client.get(reverse("admin:index"), follow=True).redirect_chain[-1][0] == QUEUE


def test_no_add_delete_or_history_page(client, desk):
    agent_in(client)
    for tail in ("add/", f"{desk['free'].pk}/delete/", f"{desk['free'].pk}/history/", f"{desk['free'].pk}/"):
        assert client.get(QUEUE + tail).status_code == 404, tail


def test_nobody_without_an_account_has_views():
    assert not queue.Ticket.objects.visible_to(AnonymousUser()).exists()


# -- The plan on PostgreSQL --------------------------------------------------------------------------

PLANS = {
    "respondio": "queue_replied",
    "mios": "queue_mine",
    "por-asignar": "queue_(unassigned|mine)",
    "abiertos": "queue_open",
    "en-espera": "queue_waiting",
    "hoy": "queue_waiting",
    "cerrados": "queue_closed",
}


@every_view
def test_each_view_reads_its_own_index(view):
    """With rows to weigh: over an empty table PostgreSQL's choice is chance."""
    agent = make_agent()
    ticket = make_ticket()
    columns = {"customer": ticket.customer, "requester": ticket.requester, "provider": ticket.provider}
    columns |= {"subject": "x", "category": "other", "impact": 1, "channel": "portal"}
    Ticket.objects.bulk_create(Ticket(number=f"T{n}", queue_at=ticket.queue_at, **columns) for n in range(300))
    place = queue.Place(queue.VIEWS[view])
    rows = place.view.order.sort(queue._with_row_columns(queue._select_lists(place, agent)[0]))
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("ANALYZE tickets_ticket")
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("SET LOCAL enable_bitmapscan = off")
            cursor.execute("SET LOCAL enable_sort = off")
    plan = rows[: queue.PAGE_ROWS].explain()
    assert re.search(rf"\b{PLANS[view]}\b", plan), plan
    assert "Sort" not in plan
    assert "TEMP B-TREE" not in plan


@pytest.mark.postgres
def test_words_of_the_subject_are_found_by_an_index():
    agent = make_agent()
    make_ticket()
    rows = queue._search_tickets(queue.Place(queue.SEARCH, search="sello revocado"), agent)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    assert "search_words" in rows.explain()
