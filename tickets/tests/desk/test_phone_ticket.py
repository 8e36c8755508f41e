"""«Ticket por teléfono» in the admin (M3, M10, M17)."""

import pytest

from accounts.models import Office
from factureya.core.models import Attachment
from factureya.testing.desk import QUEUE, agent_in, page_of, third_party_in
from factureya.testing.pages import ANSWERS, FACTS, key_in, log_in, png, statements, text_of
from factureya.testing.people import make_contact, make_customer, make_staff
from factureya.testing.tickets import mails_about
from tickets.models import Message, Ticket

pytestmark = pytest.mark.django_db
PHONE = f"{QUEUE}telefono/"


@pytest.fixture
def caller(client):
    """Who calls: a contact of a company whose registered mail is another."""
    company = make_customer("EKU9003173C9", "Escuela Kémper Urgáte", registered_email="registro@ejemplo.mx")
    return make_contact(company, full_name="Rosa Paredes", email="rosa@ejemplo.mx")


@pytest.mark.clause("M3")
@pytest.mark.parametrize(
    "text", ["EKU9003173C9", "eku 900317 3C9", "registro@ejemplo.mx", "ROSA@ejemplo.mx", "kemper", "Urgáte escuela"]
)
def test_who_calls_is_found_by_rfc_mail_or_name(client, caller, text):
    agent_in(client)
    make_contact(full_name="Otra Persona")
    page = client.get(PHONE, {"q": text})
    assert "Rosa Paredes" in text_of(page)
    assert "registro@ejemplo.mx" in text_of(page)
    assert "Otra Persona" not in text_of(page)


def test_nobody_found_says_what_to_do(client, caller):
    agent_in(client)
    assert "Nadie coincide con «zzzz»" in text_of(client.get(PHONE, {"q": "zzzz"}))
    assert "Rosa Paredes" not in text_of(client.get(PHONE))
    caller.is_active = False
    caller.save()
    assert "Nadie coincide" in text_of(client.get(PHONE, {"q": "kemper"}))


def test_the_search_is_bounded(client):
    agent_in(client)
    company = make_customer(legal_name="Grande SA")
    for _ in range(35):
        make_contact(company)
    with statements() as found:
        page = client.get(PHONE, {"q": "grande"})
    assert len(page.context["contacts"]) == 30
    assert len(found) <= 8


@pytest.mark.clause("M3", "M10", "M17")
def test_a_ticket_by_phone_names_the_caller_and_the_agent(client, caller):
    agent = agent_in(client, full_name="Darío Salgado")
    form = client.get(PHONE, {"contacto": caller.pk})
    assert "registro@ejemplo.mx" in text_of(form)
    data = ANSWERS | {"contacto": caller.pk, "key": key_in(form), "steps": "", "files": [png()]}
    first = client.post(PHONE, data)
    ticket = Ticket.objects.get()
    assert first["Location"] == page_of(ticket)
    assert (ticket.channel, ticket.requester, ticket.customer) == ("phone", caller, caller.contact.customer)
    assert ticket.events().get().actor == agent
    message = Message.objects.get()
    assert (message.author, message.channel, message.body) == (caller, "phone", "Dice CFDI40147.")
    assert message.files.count() == 1
    assert [mail.to for mail in mails_about(ticket)] == ["rosa@ejemplo.mx"]
    assert "Darío Salgado lo levantó por teléfono" in text_of(client.get(page_of(ticket)))
    again = client.post(PHONE, data | {"files": []})
    assert again["Location"] == first["Location"]
    assert Ticket.objects.count() == 1


@pytest.mark.clause("M17")
@pytest.mark.parametrize("name", Ticket.FACTS)
def test_every_fact_is_asked_for_and_shown(client, caller, name):
    agent_in(client)
    form = client.get(PHONE, {"contacto": caller.pk})
    assert f'name="{name}"' in form.content.decode()
    client.post(PHONE, ANSWERS | FACTS | {"contacto": caller.pk, "key": key_in(form)})
    assert FACTS[name] in text_of(client.get(page_of(Ticket.objects.get())))


@pytest.mark.clause("M17")
@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("subject", "Escriba el problema en una frase"),
        ("category", "Elija sobre qué es el problema"),
        ("impact", "Elija cómo le afecta"),
        ("description", "Escriba qué pasó"),
        ("key", "El formulario perdió su validez."),
    ],
)
def test_what_is_missing_is_said_and_the_rest_kept(client, caller, field, message):
    agent_in(client)
    data = ANSWERS | {"contacto": caller.pk, "key": key_in(client.get(PHONE, {"contacto": caller.pk}))}
    answer = client.post(PHONE, data | {field: "", "files": [png("uno.png")]})
    assert message in text_of(answer)
    assert "<title>Error: " in answer.content.decode()
    kept = "description" if field != "description" else "steps"
    assert ANSWERS[kept].splitlines()[0] in text_of(answer)
    assert "uno.png" in text_of(answer)
    assert not Ticket.objects.exists()


def test_a_kept_file_can_be_taken_away(client, caller):
    agent_in(client)
    data = ANSWERS | {"contacto": caller.pk, "key": key_in(client.get(PHONE, {"contacto": caller.pk}))}
    client.post(PHONE, data | {"subject": "", "files": [png("uno.png")]})
    answer = client.post(PHONE, data | {"quitar": Attachment.objects.get().token})
    assert "uno.png" not in text_of(answer)
    assert not Ticket.objects.exists()


def test_a_used_form_is_not_used_for_something_else(client, caller):
    agent_in(client)
    data = ANSWERS | {"contacto": caller.pk, "key": key_in(client.get(PHONE, {"contacto": caller.pk}))}
    client.post(PHONE, data)
    other = data | {"contacto": make_contact().pk, "files": [png("uno.png")]}
    answer = client.post(PHONE, other)
    assert "Este formulario ya se había enviado." in text_of(answer)
    assert Ticket.objects.count() == 1
    client.post(PHONE, other | {"key": key_in(answer), "files": []})
    assert Ticket.objects.latest("pk").files.get().attachment.name == "uno.png"


@pytest.mark.parametrize("key", ["0", "x", "-1", "9" * 20, "²"])
def test_an_unknown_contact_is_404(client, caller, key):
    agent_in(client)
    assert client.get(PHONE, {"contacto": key}).status_code == 404
    assert client.post(PHONE, ANSWERS | {"contacto": key}).status_code == 404


@pytest.mark.clause("M3")
def test_only_our_own_desk_takes_calls(client, caller):
    third_party_in(client)
    assert client.get(PHONE, {"q": "kemper"}).status_code == 404
    assert client.post(PHONE, ANSWERS | {"contacto": caller.pk}).status_code == 404
    log_in(client, make_staff(Office.IT_HEAD))
    assert client.get(PHONE).status_code == 403
    assert client.put(PHONE).status_code == 403
    agent_in(client)
    assert client.put(PHONE).status_code == 405
