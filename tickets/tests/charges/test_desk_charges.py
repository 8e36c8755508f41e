"""The desk's pages of minutes and charges, and each month's statements (M3, M18)."""

from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from accounts.models import Office, Provider
from factureya.core.models import Event
from factureya.testing.budgets import budget, statements_of
from factureya.testing.charges import WHY, accepted, note, propose
from factureya.testing.desk import page_of
from factureya.testing.pages import key_in, make_client, text_of
from factureya.testing.people import Cast, make_agent, make_auditor, make_representative, make_staff
from factureya.testing.tickets import make_ticket
from tickets import operations as ticket_operations
from tickets.models import ChargeProposal, Ticket, TimeEntry

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M18")]
START = "2026-11-24 10:00-06:00"
TIME, STATEMENTS, STATEMENT = 9, 6, 7  # statements to the database, session and user included
TERMS = {
    "work_1": "Restaurar el respaldo en una copia",
    "minutes_1": "90",
    "work_2": "Extraer y entregar los XML",
    "minutes_2": "30",
    "rate": "450.00",
    "reason": WHY,
}


@pytest.fixture(autouse=True)
def noon():
    with time_machine.travel(START, tick=False) as clock:
        yield clock


@pytest.fixture
def cast() -> Cast:
    return Cast()


def fill(client: Client, ticket: Ticket, name: str = "propose", **fields: str) -> Any:
    """Post the form of a desk page as the page gives it."""
    page = client.get(page_of(ticket, name))
    seen = page.context["form"]["seen"].value() if name == "propose" else ""
    return client.post(page_of(ticket, name), {"key": key_in(page), "seen": seen, **fields})


# -- Minutes -----------------------------------------------------------------------------------------


def test_an_agent_notes_free_minutes(cast: Cast) -> None:
    ticket, agent = make_ticket(requester=cast.ana), make_agent(full_name="Dario Luna")
    client = make_client(agent)
    assert "0 min" in text_of(client.get(page_of(ticket)))
    assert "el tiempo nunca se cobra" in text_of(client.get(page_of(ticket, "time")))
    answer = fill(client, ticket, "time", minutes="35", work="Busqué los folios")
    assert answer.url == page_of(ticket, "time")
    text = text_of(client.get(answer.url))
    assert "Busqué los folios" in text
    assert "Dario Luna" in text
    assert "Sin costo" in text
    html = client.get(page_of(ticket)).content.decode()
    assert "35 min" in html
    assert "Dario Luna anotó 35 min, sin costo: Busqué los folios" in html


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"minutes": "", "work": "x"}, "Escriba los minutos con un número de 1 a 720."),
        ({"minutes": "cero", "work": "x"}, "Escriba los minutos con un número de 1 a 720."),
        ({"minutes": "721", "work": "x"}, "Escriba los minutos con un número de 1 a 720."),
        ({"minutes": "5", "work": ""}, "Escriba qué hizo."),
        ({"minutes": "5", "work": "x" * 201}, "Son hasta 200 caracteres y escribió 201."),
        ({"minutes": "5", "work": "a\0b"}, "carácter que no se puede guardar"),
    ],
)
def test_wrong_minutes_keep_what_was_typed(cast: Cast, fields: dict[str, str], error: str) -> None:
    ticket = make_ticket(requester=cast.ana)
    page = fill(make_client(make_agent()), ticket, "time", **fields)
    assert error in text_of(page)
    assert page.status_code == 200
    assert not TimeEntry.objects.exists()


def test_minutes_of_an_accepted_charge_are_chosen(cast: Cast) -> None:
    charge, agent = accepted(cast), make_agent()
    client = make_client(agent)
    missing = fill(client, charge.ticket, "time", minutes="60", work="Restauré")
    assert "Elija si se cobra o es sin costo." in text_of(missing)
    fill(client, charge.ticket, "time", minutes="60", work="Restauré", charge="1")
    fill(client, charge.ticket, "time", minutes="5", work="Escribí", charge="0")
    assert [entry.charge for entry in TimeEntry.objects.order_by("seq")] == [charge, None]
    text = text_of(client.get(page_of(charge.ticket, "time")))
    assert "quedan 60 de 120 min" in text
    assert "Cobro 1" in text


def test_an_entry_is_voided_with_a_reason(cast: Cast) -> None:
    ticket, agent = make_ticket(requester=cast.ana), make_agent()
    note(ticket, 50, agent=agent)
    address = reverse("admin:tickets_ticket_void_time", args=[ticket.pk, 1])
    client = make_client(agent)
    assert address in client.get(page_of(ticket, "time")).content.decode()
    assert address not in make_client(make_agent()).get(page_of(ticket, "time")).content.decode()
    key = key_in(client.get(address))
    assert "Escriba por qué." in text_of(client.post(address, {"key": key, "reason": ""}))
    stranger = make_client(make_agent())
    refused = stranger.post(address, {"key": key_in(stranger.get(address)), "reason": "x"})
    assert "Lo anula quien lo anotó, o un supervisor." in text_of(refused)
    assert client.post(address, {"key": key, "reason": "Eran 5"}).url == page_of(ticket, "time")
    assert "Eran 5" in text_of(client.get(page_of(ticket, "time")))
    assert client.get(reverse("admin:tickets_ticket_void_time", args=[ticket.pk, 9])).status_code == 404


def test_third_parties_note_their_own_tickets_alone(cast: Cast) -> None:
    provider = Provider.objects.create(name="Soporte Externo")
    irma = make_staff(Office.THIRD_PARTY_AGENT, provider=provider)
    ticket, other = make_ticket(requester=cast.ana), make_ticket(requester=cast.ana)
    ticket_operations.hand_over(ticket.pk, supervisor=cast.laura, provider=provider)
    client = make_client(irma)
    assert fill(client, ticket, "time", minutes="5", work="Lo vi").status_code == 302
    assert client.get(page_of(other, "time")).status_code == 404
    assert client.get(page_of(ticket, "propose")).status_code == 404
    assert client.get(reverse("admin:tickets_ticket_statements")).status_code == 403


@pytest.mark.clause("M26")
def test_auditoria_reads_and_writes_nothing(cast: Cast) -> None:
    charge = propose(cast)
    client = make_client(make_auditor())
    page = client.get(page_of(charge.ticket, "time"))
    assert "$1,044.00" in text_of(page)
    assert "f-tiempo" not in page.content.decode()
    events = Event.objects.count()
    assert client.post(page_of(charge.ticket, "time"), {"minutes": "5", "work": "x"}).status_code == 403
    assert client.get(page_of(charge.ticket, "propose")).status_code == 403
    assert Event.objects.count() == events


# -- Proposals ---------------------------------------------------------------------------------------


def test_a_supervisor_calculates_and_proposes(cast: Cast) -> None:
    ticket, client = make_ticket(requester=cast.ana), make_client(cast.laura)
    page = client.get(page_of(ticket, "propose"))
    assert 'value="450.00"' in page.content.decode()
    assert "Ana Robles" in text_of(page)
    shown = fill(client, ticket, **TERMS, calcular="1")
    assert "120 min: $900.00 + IVA 16 % $144.00 = $1,044.00" in text_of(shown)
    assert not ChargeProposal.objects.exists()
    key = key_in(shown)
    for _ in "12":  # a double click
        answer = client.post(page_of(ticket, "propose"), {"key": key, "seen": "1", **TERMS})
        assert answer.url == page_of(ticket)
    charge = ChargeProposal.objects.get()
    assert (charge.total_cents, charge.proposed_by, charge.reason) == (104_400, cast.laura, WHY)
    html = client.get(page_of(ticket)).content.decode()
    assert "Cobro por decidir" in html
    assert "Laura Mesa propuso un cobro de $1,044.00" in html


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"work_1": ""}, "Escriba el trabajo que se cobraría."),
        ({"minutes_1": "0"}, "Escriba los minutos con un número de 1 a 6000."),
        ({"minutes_2": ""}, "Escriba los minutos del trabajo."),
        ({"work_2": ""}, "Escriba el trabajo."),
        ({"rate": "gratis"}, "Escriba el precio en pesos, por ejemplo 450.00, hasta 10,000.00."),
        ({"rate": "450.005"}, "Escriba el precio en pesos, por ejemplo 450.00, hasta 10,000.00."),
        ({"rate": "10000.01"}, "Escriba el precio en pesos, por ejemplo 450.00, hasta 10,000.00."),
        ({"rate": "NaN"}, "Escriba el precio en pesos, por ejemplo 450.00, hasta 10,000.00."),
        ({"rate": "1e400"}, "Escriba el precio en pesos, por ejemplo 450.00, hasta 10,000.00."),
        ({"reason": " "}, "Escriba por qué se cobra: qué se pidió y no se recibió."),
        ({"reason": "x" * 1001}, "Son hasta 1000 caracteres y escribió 1001."),
        ({"minutes_1": "5990"}, "Un cobro es de hasta 6000 minutos."),
        ({"minutes_1": "1", "work_2": "", "minutes_2": "", "rate": "0.01"}, "Con ese precio no hay nada que cobrar."),
        ({"seen": "0"}, "Hay un mensaje más reciente; la propuesta no se ha enviado."),
        ({"key": "forjada"}, "El formulario perdió su validez."),
    ],
)
def test_a_wrong_proposal_keeps_what_was_typed(cast: Cast, fields: dict[str, str], error: str) -> None:
    ticket, client = make_ticket(requester=cast.ana), make_client(cast.laura)
    page = client.get(page_of(ticket, "propose"))
    data = {"key": key_in(page), "seen": "1", **TERMS, **fields}
    answer = client.post(page_of(ticket, "propose"), data)
    assert error in text_of(answer)
    assert "Extraer y entregar los XML" in answer.content.decode() or "work_2" in fields
    assert not ChargeProposal.objects.exists()


def test_the_page_says_that_nobody_could_decide(cast: Cast) -> None:
    ticket, client = make_ticket(), make_client(cast.laura)
    assert "no tiene hoy un representante" in text_of(client.get(page_of(ticket, "propose")))
    assert "nadie podría decidir" in text_of(fill(client, ticket, **TERMS))


def test_a_supervisor_withdraws(cast: Cast) -> None:
    charge, client = propose(cast), make_client(cast.laura)
    address = reverse("admin:tickets_ticket_withdraw", args=[charge.ticket_id, 1])
    assert address in client.get(page_of(charge.ticket, "time")).content.decode()
    assert "Ya hay una propuesta por decidir" in text_of(fill(client, charge.ticket, **TERMS))
    key = key_in(client.get(address))
    assert client.post(address, {"key": key, "reason": "Llegó la lista"}).url == page_of(charge.ticket)
    charge.refresh_from_db()
    assert charge.status == "withdrawn"
    assert make_client(make_agent()).get(address).status_code == 404
    assert client.get(reverse("admin:tickets_ticket_withdraw", args=[charge.ticket_id, 9])).status_code == 404


# -- Statements --------------------------------------------------------------------------------------


def charge_others(cast: Cast, count: int) -> None:
    """Charges of as many other companies, each with minutes."""
    for _ in range(count):
        other = Cast.__new__(Cast)
        other.laura, other.ana = cast.laura, make_representative()
        charge = accepted(other)
        note(charge.ticket, 60, charge, agent=cast.laura)


def test_the_statements_of_a_month(cast: Cast, noon: Any) -> None:
    charge = accepted(cast)
    note(charge.ticket, 60, charge)
    note(charge.ticket, 15)
    charge_others(cast, 1)
    noon.shift(60)
    client = make_client(cast.laura)
    page = client.get(reverse("admin:tickets_ticket_statements"))
    assert "Cargos del mes" in page.content.decode()
    assert text_of(page).count("$522.00") == 2
    address = reverse("admin:tickets_ticket_statement", args=[cast.customer.pk, "2026-11"])
    assert address in page.content.decode()
    text = text_of(client.get(address))
    for shown in ("60 de 120 min", "$522.00", "15 min de atención gratuita", cast.customer.rfc):
        assert shown in text
    for kind, start in (("pdf", b"%PDF"), ("csv", b"\xef\xbb\xbf")):
        answer = client.get(f"{address}estado.{kind}")
        assert answer.content.startswith(start)
        assert answer["Content-Disposition"].startswith(f'attachment; filename="cargos-{cast.customer.rfc}-2026-11')
    assert "Ninguna empresa" in text_of(client.get(reverse("admin:tickets_ticket_statements") + "?mes=2026-10"))
    for wrong in ("?mes=2026-12", "?mes=x"):
        assert client.get(reverse("admin:tickets_ticket_statements") + wrong).status_code == 404
    assert client.get(reverse("admin:tickets_ticket_statement", args=[9_999, "2026-11"])).status_code == 404
    assert make_client(make_agent()).get(address).status_code == 403


def test_budgets_do_not_grow_with_the_rows(cast: Cast, noon: Any) -> None:
    charge = accepted(cast)
    note(charge.ticket, 5, charge, agent=cast.laura)
    noon.shift(60)
    client, ana = make_client(cast.laura), make_client(cast.ana)
    pages = {
        (client, page_of(charge.ticket, "time")): TIME,
        (client, reverse("admin:tickets_ticket_statements")): STATEMENTS,
        (ana, reverse("tickets:statement")): STATEMENT,
    }
    few = [statements_of(lambda page=page: page[0].get(page[1])) for page in pages]
    for _ in range(20):
        note(charge.ticket, 5, charge, agent=cast.laura)
        propose(cast)
    charge_others(cast, 5)
    noon.shift(60)
    for sent, (page, most) in zip(few, pages.items(), strict=True):
        budget(sent, statements_of(lambda page=page: page[0].get(page[1])), most)
