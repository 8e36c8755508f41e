"""Look-up: state, verbs and dates by number and registered address; one neutral answer for every mistake (M10, M16)."""

import re
from datetime import timedelta

import pytest
import time_machine
from allauth.account.models import EmailAddress
from django.core.cache import cache

from factureya.core.models import OutboxMessage
from factureya.testing.calls import confirm_by_phone
from factureya.testing.pages import statements, text_of
from factureya.testing.people import make_agent, make_contact, make_customer
from factureya.testing.tickets import let_it_close, make_ticket
from tickets import operations
from tickets.customer import lookup
from tickets.models import Ticket

pytestmark = pytest.mark.django_db
URL = "/tickets/consultar/"
NEUTRAL = "No encontramos un ticket con ese número y ese correo."


@pytest.fixture
def ana():
    customer = make_customer(registered_email="Registro@ocaso.mx")
    return make_contact(customer, full_name="Ana Robles", email="ana@ocaso.mx")


@pytest.fixture
def ticket(ana):
    found = make_ticket(requester=ana, subject="Asunto secreto", body="Texto secreto")
    laura = make_agent(full_name="Laura Méndez")
    operations.take(found.pk, agent=laura)
    operations.answer(found.pk, agent=laura, body="Privado", wait_reason="detail")
    found.refresh_from_db()
    return found


def ask(client, number, email, **more):
    return client.post(URL, {"number": number, "email": email, **more})


@pytest.mark.clause("M16")
def test_it_shows_state_verbs_and_dates_and_nothing_else(client, ticket):
    response = ask(client, ticket.number, "ana@ocaso.mx")
    page = text_of(response)
    for says in (
        "En espera de su respuesta",
        "Si no responde, se cierra el",
        "Ticket Abierto",
        "Soporte tomó su caso",
        "Soporte le respondió",
        "Pasó a En espera",
    ):
        assert says in page
    html = response.content.decode()
    for secret in ("Asunto", "secreto", "Privado", "Laura", "Ana Robles", "Ocaso SA"):
        assert secret not in html
    assert "no-store" in response["Cache-Control"]


@pytest.mark.clause("M15", "M16")
def test_it_reads_the_rest_of_a_tickets_life(client, ana):
    laura = make_agent()
    first = make_ticket(Ticket.Status.WAITING, requester=ana)
    operations.add_information(first.pk, author=ana, body="Va")
    operations.assign(first.pk, agent=laura, assignee=None)
    operations.answer(first.pk, agent=laura, body="Y", wait_reason="detail")
    operations.answer(first.pk, agent=laura, body="Y", wait_reason="detail")
    first.refresh_from_db()
    let_it_close(first)
    page = text_of(ask(client, first.number, "ana@ocaso.mx"))
    for says in ("Recibimos su información", "Pasó a Abierto", "Le recordamos por correo", "Cerrado automáticamente"):
        assert says in page
    assert page.count("Pasó a En espera") == 2
    following = operations.follow_up(first.pk, author=ana, body="Sigue")
    assert "continúa a uno anterior" in text_of(ask(client, following.number, "ana@ocaso.mx"))
    operations.assign(following.pk, agent=laura, assignee=laura)
    confirm_by_phone(following, agent=laura, contact=ana)
    page = text_of(ask(client, following.number, "ana@ocaso.mx"))
    assert "Cerrado: se confirmó por teléfono" in page
    assert "Soporte tomó su caso" in page


@pytest.mark.clause("M5", "M16")
@pytest.mark.parametrize("email", ["ana@ocaso.mx", "ANA@Ocaso.MX", "registro@ocaso.mx", "beto@ocaso.mx"])
def test_any_registered_address_that_may_see_it_does(client, ana, ticket, email):
    make_contact(ana.contact.customer, email="beto@ocaso.mx")
    assert ticket.number in text_of(ask(client, ticket.number.lower().replace("-", ""), email))


def _limited(ana):
    make_contact(ana.contact.customer, email="otro@ocaso.mx", own_tickets_only=True)


def _disabled(ana):
    make_contact(ana.contact.customer, email="otro@ocaso.mx", is_active=False)


def _unverified(ana):
    person = make_contact(ana.contact.customer, email="otro@ocaso.mx")
    EmailAddress.objects.filter(user=person).update(verified=False)


def _stranger(ana):
    make_contact(email="otro@ocaso.mx")


@pytest.mark.clause("M16")
@pytest.mark.parametrize("who", [_limited, _disabled, _unverified, _stranger, lambda ana: None])
def test_wrong_number_wrong_address_and_not_yours_are_one_answer(client, ana, ticket, who):
    who(ana)
    with statements() as found:
        answer = ask(client, ticket.number, "otro@ocaso.mx")
    with statements() as missing:
        other = ask(client, "FY-0000-0000", "otro@ocaso.mx")
    assert NEUTRAL in text_of(answer)
    assert text_of(answer) == text_of(other)
    assert answer.status_code == other.status_code == 200
    assert len(found) == len(missing) == 1
    assert "<title>Error: Consultar ticket" in answer.content.decode()


@pytest.mark.clause("M10")
@pytest.mark.parametrize(
    ("number", "says"),
    [
        ("", "Escriba su número de seguimiento"),
        ("FY-7K4M-92QA", "Revise el número: hay un carácter cambiado"),
        ("FY-7K4M-92Q", "El número tiene 8 caracteres después de FY; escribió 7"),
        ("hola", "El número tiene 8 caracteres después de FY; escribió 4"),
        ("F" * 41, "El número tiene 8 caracteres después de FY"),
        ("FY-7K4M-92\0", "Revise el número: hay un carácter cambiado"),
    ],
)
def test_a_mistyped_number_is_found_without_a_query(client, number, says):
    with statements() as found:
        response = ask(client, number, "ana@ocaso.mx")
    assert says in text_of(response)
    assert not found


@pytest.mark.clause("M16")
@pytest.mark.parametrize(
    ("email", "says"),
    [
        ("", "Escriba su correo registrado"),
        ("ana", "Escriba el correo completo, como nombre@empresa.com"),
        ("a\0@b.mx", "Escriba el correo completo, como nombre@empresa.com"),
        ("a@" + "b" * 260 + ".mx", "Un correo tiene hasta 254 caracteres; escribió 265"),
    ],
)
def test_a_mistyped_address_has_its_words(client, email, says):
    assert says in text_of(ask(client, "FY-7K4M-92Q0", email))


@pytest.mark.clause("M16")
def test_the_number_typed_on_the_home_page_is_there_and_get_shows_nothing(client, ticket):
    response = client.get(URL, {"n": ticket.number, "number": ticket.number, "email": "ana@ocaso.mx"})
    assert f'value="{ticket.number}"' in response.content.decode()
    assert "Acciones tomadas" not in text_of(response)


@pytest.mark.clause("M16")
def test_the_link_goes_to_the_contact_once_in_fifteen_minutes(client, ticket):
    with time_machine.travel("2026-11-24 10:00-06:00", tick=False) as clock:
        for _ in range(2):
            page = text_of(ask(client, ticket.number, "ana@ocaso.mx", enlace="1"))
            assert "Enviamos un enlace a ese correo." in page
        assert [mail.to for mail in _links()] == ["ana@ocaso.mx"]
        clock.shift(timedelta(minutes=15))
        ask(client, ticket.number, "ana@ocaso.mx", enlace="1")
        assert len(_links()) == 2
        path = re.search(r"/enlace/\S+/", _links()[0].body).group()
        assert client.get(path).url == f"/tickets/{ticket.number}/"


@pytest.mark.clause("M16")
def test_the_same_request_at_the_same_instant_mails_once(ticket, ana, monkeypatch):
    lookup.send_link(ticket, ana)
    monkeypatch.setattr(OutboxMessage.objects, "filter", lambda **_: OutboxMessage.objects.none())
    lookup.send_link(ticket, ana)
    monkeypatch.undo()
    assert len(_links()) == 1


@pytest.mark.clause("M16")
def test_the_companys_own_address_gets_no_link_but_the_way_in(client, ticket):
    page = text_of(ask(client, ticket.number, "registro@ocaso.mx", enlace="1"))
    assert "una persona de la empresa ingresa con su correo" in page
    assert "Enviarme un enlace" not in page
    assert not _links()


@pytest.mark.clause("M16")
def test_a_wrong_address_is_sent_nothing(client, ticket):
    assert NEUTRAL in text_of(ask(client, ticket.number, "x@y.mx", enlace="1"))
    assert not _links()


def _links():
    return OutboxMessage.objects.filter(kind="tickets/link").order_by("pk")


@pytest.mark.clause("M16")
def test_too_many_tries_from_one_address_are_refused_and_others_are_not(client, ticket):
    with time_machine.travel("2026-11-24 10:00-06:00", tick=False) as clock:
        for _ in range(lookup.TRIES_PER_ADDRESS):
            assert ask(client, "FY-0000-0000", "a@b.mx").status_code == 200
        response = ask(client, ticket.number, "ana@ocaso.mx")
        assert response.status_code == 429
        assert int(response["Retry-After"]) == 600
        other = client.post(URL, {"number": ticket.number, "email": "ana@ocaso.mx"}, REMOTE_ADDR="10.0.0.9")
        assert other.status_code == 200
        clock.shift(lookup.WINDOW)
        assert ask(client, ticket.number, "ana@ocaso.mx").status_code == 200


@pytest.mark.clause("M16")
def test_everybody_together_has_a_limit_too(client, monkeypatch):
    monkeypatch.setattr(lookup, "TRIES_OF_ALL", 2)
    codes = [
        client.post(URL, {"number": "FY-0000-0000", "email": "a@b.mx"}, REMOTE_ADDR=f"10.0.0.{n}").status_code
        for n in range(3)
    ]
    assert codes == [200, 200, 429]


@pytest.mark.clause("M16")
def test_a_counter_that_expires_while_it_is_counted_starts_anew(monkeypatch):
    monkeypatch.setattr(cache, "add", lambda *args, **kwargs: False)
    assert lookup.count_try("10.0.0.1")
