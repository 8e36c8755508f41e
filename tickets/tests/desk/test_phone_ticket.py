"""«Registrar llamada» in the admin: who calls, the code, what is noted, what is told (M3–M5, M10, M11, M17)."""

import re
from datetime import timedelta

import pytest
from django.urls import reverse

from accounts.models import Office
from factureya.core import clock
from factureya.core.models import Attachment, Event
from factureya.testing.calls import read_code, wrong_code
from factureya.testing.desk import QUEUE, agent_in, fresh, page_of, third_party_in
from factureya.testing.pages import ANSWERS, FACTS, key_in, log_in, png, statements, text_of
from factureya.testing.people import make_contact, make_customer, make_representative, make_staff
from factureya.testing.tickets import mails_about, make_ticket
from tickets.calls import operations
from tickets.desk.callers import mask_mail, mask_phone
from tickets.models import Call, Message, Ticket

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M5")]
PHONE = f"{QUEUE}telefono/"
SALES = f"{PHONE}ventas/"
NOTED = {**ANSWERS, "kind": "support", "steps": ""}


@pytest.fixture
def caller():
    """Who calls: a contact of a company whose registered mail is another."""
    company = make_customer(
        "EKU9003173C9",
        "Escuela Kémper Urgáte",
        registered_email="registro@kemper.mx",
        phone="(222) 555-0134",
        fiscal_address="Av. Reforma 512, Puebla",
    )
    return make_contact(company, full_name="Rosa Ángel Paredes", email="rosa@kemper.mx")


def at(call, page="call"):
    return reverse(f"admin:tickets_ticket_{page}", args=[call.pk])


def attend(client, caller):
    """Press «Atender» beside this person."""
    answer = client.post(f"{PHONE}atender/", {"contacto": caller.pk})
    assert answer["Location"] == at(Call.objects.latest("pk"))
    return Call.objects.latest("pk")


def press(client, call, page, **fields):
    """Press a button beside the form, which sends the whole form."""
    return client.post(at(call, page), {"key": key_in(client.get(at(call))), **fields}, follow=True)


def prove(client, call):
    """Send the code and read it back."""
    press(client, call, "call_code", a_que_correo="empresa")
    answer = press(client, call, "call_check", cifras=read_code(call))
    assert "Comprobado" in text_of(answer)
    return answer


# -- Who calls ---------------------------------------------------------------------------------------


@pytest.mark.clause("M3")
@pytest.mark.parametrize(
    "text",
    [
        *("EKU9003173C9", "eku 900317 3C9", "registro@kemper.mx", "ROSA@kemper.mx", "kemper", "Urgáte escuela"),
        *("rosa angel", "paredes kemper", "222 555 0134", "2225550134", "555-0134", "rosa 222"),
    ],
)
def test_who_calls_is_found_by_what_one_hears(client, caller, text):
    agent = agent_in(client)
    make_contact(full_name="Otra Persona")
    page = client.get(PHONE, {"q": text})
    assert "Rosa Ángel Paredes" in text_of(page)
    assert "Otra Persona" not in text_of(page)
    assert "ros•••••@kemper.mx" in text_of(page)
    for hidden in ("rosa@", "registro@kemper.mx", "555-0134", "Reforma"):
        assert hidden not in page.content.decode().replace(f'value="{text}"', "")
    search = Event.objects.get(verb="caller.searched")
    assert (search.actor, search.data) == (agent, {"query": text, "people": [caller.pk]})


def test_who_has_open_tickets_comes_first_and_a_number_finds_its_requester(client, caller):
    agent_in(client)
    busy = make_contact(caller.contact.customer, full_name="Zoila Ocupada")
    ticket = make_ticket(requester=busy)
    page = text_of(client.get(PHONE, {"q": "kemper"}))
    assert page.index("Zoila Ocupada") < page.index("Rosa Ángel")
    assert "2 personas. Primero, quien tiene tickets vigentes." in page
    page = text_of(client.get(PHONE, {"q": ticket.number}))
    assert "Zoila Ocupada" in page
    assert "Rosa Ángel" not in page


def test_the_search_says_how_many_tickets_and_how_many_are_overdue(client, caller):
    agent_in(client)
    busy = make_contact(caller.contact.customer, full_name="Zoila Ocupada")
    with clock.at(clock.now() - timedelta(days=30)):
        make_ticket(requester=busy)
    make_ticket(requester=busy)
    page = client.get(PHONE, {"q": "kemper"})
    assert "2 · 1 vencido" in text_of(page)
    assert "Ninguno" in text_of(page)
    assert [(found.tickets, found.late) for found in page.context["callers"]] == [(2, 1), (0, 0)]
    assert 'data-l="Tickets vigentes"' in page.content.decode()


def test_nobody_found_says_what_to_do(client, caller):
    agent_in(client)
    assert "Nadie coincide con «zzzz»" in text_of(client.get(PHONE, {"q": "zzzz"}))
    assert "anotar una llamada de ventas" in text_of(client.get(PHONE))
    assert "Rosa" not in text_of(client.get(PHONE))
    for few in ("22", "(", "…"):
        assert "Nadie coincide" in text_of(client.get(PHONE, {"q": few}))
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
    assert len(page.context["callers"]) == 30
    assert "Se muestran 30" in text_of(page)
    assert len(found) <= 12


def test_a_mail_and_a_phone_are_masked():
    assert mask_mail("facturacion@ocaso.mx") == "fac•••••@ocaso.mx"
    assert mask_mail("a@ocaso.mx") == "•••••@ocaso.mx"
    assert mask_mail("ab@ocaso.mx") == "a•••••@ocaso.mx"
    assert (mask_phone("222 555 0134"), mask_phone("0134"), mask_phone("")) == ("••••• 0134", "", "")


def test_a_name_that_is_a_mail_is_masked_too(client):
    agent_in(client)
    person = make_contact(make_customer(legal_name="Solo Correo"), full_name="buzon@solo.mx", email="buzon@solo.mx")
    page = client.get(PHONE, {"q": "solo correo"})
    assert "buzon@solo.mx" not in page.content.decode()
    assert "buzon@solo.mx" not in client.get(at(attend(client, person))).content.decode()


# -- The code ----------------------------------------------------------------------------------------


def test_before_the_code_nothing_of_the_customer_is_shown(client, caller):
    agent = agent_in(client, full_name="Darío Salgado")
    ticket = make_ticket("waiting", requester=caller, subject="Sello revocado")
    call = attend(client, caller)
    page = client.get(at(call))
    text = text_of(page)
    assert "Llamada de Rosa Ángel Paredes" in text
    assert "Sin comprobar" in text
    assert "puede anotar el problema, pero no leerle nada del cliente ni cambiarle nada" in text
    assert "Sus tickets vigentes (1)" in text
    for hidden in ("Sello revocado", ticket.number, "Reforma", "0134", "registro@", "rosa@"):
        assert hidden not in page.content.decode()
    looks = Event.objects.filter(verb="call.looked")
    assert [(look.actor, look.data["verified"], look.data["shown"]) for look in looks] == [(agent, False, [])]


def test_the_code_is_mailed_read_back_and_opens_what_may_be_told(client, caller):
    agent_in(client)
    ticket = make_ticket("waiting", requester=caller, subject="Sello revocado")
    stranger = make_ticket(subject="De otra empresa")
    call = attend(client, caller)
    answer = press(client, call, "call_code", a_que_correo="empresa", description="Se oye lejos")
    assert "Enviamos el código" in text_of(answer)
    assert "reg•••••@kemper.mx" in text_of(answer)
    assert "Vale 10 min" in text_of(answer)
    assert "Se oye lejos" in answer.content.decode()  # nothing typed is lost
    wrong = client.post(
        at(call, "call_check"), {"key": key_in(answer), "cifras": wrong_code(call), "subject": "No timbra"}
    )
    assert "Ese no es el código. Quedan 2 intentos." in text_of(wrong)
    assert "<title>Error: " in wrong.content.decode()
    assert "No timbra" in wrong.content.decode()
    assert "Sello revocado" not in wrong.content.decode()
    right = press(client, call, "call_check", cifras=read_code(call))
    for shown in (
        "Comprobado",
        "Sello revocado",
        ticket.number,
        "Av. Reforma 512",
        "(222) 555-0134",
        "registro@kemper.mx",
    ):
        assert shown in text_of(right)
    assert stranger.subject not in text_of(right)
    look = Event.objects.filter(verb="call.looked").latest("pk")
    assert (look.data["verified"], look.data["shown"]) == (
        True,
        [ticket.number, "Domicilio fiscal", "Teléfono", "Correo registrado"],
    )


def test_a_limited_contact_is_told_of_his_own_tickets_only(client, caller):
    agent_in(client)
    limited = make_contact(caller.contact.customer, own_tickets_only=True)
    make_ticket(requester=caller, subject="De Rosa")
    make_ticket(requester=limited, subject="Suyo")
    page = prove(client, attend(client, limited))
    assert "Suyo" in text_of(page)
    assert "De Rosa" not in text_of(page)


def test_limits_and_a_second_code_are_said_on_the_page(client, caller, monkeypatch):
    agent_in(client)
    call = attend(client, caller)
    monkeypatch.setattr(operations, "CODES_PER_MAILBOX", 1)
    press(client, call, "call_code")
    assert "Se han enviado muchos códigos" in text_of(press(client, call, "call_code"))
    assert "Elija a qué correo" in text_of(press(client, call, "call_code", a_que_correo="otro"))
    prove_again = press(client, call, "call_check", cifras="")
    assert "Ese no es el código" in text_of(prove_again)


def test_anothers_call_is_404_and_get_does_nothing(client, caller):
    agent_in(client)
    call = attend(client, caller)
    agent_in(client)
    assert client.get(at(call)).status_code == 404
    for page in ("call_code", "call_check", "call_end"):
        assert client.post(at(call, page)).status_code == 404
        assert client.get(at(call, page)).status_code == 405
    assert client.get(f"{PHONE}atender/", {"contacto": caller.pk}).status_code == 405
    assert Call.objects.get(pk=call.pk).code_sent_at is None


@pytest.mark.parametrize("key", ["0", "x", "-1", "9" * 20, "²", ""])
def test_an_unknown_contact_is_404(client, caller, key):
    agent_in(client)
    assert client.post(f"{PHONE}atender/", {"contacto": key}).status_code == 404


def test_an_ended_call_shows_and_does_nothing(client, caller):
    agent_in(client)
    ticket = make_ticket(requester=caller, subject="Sello revocado")
    call = attend(client, caller)
    prove(client, call)
    key = key_in(client.get(at(call)))
    assert "La llamada terminó." in text_of(client.post(at(call, "call_end"), follow=True))
    page = client.get(at(call))
    assert "La llamada ya terminó." in text_of(page)
    assert "Sello revocado" not in page.content.decode()
    answer = client.post(at(call), NOTED | {"key": key, "agregar": ticket.number})
    assert "La llamada ya terminó." in text_of(answer)
    assert fresh(ticket).message_count == 1
    assert attend(client, caller) != call


# -- What is noted -----------------------------------------------------------------------------------


@pytest.mark.clause("M3", "M10", "M17")
@pytest.mark.parametrize("button", ["", "cola"])
def test_a_ticket_by_phone_names_the_caller_and_the_agent(client, caller, button):
    agent = agent_in(client, full_name="Darío Salgado")
    call = attend(client, caller)
    form = client.get(at(call))
    data = NOTED | {"key": key_in(form), "files": [png()]} | ({button: "1"} if button else {})
    first = client.post(at(call), data, follow=True)
    ticket = Ticket.objects.get()
    assert f"Levantó el ticket {ticket.number}. Díctele el número" in text_of(first)
    assert (ticket.channel, ticket.requester, ticket.customer) == ("phone", caller, caller.contact.customer)
    assert ticket.assignee == (None if button else agent)
    assert ticket.events().first().actor == agent
    message = Message.objects.get()
    assert (message.author, message.channel, message.body) == (caller, "phone", "Dice CFDI40147.")
    assert message.files.count() == 1
    assert [mail.to for mail in mails_about(ticket)] == ["rosa@kemper.mx"]
    page = text_of(client.get(page_of(ticket)))
    assert "Darío Salgado lo levantó por teléfono; no se comprobó quién llamaba" in page
    assert "Anotado por Darío Salgado, por teléfono" in page
    client.post(at(call), data | {"files": []})
    assert Ticket.objects.count() == 1
    assert Call.objects.get().events().filter(verb="call.problem_noted").count() == 1
    log_in(client, caller)
    page = text_of(client.get(reverse("tickets:detail", args=[ticket.number])))
    assert "Anotado por Darío Salgado, por teléfono" in page


@pytest.mark.clause("M4")
def test_a_sale_needs_no_category_and_no_impact(client, caller):
    agent_in(client)
    call = attend(client, caller)
    data = {"key": key_in(client.get(at(call))), "kind": "sales", "subject": "Otro paquete", "description": "¿Precio?"}
    client.post(at(call), data)
    ticket = Ticket.objects.get()
    assert (ticket.category, ticket.impact) == ("sales", Ticket.Impact.QUESTION)


@pytest.mark.clause("M11", "M13")
def test_words_are_added_to_a_ticket_only_after_the_code(client, caller):
    agent_in(client, full_name="Darío Salgado")
    ticket = make_ticket("waiting", requester=caller)
    call = attend(client, caller)
    data = {"description": "Ya cambió el código postal", "agregar": ticket.number}
    answer = client.post(at(call), data | {"key": key_in(client.get(at(call)))})
    assert "Compruebe primero quién llama" in text_of(answer)
    assert "Ya cambió el código postal" in answer.content.decode()
    assert fresh(ticket).status == "waiting"
    prove(client, call)
    empty = client.post(at(call), data | {"key": key_in(client.get(at(call))), "description": ""})
    assert "Escriba qué pasó" in text_of(empty)
    answer = client.post(at(call), data | {"key": key_in(client.get(at(call)))}, follow=True)
    assert f"Agregó lo que le dijo a {ticket.number}, que queda Abierto." in text_of(answer)
    assert fresh(ticket).status == "open"
    event = ticket.events().get(verb="ticket.information_added")
    assert (event.data["channel"], event.data["call"], event.data["caller_verified"]) == ("phone", call.pk, True)
    assert "Anotado por Darío Salgado, por teléfono" in text_of(client.get(page_of(ticket)))
    for foreign in (make_ticket().number, "FY-0000-0000"):
        answer = client.post(at(call), data | {"key": key_in(client.get(at(call))), "agregar": foreign})
        assert answer.status_code in {200, 404}
    assert Message.objects.exclude(ticket=ticket).count() == 1


@pytest.mark.clause("M11")
def test_a_similar_open_ticket_is_asked_about_once_when_the_caller_is_verified(client, caller):
    agent_in(client)
    ticket = make_ticket("waiting", requester=caller, subject="Error CFDI40147 al timbrar")
    make_ticket(requester=caller, subject="La addenda sale mal")
    call = attend(client, caller)
    fragment = {"asunto": "Tampoco timbra, error CFDI40147"}
    assert ticket.number not in client.get(at(call, "call_similar"), fragment).content.decode()
    prove(client, call)
    shown = client.get(at(call, "call_similar"), fragment)
    assert f"Se parece a {ticket.number} «{ticket.subject}», En espera." in text_of(shown)
    assert "addenda" not in text_of(shown)
    assert Event.objects.filter(verb="call.looked").latest("pk").data["shown"] == [ticket.number]
    data = NOTED | {"subject": fragment["asunto"], "key": key_in(client.get(at(call)))}
    asked = client.post(at(call), data)
    assert f"Se parece a {ticket.number}" in text_of(asked)
    assert "Todavía no levantamos el ticket" in text_of(asked)
    assert data["description"] in asked.content.decode()
    assert Ticket.objects.count() == 2
    assert 'name="otro"' in asked.content.decode()
    client.post(at(call), data | {"otro": "1"})
    assert Ticket.objects.count() == 3
    client.post(at(call), data)  # a double click
    assert Ticket.objects.count() == 3


@pytest.mark.clause("M11")
def test_the_similar_ticket_takes_what_was_said(client, caller):
    agent_in(client)
    ticket = make_ticket("waiting", requester=caller, subject="Error CFDI40147 al timbrar")
    call = attend(client, caller)
    prove(client, call)
    data = NOTED | {"subject": "Error CFDI40147", "key": key_in(client.get(at(call))), "agregar": ticket.number}
    client.post(at(call), data)
    assert (fresh(ticket).status, Ticket.objects.count()) == ("open", 1)


def test_four_open_tickets_stand_on_the_page_and_the_others_under_a_summary(client, caller):
    agent_in(client)
    for number in range(7):
        make_ticket(requester=caller, subject=f"Asunto {number}")
    call = attend(client, caller)
    prove(client, call)
    page = client.get(at(call))
    first, _summary, others = text_of(page).partition("Ver los otros 3")
    assert "Sus tickets vigentes (7)" in first
    for text, count in ((first, 4), (others, 3)):
        assert len(set(re.findall(r"Asunto \d", text))) == count


@pytest.mark.clause("M17")
@pytest.mark.parametrize("name", Ticket.FACTS)
def test_every_fact_is_asked_for_and_shown(client, caller, name):
    agent_in(client)
    call = attend(client, caller)
    form = client.get(at(call))
    assert f'name="{name}"' in form.content.decode()
    client.post(at(call), NOTED | FACTS | {"key": key_in(form)})
    assert FACTS[name] in text_of(client.get(page_of(Ticket.objects.get())))


@pytest.mark.clause("M17")
@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("kind", "Elija si es de soporte o de ventas"),
        ("subject", "Escriba el problema en una frase"),
        ("category", "Elija sobre qué es el problema"),
        ("impact", "Elija cómo le afecta"),
        ("description", "Escriba qué pasó"),
        ("key", "El formulario perdió su validez."),
    ],
)
def test_what_is_missing_is_said_and_the_rest_kept(client, caller, field, message):
    agent_in(client)
    call = attend(client, caller)
    data = ANSWERS | {"kind": "support", "key": key_in(client.get(at(call)))}
    answer = client.post(at(call), data | {field: "", "files": [png("uno.png")]})
    assert message in text_of(answer)
    assert "<title>Error: " in answer.content.decode()
    kept = "description" if field != "description" else "steps"
    assert ANSWERS[kept].splitlines()[0] in text_of(answer)
    assert "uno.png" in text_of(answer)
    assert not Ticket.objects.exists()


def test_a_kept_file_can_be_taken_away(client, caller):
    agent_in(client)
    call = attend(client, caller)
    data = NOTED | {"key": key_in(client.get(at(call)))}
    client.post(at(call), data | {"subject": "", "files": [png("uno.png")]})
    answer = client.post(at(call), data | {"quitar": Attachment.objects.get().token})
    assert "uno.png" not in text_of(answer)
    assert not Ticket.objects.exists()


@pytest.mark.clause("M3")
def test_only_our_own_desk_takes_calls(client, caller):
    third_party_in(client)
    assert client.get(PHONE, {"q": "kemper"}).status_code == 404
    assert client.post(f"{PHONE}atender/", {"contacto": caller.pk}).status_code == 404
    assert client.get(SALES).status_code == 404
    log_in(client, make_staff(Office.IT_HEAD))
    assert client.get(PHONE).status_code == 403
    assert client.put(PHONE).status_code == 403
    agent_in(client)
    assert client.put(PHONE).status_code == 405


# -- Confirmed by phone ------------------------------------------------------------------------------


@pytest.mark.clause("M15")
def test_a_confirmation_needs_a_verified_call_and_names_agent_contact_and_time(client, caller):
    agent = agent_in(client, full_name="Darío Salgado")
    ticket = make_ticket("waiting", requester=caller)
    page = client.get(page_of(ticket, "confirm"))
    assert "Falta comprobar quién llama" in text_of(page)
    assert "Cerrar: el cliente confirmó" not in text_of(page)
    assert "rosa@" not in page.content.decode()
    call = Call.objects.get(
        pk=client.post(f"{PHONE}atender/", {"contacto": caller.pk, "ticket": ticket.pk}).url.split("/")[-2]
    )
    for chosen in ("", "x", str(call.pk)):
        answer = client.post(page_of(ticket, "confirm"), {"chosen": chosen})
        assert "Elija a la persona que confirmó" in text_of(answer)
    assert fresh(ticket).status == "waiting"
    prove(client, call)
    assert "Rosa Ángel Paredes, comprobado por código hoy" in text_of(client.get(page_of(ticket, "confirm")))
    answer = client.post(page_of(ticket, "confirm"), {"chosen": call.pk}, follow=True)
    assert "Rosa Ángel Paredes confirmó por teléfono que quedó resuelto; lo registró Darío Salgado" in text_of(answer)
    event = ticket.events().get(verb="ticket.confirmed_by_phone")
    assert (event.actor, event.data["contact"], event.data["call"]) == (agent, caller.pk, call.pk)
    assert event.at - fresh(ticket).closed_at < timedelta(seconds=5)
    again = client.post(page_of(ticket, "confirm"), {"chosen": call.pk})
    assert "El ticket está Cerrado" in text_of(again)


@pytest.mark.clause("M3", "M15")
def test_a_third_partys_agent_calls_about_his_ticket_and_sees_no_more(client, caller):
    irma = third_party_in(client)
    ticket, other = make_ticket(requester=caller, subject="Uno"), make_ticket(requester=caller, subject="Dos")
    Ticket.objects.filter(pk=ticket.pk).update(provider=irma.desk_provider_ids[0])
    data = {"contacto": caller.pk, "ticket": ticket.pk}
    assert client.post(f"{PHONE}atender/", data | {"ticket": other.pk}).status_code == 404
    call = Call.objects.get(pk=client.post(f"{PHONE}atender/", data).url.split("/")[-2])
    page = prove(client, call)
    for hidden in ("Dos", "Reforma", "0134", "kemper.mx", "Levantar ticket"):
        assert hidden not in page.content.decode()
    assert "Uno" in text_of(page)
    assert "La llamada terminó" in text_of(client.post(at(call, "call_end"), follow=True))


# -- Sales of people who are not registered ----------------------------------------------------------


@pytest.mark.clause("M4")
def test_a_sales_call_of_a_stranger_is_noted_and_handled(client):
    agent = agent_in(client, full_name="Darío Salgado")
    page = client.get(SALES)
    assert "Ninguna llamada de ventas anotada" in text_of(page)
    data = {"key": key_in(page), "caller_name": "Luis Mora", "caller_phone": "222 555 0199", "note": "500 timbres"}
    for field, message in {"caller_name": "Escriba el nombre", "caller_phone": "Escriba el teléfono"}.items():
        assert message in text_of(client.post(SALES, data | {field: ""}))
    assert "Un teléfono lleva números" in text_of(client.post(SALES, data | {"caller_phone": "mañana"}))
    answer = client.post(SALES, data, follow=True)
    client.post(SALES, data)
    assert "Luis Mora 222 555 0199 500 timbres Darío Salgado" in text_of(answer)
    call = Call.objects.get()
    assert client.get(at(call)).status_code == 404
    done = client.post(reverse("admin:tickets_ticket_call_handled", args=[call.pk]), follow=True)
    assert "Atendida" in text_of(done)
    assert Call.objects.get().handled_by == agent
    assert client.post(reverse("admin:tickets_ticket_call_handled", args=[10**6])).status_code == 404


@pytest.mark.clause("M4")
def test_a_sales_call_that_waits_is_listed_before_any_number_of_handled_ones(client):
    agent = agent_in(client)
    for number in range(51):
        call = operations.note_sale(agent=agent, caller_name=f"Luis {number}", caller_phone="222 555 0199", note="")
        operations.handle_sale(call.pk, agent=agent)
    operations.note_sale(agent=agent, caller_name="Marta Espera", caller_phone="222 555 0198", note="")
    page = text_of(client.get(SALES))
    assert "Marta Espera" in page
    assert "Luis 50" in page
    assert "Luis 0 " not in page  # the oldest gave way


@pytest.mark.clause("M26")
def test_who_looks_at_a_company_is_recorded(client, caller):
    agent = agent_in(client)
    company = make_representative().contact.customer
    page = client.get(reverse("admin:accounts_customer_change", args=[company.pk]))
    assert "Registrar llamada" in text_of(page)
    assert [event.actor for event in company.events().filter(verb="customer.viewed")] == [agent]
    page = client.get(reverse("admin:accounts_customer_change", args=[company.pk]))
    assert "customer.viewed" not in text_of(page)
