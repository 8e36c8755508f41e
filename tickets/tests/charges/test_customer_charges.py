"""The customer's pages of charges: GET shows, POST decides, a link alone is not enough (M16, M18)."""

import csv
import io
import re
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from accounts.models import User
from accounts.web import form_memory
from factureya.core.models import Event
from factureya.testing.charges import WHY, accepted, decide, note, propose
from factureya.testing.pages import key_in, log_in, make_client, text_of
from factureya.testing.people import Neighbours, end_offices, make_agent, make_neighbours
from factureya.testing.tickets import mails_about, make_ticket
from tickets import operations as ticket_operations
from tickets import tasks
from tickets.charges.models import MAX_NOTE
from tickets.charges.operations import withdraw_charge
from tickets.models import ChargeProposal, Ticket

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M18")]
START = "2026-11-24 10:00-06:00"


@pytest.fixture(autouse=True)
def noon():
    with time_machine.travel(START, tick=False) as clock:
        yield clock


@pytest.fixture
def cast() -> Neighbours:
    return make_neighbours()


def at(charge: ChargeProposal) -> str:
    return reverse("tickets:charge", args=[charge.ticket.number, charge.seq])


def post(client: Client, charge: ChargeProposal, decision: str, **more: str) -> Any:
    return client.post(at(charge), {"key": key_in(client.get(at(charge))), "decision": decision, **more})


def link_of(charge: ChargeProposal, to: str) -> str:
    """The link in the mail that proposes the charge."""
    (mail,) = [mail for mail in mails_about(charge.ticket) if mail.kind == "tickets/charge_proposed" and mail.to == to]
    return re.search(r"http://testserver(/enlace/\S+)", mail.body)[1]


def test_the_page_shows_the_sums_the_reason_and_who_decides(cast: Neighbours) -> None:
    charge = propose(cast)
    events = Event.objects.count()
    text = text_of(make_client(cast.ana).get(at(charge)))
    for shown in ("Propuesta de cobro: $1,044.00", "90 min", "$675.00", "$900.00", "IVA 16 %", "$144.00", WHY):
        assert shown in text
    assert "Acepto $1,044.00" in text
    assert "vie 27 nov a las 10:00" in text
    assert Event.objects.count() == events  # GET changes nothing


@pytest.mark.parametrize(("decision", "status"), [("acepto", "accepted"), ("no-acepto", "declined")])
def test_the_representative_decides(cast: Neighbours, decision: str, status: str) -> None:
    charge, client = propose(cast), make_client(cast.ana)
    answer = post(client, charge, decision, note="Está bien")
    assert answer.url == at(charge)
    charge.refresh_from_db()
    assert (charge.status, charge.ended_by, charge.note) == (status, cast.ana, "Está bien")
    event = charge.ticket.events().last()
    assert event.data["auth"]["method"] == "session"
    text = text_of(client.get(at(charge)))
    assert "Ana Robles" in text
    assert "Acepto $1,044.00" not in text
    assert (
        client.post(at(charge), form_of(charge, cast.ana, decision)).status_code == 302
    )  # the second click of a double one
    assert charge.ticket.events().last() == event


def form_of(charge: ChargeProposal, person: User, decision: str, **more: str) -> dict[str, str]:
    """Return the form of a page that this person had open, as a browser posts it."""
    key = form_memory.new_key(person, f"cobro:{charge.ticket.number}:{charge.seq}").token
    return {"key": key, "decision": decision, **more}


def test_a_contact_sees_the_charge_and_cannot_decide(cast: Neighbours) -> None:
    charge, client = propose(cast), make_client(cast.beto)
    page = client.get(at(charge))
    assert "Lo decide el representante de la empresa" in text_of(page)
    assert 'name="decision"' not in page.content.decode()
    answer = client.post(at(charge), form_of(charge, cast.beto, "acepto"))
    assert "Lo decide quien hoy representa a la empresa" in text_of(answer)
    assert make_client(cast.carla).get(at(charge)).status_code == 404
    assert make_client(cast.carla).post(at(charge)).status_code == 404
    assert Client().get(at(charge)).status_code == 302


def test_staff_reads_and_does_not_decide(cast: Neighbours) -> None:
    charge = propose(cast)
    client = make_client(cast.laura)
    assert client.get(at(charge)).status_code == 200
    assert client.post(at(charge), {"decision": "acepto"}).status_code == 404


def test_a_number_that_is_not_there(cast: Neighbours) -> None:
    charge = propose(cast)
    client = make_client(cast.ana)
    assert client.get(reverse("tickets:charge", args=[charge.ticket.number, 2])).status_code == 404
    lower = at(charge).replace(charge.ticket.number, charge.ticket.number.lower())
    assert client.get(lower).url == at(charge)


def test_bad_forms_decide_nothing_and_keep_the_words(cast: Neighbours) -> None:
    charge, client = propose(cast), make_client(cast.ana)
    page = post(client, charge, "no-acepto", note="x" * (MAX_NOTE + 1))
    assert "Son hasta 300 caracteres y escribió 301" in text_of(page)
    assert "x" * (MAX_NOTE + 1) in page.content.decode()
    assert "Elija si acepta" in text_of(post(client, charge, "quizá"))
    forged = client.post(at(charge), {"key": "forjada", "decision": "acepto"})
    assert "El formulario perdió su validez" in text_of(forged)
    charge.refresh_from_db()
    assert charge.status == "proposed"


def test_two_representatives_at_once_and_an_expired_page(cast: Neighbours, noon: Any) -> None:
    charge, ana, dana = propose(cast), make_client(cast.ana), make_client(cast.dana)
    key = key_in(ana.get(at(charge)))
    post(dana, charge, "no-acepto")
    answer = ana.post(at(charge), {"key": key, "decision": "acepto"})
    assert "Esta propuesta ya terminó: No aceptado" in text_of(answer)
    late = propose(cast)
    key = key_in(ana.get(at(late)))
    noon.shift(timedelta(days=3, seconds=1))
    ana = make_client(cast.ana)
    answer = ana.post(at(late), {"key": key, "decision": "acepto"})
    assert "La propuesta venció y no se cobra nada" in text_of(answer)
    assert "La propuesta venció" in text_of(ana.get(at(late)))


def test_a_withdrawn_charge_says_so(cast: Neighbours) -> None:
    charge = propose(cast)
    withdraw_charge(charge.ticket_id, seq=1, supervisor=cast.laura, reason="Llegó la lista")
    text = text_of(make_client(cast.ana).get(at(charge)))
    assert "Retiramos la propuesta" in text
    assert "Llegó la lista" in text


# -- The link ----------------------------------------------------------------------------------------


@pytest.mark.clause("M16")
def test_the_link_shows_and_only_a_login_decides(cast: Neighbours, client: Client) -> None:
    charge = propose(cast)
    events = charge.ticket.events().count()
    opened = client.get(link_of(charge, "ana@ocaso.mx"))
    assert opened.url == at(charge)
    assert opened["Referrer-Policy"] == "no-referrer"
    page = client.get(at(charge))
    assert "Para decidir, ingrese con su contraseña" in text_of(page)
    assert 'name="decision"' not in page.content.decode()
    answer = client.post(at(charge), form_of(charge, cast.ana, "no-acepto", note="Es caro"))
    assert answer.url.endswith(f"?next={at(charge)}")
    assert charge.ticket.events().count() == events
    log_in(client, cast.ana)
    page = client.get(at(charge))
    assert "Ya ingresó" in text_of(page)
    assert 'value="Es caro"' in page.content.decode()
    assert post(client, charge, "no-acepto", note="Es caro").status_code == 302
    charge.refresh_from_db()
    assert charge.status == "declined"


@pytest.mark.clause("M16")
def test_a_link_is_its_contacts_alone(cast: Neighbours, client: Client) -> None:
    charge = propose(cast)
    link = link_of(charge, "ana@ocaso.mx")
    assert make_client(cast.carla).get(link).status_code == 404
    assert make_client(cast.beto).get(link).url == at(charge)  # his own account shows it
    cast.ana.is_active = False
    cast.ana.save(update_fields=["is_active"])
    assert client.get(link).status_code == 404
    assert client.get("/enlace/forjado/cobro/1/").status_code == 404


# -- The ticket's page -------------------------------------------------------------------------------


@pytest.mark.clause("M14")
def test_the_ticket_leads_to_the_charge_until_it_is_decided(cast: Neighbours) -> None:
    charge, client = propose(cast), make_client(cast.ana)
    detail = reverse("tickets:detail", args=[charge.ticket.number])
    for _ in ("waiting", "open"):
        page = client.get(detail)
        assert "Ver la propuesta de cobro" in text_of(page)
        assert at(charge) in page.content.decode()
        assert "Sí, autorizo" not in text_of(page)
        ticket_operations.add_information(charge.ticket_id, author=cast.ana, body="¿Por qué?")
    decide(charge, cast.ana)
    text = text_of(client.get(detail))
    assert "Ver la propuesta de cobro" not in text
    assert "usted aceptó el cobro de hasta $1,044.00" in text
    assert "Laura Mesa le propuso un cobro de $1,044.00" in text


@pytest.mark.clause("M13", "M14")
@pytest.mark.parametrize(
    ("data", "body", "verb"),
    [
        ({"autoriza": "si"}, "Sí, autorizo.", "ticket.authorized"),
        ({"autoriza": "no", "porque": "Hoy no"}, "No autorizo. Hoy no", "ticket.not_authorized"),
    ],
)
def test_an_authorization_without_a_charge(cast: Neighbours, data: dict[str, str], body: str, verb: str) -> None:
    ticket = asked(cast)
    client = make_client(cast.beto)
    detail = reverse("tickets:detail", args=[ticket.number])
    data["key"] = key_in(client.get(detail))
    address = reverse("tickets:authorize", args=[ticket.number])
    for _ in "12":  # a double click
        assert client.post(address, data).url == detail
    ticket.refresh_from_db()
    assert (ticket.status, ticket.wait_reason) == ("open", None)
    assert [message.body for message in ticket.messages.order_by("seq")][2:] == [body]
    assert ticket.events().last().verb == verb
    assert mails_about(ticket)[-1].kind == "tickets/new_message"


def asked(cast: Neighbours, **more: Any) -> Ticket:
    """A ticket that waits for the customer's authorization."""
    ticket = make_ticket(requester=cast.ana)
    return ticket_operations.answer(
        ticket.pk, agent=make_agent(), body="¿Autoriza que restauremos?", wait_reason="authorization", **more
    )


@pytest.mark.clause("M14")
def test_what_is_no_authorization_is_refused(cast: Neighbours) -> None:
    client, charge = make_client(cast.ana), propose(cast)
    waits = [charge.ticket, asked(cast, proposes_solution=True), make_ticket("waiting", requester=cast.ana)]
    for ticket in waits:
        key = key_in(client.get(reverse("tickets:detail", args=[ticket.number])))
        address = reverse("tickets:authorize", args=[ticket.number])
        client.post(address, {"key": key, "autoriza": "si"})
        client.post(address, {"key": key, "autoriza": "quizá"})
        client.post(address, {"key": "forjada", "autoriza": "si"})
        ticket.refresh_from_db()
        assert ticket.status == "waiting"
        assert make_client(cast.carla).post(address, {"autoriza": "si"}).status_code == 404
    ticket = asked(cast)
    with pytest.raises(ticket_operations.Incomplete):
        ticket_operations.decide_authorization(ticket.pk, author=cast.ana, is_granted=True, note="x" * 301)


@pytest.mark.clause("M14")
def test_nobody_authorizes_a_charge_that_expired(cast: Neighbours, noon: Any) -> None:
    charge = propose(cast)
    noon.shift(timedelta(days=3, seconds=1))  # the ticket still waits: its reminder is late
    client = make_client(cast.beto)
    for _ in "12":  # before and after the sweep
        page = client.get(reverse("tickets:detail", args=[charge.ticket.number]))
        assert "la propuesta de cobro venció" in text_of(page)
        assert "Sí, autorizo" not in text_of(page)
        address = reverse("tickets:authorize", args=[charge.ticket.number])
        client.post(address, {"key": key_in(page), "autoriza": "si"})
        charge.ticket.refresh_from_db()
        assert charge.ticket.status == "waiting"
        tasks.lapse_charges()


# -- The statement -----------------------------------------------------------------------------------


def test_the_statement_is_the_representatives(cast: Neighbours, noon: Any) -> None:
    charge = accepted(cast)
    note(charge.ticket, 60, charge)
    propose(cast)
    noon.shift(60)
    client = make_client(cast.ana)
    page = client.get(reverse("tickets:statement"))
    text = text_of(page)
    for shown in ("Estado de cuenta, noviembre de 2026", "POC930314QX7", "60 de 120 min", "$450.00", "$522.00"):
        assert shown in text
    assert "$1,044.00, vence el vie 27 nov a las 10:00" in text
    assert "el mes no ha terminado" in text
    for person, code in ((cast.beto, 403), (cast.laura, 403), (cast.dana, 200), (cast.carla, 200)):
        assert make_client(person).get(reverse("tickets:statement")).status_code == code
    assert "Reconstruir" not in text_of(make_client(cast.carla).get(reverse("tickets:statement")))
    assert "no hay cargos" in text_of(make_client(cast.carla).get(reverse("tickets:statement")))


def test_powers_that_ended_show_no_statement(cast: Neighbours, noon: Any) -> None:
    noon.shift(timedelta(days=11))
    assert make_client(cast.dana).get(reverse("tickets:statement")).status_code == 403
    assert make_client(cast.ana).get(reverse("tickets:statement")).status_code == 200


def test_pdf_and_csv_say_the_same(cast: Neighbours, noon: Any) -> None:
    charge = accepted(cast)
    note(charge.ticket, 60, charge)
    noon.shift(60)
    client = make_client(cast.ana)
    answers = {kind: client.get(reverse(f"tickets:statement_{kind}", args=["2026-11"])) for kind in ("pdf", "csv")}
    for kind, answer in answers.items():
        assert answer["Content-Disposition"] == f'attachment; filename="estado-de-cuenta-2026-11.{kind}"'
        assert "no-store" in answer["Cache-Control"]
    assert answers["pdf"].content.startswith(b"%PDF")
    rows = list(csv.reader(io.StringIO(answers["csv"].content.decode("utf-8-sig"))))
    assert rows[-1][-1] == rows[1][-1] == "522.00"


@pytest.mark.parametrize("month", ["2026-12", "2026-13", "hoy", "2099-01"])
def test_a_month_that_is_none_or_has_not_begun(cast: Neighbours, month: str) -> None:
    client = make_client(cast.ana)
    for name in ("statement_month", "statement_pdf", "statement_csv"):
        assert client.get(reverse(f"tickets:{name}", args=[month])).status_code == 404
    assert client.get(reverse("tickets:statement_month", args=["2026-10"])).status_code == 200


def test_the_charge_of_a_supervisor_who_left_can_still_be_decided(cast: Neighbours) -> None:
    charge = propose(cast)
    end_offices(cast.laura)
    assert post(make_client(cast.ana), charge, "acepto").status_code == 302
    assert "tickets/charge_answer" not in {mail.kind for mail in mails_about(charge.ticket)}
