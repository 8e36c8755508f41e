"""Levantar ticket: every mistake has its words, and nothing that was typed or uploaded is lost (M10, M11, M17)."""

import re
from typing import Any

import pytest
import time_machine
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from accounts.models import Office
from accounts.operations import join_company
from accounts.web import form_memory
from factureya.core.models import Attachment
from factureya.testing.pages import ANSWERS, FACTS, key_in, log_in, png, statements, text_of
from factureya.testing.people import make_agent, make_contact, make_customer, make_staff, make_user
from factureya.testing.tickets import make_ticket
from tickets import operations
from tickets.catalogue import operations as catalogue
from tickets.catalogue.models import TicketCategory
from tickets.models import Ticket

pytestmark = pytest.mark.django_db
URL = "/tickets/nuevo/"


@pytest.fixture
def send(client, ana):
    """Send Ana's form with changes; the key is that of a page she was shown."""
    log_in(client, ana)
    key = key_in(client.get(URL))

    def post(**changes):
        return client.post(URL, {**ANSWERS, "key": key, **changes})

    return post


@pytest.mark.clause("M17")
@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("subject", "  ", "Escriba el problema en una frase, por ejemplo el mensaje que le muestra el sistema"),
        ("subject", "x" * 121, "El problema va en una frase de hasta 120 caracteres; escribió 121"),
        ("subject", "a\0b", "La frase trae un carácter que no se puede guardar; escríbala de nuevo"),
        ("category", "", "Elija sobre qué es el problema"),
        ("category", "hacking", "Elija sobre qué es el problema, de la lista"),
        ("impact", "", "Elija cómo le afecta"),
        ("impact", "9", "Elija cómo le afecta, de las tres opciones"),
        ("description", "", "Escriba qué pasó"),
        ("description", "x" * 10_001, "Son hasta 10000 caracteres y escribió 10001."),
        ("description", "a\0b", "El texto trae un carácter que no se puede guardar."),
        ("steps", "", "Escriba los pasos que siguió, para que podamos reproducir el problema"),
        ("expected", "x" * 10_001, "Son hasta 10000 caracteres y escribió 10001."),
        ("cfdi_uuid", "6F1C2A90-7B3E-4D52", "El folio fiscal debe tener 36 caracteres; escribió 18"),
        ("cfdi_uuid", "Z" * 36, "El folio fiscal lleva números, letras de la A a la F y guiones"),
        ("cfdi_uuid", "a\0b", "El folio fiscal trae un carácter que no se puede guardar"),
    ],
)
def test_every_mistake_is_said_beside_its_field_and_above(send, field, value, says):
    response = send(**{field: value})
    html = response.content.decode()
    assert says in text_of(response)
    beside = re.search(rf'<div id="id_{field}_error".*?</div>', html, re.DOTALL)
    assert beside
    assert says in beside.group()
    assert says in html[: html.index("<h1>")]  # the error summary
    assert "<title>Error: Levantar ticket" in html
    assert "Este campo" not in html
    assert not Ticket.objects.exists()


@pytest.mark.clause("M4", "M17")
@pytest.mark.parametrize(("category", "says"), [("access", "esa categoría ya no se usa"), ("requests", "de la lista")])
def test_a_category_that_ended_meanwhile_or_is_not_the_customers_is_refused_beside_it(send, category, says):
    access = TicketCategory.objects.get(slug="access")
    catalogue.end_category(access.pk, supervisor=make_staff(Office.SUPERVISOR))
    page = send(category=category).content.decode()
    beside = re.search(r'<div id="id_category_error".*?</div>', page, re.DOTALL)
    assert beside
    assert says in beside.group()
    assert f'value="{category}"' not in page  # it is not offered any more
    assert not Ticket.objects.exists()


@pytest.mark.clause("M17")
def test_a_wrong_field_keeps_the_others_and_the_files(send):
    response = send(steps="", files=[png("pantalla.png")])
    page = text_of(response)
    assert "No puedo timbrar: error CFDI40147" in response.content.decode()
    assert "pantalla.png" in page
    assert "Conservamos 1 archivo que ya había subido." in page
    ticket = _sent(send(key=key_in(response)))
    assert ticket.files.get().attachment.name == "pantalla.png"


@pytest.mark.clause("M17")
def test_a_refused_file_is_named_and_the_good_ones_are_kept(send):
    bad = SimpleUploadedFile("virus.png", b"<html>no soy una imagen</html>", "image/png")
    response = send(files=[png("buena.png"), bad])
    page = text_of(response)
    assert "«virus.png»" in page
    assert "buena.png" in page
    assert not Ticket.objects.exists()
    assert [a.name for a in Attachment.objects.all()] == ["buena.png"]


@pytest.mark.clause("M17")
def test_a_sixth_file_is_refused(send):
    response = send(files=[png(f"{n}.png") for n in range(6)])
    assert "5.png" in text_of(response)
    assert Attachment.objects.count() == settings.ATTACHMENT_MAX_FILES
    assert not Ticket.objects.exists()


@pytest.mark.clause("M17")
def test_a_kept_file_is_taken_away_without_javascript(send):
    response = send(steps="", files=[png("una.png"), png("dos.png")])
    token = Attachment.objects.get(name="una.png").token
    response = send(key=key_in(response), quitar=token)
    assert "dos.png" in text_of(response)
    assert "una.png" not in text_of(response)
    assert "Error" not in response.content.decode()  # nothing was sent, so nothing is wrong
    assert 'value="No puedo timbrar: error CFDI40147"' in response.content.decode()


@pytest.mark.clause("M17")
def test_nobody_takes_away_anothers_file(send):
    other = Attachment.objects.create(token="x" * 43, name="ajeno.png", content_type="image/png", size=1, draft="otro")
    send(quitar=other.token)
    assert Attachment.objects.filter(pk=other.pk).exists()


@pytest.mark.clause("M17")
def test_a_photo_of_the_camera_input_is_a_file_too(send):
    assert _sent(send(photo=png("foto.png"))).files.count() == 1


@pytest.mark.clause("M10")
def test_a_double_click_is_one_ticket(send):
    first, second = send(), send()
    assert first.url == second.url
    assert Ticket.objects.count() == 1


@pytest.mark.clause("M10")
def test_the_same_form_with_another_text_is_kept_and_not_swallowed(send):
    send()
    response = send(description="Otra cosa.", files=[png("otra.png")])
    assert "otra.png" in text_of(response)
    assert "Este formulario ya se había enviado." in text_of(response)
    assert "Otra cosa." in response.content.decode()
    second = _sent(send(description="Otra cosa.", key=key_in(response), otro="1"))
    assert second.files.count() == 1
    assert Ticket.objects.count() == 2


@pytest.mark.clause("M17")
@pytest.mark.parametrize("key", ["", "forged", "another's"])
def test_a_key_that_is_not_this_persons_is_replaced(send, key):
    token = form_memory.new_key(make_contact(), "nuevo").token if key == "another's" else key
    response = send(key=token)
    assert "El formulario perdió su validez." in text_of(response)
    assert not Ticket.objects.exists()
    _sent(send(key=key_in(response)))


@pytest.mark.clause("M17")
def test_files_gone_meanwhile_are_asked_for_again(send, monkeypatch):
    response = send(steps="", files=[png()])
    gone = list(Attachment.objects.all())
    monkeypatch.setattr("accounts.web.mixins.form_memory.list_files", lambda key: gone)
    Attachment.objects.update(draft="")  # another tab's form took them
    assert "Un archivo ya no está disponible; súbalo de nuevo." in text_of(send(key=key_in(response)))
    assert not Ticket.objects.exists()


@pytest.mark.clause("M17")
def test_a_form_that_outlives_its_session_comes_back_after_the_login(client, ana):
    log_in(client, ana)
    key = key_in(client.get(URL))
    client.logout()
    response = client.post(URL, {**ANSWERS, "key": key, "files": [png("captura.png")]})
    assert response.url == f"{reverse('account_login')}?next={URL}"
    log_in(client, ana)
    page = client.get(URL)
    assert "Recuperamos lo que escribió antes de que se cerrara su sesión." in text_of(page)
    assert 'value="No puedo timbrar: error CFDI40147"' in page.content.decode()
    assert "captura.png" in text_of(page)
    ticket = _sent(client.post(URL, {**ANSWERS, "key": key_in(page)}))
    assert ticket.files.count() == 1
    assert "Recuperamos" not in text_of(client.get(URL))


@pytest.mark.clause("M17")
def test_that_draft_is_nobody_elses(client, ana):
    log_in(client, ana)
    key = key_in(client.get(URL))
    client.logout()
    client.post(URL, {**ANSWERS, "key": key})
    log_in(client, make_contact(ana.contact.customer))
    page = client.get(URL)
    assert "Recuperamos" not in text_of(page)
    assert "CFDI40147" not in page.content.decode()


@pytest.mark.clause("M17")
@pytest.mark.parametrize("age", ["forged", "old"])
def test_without_a_session_a_forged_or_old_form_stores_nothing(client, ana, age):
    with time_machine.travel("2026-11-20 10:00-06:00", tick=False):
        key = form_memory.new_key(ana, "nuevo").token if age == "old" else "forged"
    with time_machine.travel("2026-11-22 10:00:01-06:00", tick=False):
        client.post(URL, {**ANSWERS, "key": key, "files": [png()]})
    assert not Attachment.objects.exists()
    assert "form.draft" not in client.session


@pytest.mark.clause("M11")
def test_a_similar_open_ticket_is_asked_about_once_without_javascript(send, ana):
    other = make_ticket(requester=make_contact(ana.contact.customer), subject="Error CFDI40147 al timbrar")
    response = send(files=[png("captura.png")])
    page = text_of(response)
    assert "Todavía no levantamos su ticket" in page
    assert other.number in page
    assert "Es otro problema: levantar ticket" in page
    assert "captura.png" in page
    assert Ticket.objects.count() == 1
    assert 'name="otro" value="1"' in response.content.decode()
    assert _sent(send(key=key_in(response), otro="1")).files.count() == 1


@pytest.mark.clause("M11")
def test_adding_to_the_similar_one_carries_text_and_files(client, send, ana):
    other = make_ticket(requester=ana, subject="Error CFDI40147 al timbrar")
    response = send(agregar_a=other.number, files=[png("captura.png")])
    assert response.url == f"/tickets/{other.number}/#responder"
    page = client.get(response.url)
    assert "Trajimos aquí lo que estaba escribiendo." in text_of(page)
    assert "Dice CFDI40147." in page.content.decode()
    assert "captura.png" in text_of(page)
    url = reverse("tickets:add_information", args=[other.number])
    client.post(url, {"body": "Dice CFDI40147.", "key": key_in(page)})
    assert other.messages.last().files.count() == 1
    assert "Trajimos" not in text_of(client.get(f"/tickets/{other.number}/"))


@pytest.mark.clause("M11")
def test_nothing_that_was_typed_is_left_behind(client, send, ana):
    other = make_ticket(requester=ana, subject="Error CFDI40147 al timbrar")
    long = {"description": "d" * 9990 + " fin de uno", "steps": "s" * 9990 + " fin de dos"}
    folio = "6F1C2A90-7B3E-4D52-9ABC-0123456789AB"
    url = send(agregar_a=other.number, expected="Que timbrara.", cfdi_uuid=folio, **long).url
    page = client.get(url).content.decode()
    for typed in ("fin de uno", "fin de dos", "Qué esperaba que pasara:\nQue timbrara.", folio):
        assert typed in page


@pytest.mark.clause("M11")
@pytest.mark.parametrize("number", ["FY-0000-0000", "no es un número", "ajeno"])
def test_adding_to_a_ticket_that_is_not_ones_own_only_shows_the_form_again(send, number):
    response = send(agregar_a=make_ticket().number if number == "ajeno" else number)
    assert response.status_code == 200
    assert "Dice CFDI40147." in response.content.decode()


@pytest.mark.clause("M11")
def test_the_suggestion_fetched_by_the_script_shows_the_companys_own_only(client, ana):
    mine = make_ticket(requester=ana, subject="Error CFDI40147 al timbrar")
    stranger = make_ticket(subject="Error CFDI40147 al timbrar")
    log_in(client, ana)
    fragment = client.get("/tickets/parecidos/", {"asunto": "no timbra: CFDI40147"}).content.decode()
    assert mine.number in fragment
    assert stranger.number not in fragment
    assert client.get("/tickets/parecidos/", {"asunto": ""}).content.decode().strip() == ""


@pytest.mark.clause("M10")
def test_a_company_still_to_be_verified_opens_tickets(client):
    person = make_contact(make_customer(verified=False))
    log_in(client, person)
    response = client.post(URL, {**ANSWERS, "key": key_in(client.get(URL))})
    assert _sent(response).customer == person.contact.customer


@pytest.mark.clause("M3")
@pytest.mark.parametrize("make", [make_agent, make_user])
@pytest.mark.parametrize("path", [URL, "/tickets/", "/tickets/parecidos/"])
def test_who_is_no_customer_is_told_where_to_go(client, make, path):
    log_in(client, make())
    response = client.get(path)
    assert response.status_code == 403
    assert "Esta página es de los clientes" in text_of(response)


@pytest.mark.clause("M17")
def test_the_fiscal_folio_is_kept_in_one_form(send):
    loose = "6f1c2a907b3e4d529abc0123456789ab"
    assert _sent(send(cfdi_uuid=loose)).cfdi_uuid == "6F1C2A90-7B3E-4D52-9ABC-0123456789AB"


@pytest.mark.clause("M17")
@pytest.mark.parametrize("name", Ticket.FACTS)
def test_every_fact_is_asked_for_and_shown(client, send, name):
    assert f'name="{name}"' in client.get(URL).content.decode()
    ticket = _sent(send(**FACTS))
    assert getattr(ticket, name) == FACTS[name]
    assert FACTS[name] in text_of(client.get(f"/tickets/{ticket.number}/"))


@pytest.mark.clause("M11")
@pytest.mark.parametrize("name", Ticket.FACTS)
def test_every_fact_goes_with_the_text_to_another_ticket(client, send, ana, name):
    other = make_ticket(requester=ana, subject="Error CFDI40147 al timbrar")
    assert FACTS[name] in client.get(send(agregar_a=other.number, **FACTS).url).content.decode()


@pytest.mark.clause("M10")
def test_whose_company_was_joined_meanwhile_sends_it_again_and_it_arrives(client, ana, monkeypatch):
    second = make_contact(make_customer(ana.contact.customer.rfc, verified=False))
    log_in(client, second)
    form = {**ANSWERS, "key": key_in(client.get(URL)), "files": [png("captura.png")]}
    as_it_was, joined = operations.open_ticket, []

    def too_late(**wanted: Any) -> Ticket:
        joined.append(join_company(second.contact.customer_id, actor=make_agent()))
        return as_it_was(**wanted)

    with monkeypatch.context() as patch:
        patch.setattr(operations, "open_ticket", too_late)
        page = client.post(URL, form)
    assert "Su cuenta cambió mientras escribía" in text_of(page)
    assert "captura.png" in text_of(page)
    ticket = _sent(client.post(URL, {**form, "key": key_in(page), "files": []}))
    assert (ticket.customer, ticket.files.count()) == (ana.contact.customer, 1)


@pytest.mark.clause("M17")
def test_opening_takes_at_most_twelve_statements(send):
    with statements() as found:
        response = send()
    _sent(response)
    assert len(found) <= 12, "\n".join(found)


@pytest.mark.clause("M17")
def test_pages_of_a_person_are_kept_by_no_cache(client, ana):
    log_in(client, ana)
    assert "no-store" in client.get(URL)["Cache-Control"]


def _sent(response) -> Ticket:
    assert response.status_code == 302, text_of(response)
    assert response.url.endswith("/creado/")
    return Ticket.objects.get(number=response.url.split("/")[2])


@pytest.mark.clause("M4", "M17")
@pytest.mark.parametrize(
    "chosen",
    [
        {"impact": "1"},
        {"category": "sales", "impact": "1"},
        {"category": "sales"},
        {"category": "sales", "impact": "2"},
    ],
)
def test_people_h5_a_question_and_a_sale_need_no_steps(send, chosen):
    response = send(**chosen, steps="", description="¿Cuánto cuesta el paquete de 500?")
    assert response.status_code == 302
    assert Ticket.objects.get().messages.get().body == "¿Cuánto cuesta el paquete de 500?"


@pytest.mark.clause("M17")
@pytest.mark.parametrize("impact", ["2", "3"])
def test_people_h5_a_problem_still_needs_its_steps(send, impact):
    response = send(impact=impact, steps=" ")
    assert "Escriba los pasos que siguió" in text_of(response)
    assert not Ticket.objects.exists()


@pytest.mark.clause("M4", "M17")
def test_people_h5_a_question_is_asked_in_its_own_words_and_keeps_every_word(send):
    response = send(impact="1", description="", steps="Abrí la tienda")
    assert "Escriba qué necesita saber" in text_of(response)
    assert "¿Qué necesita saber?" in text_of(response)
    response = send(impact="1", description="¿Dónde está?", steps="Abrí la tienda")
    assert Ticket.objects.get().messages.get().body.endswith("1. Abrí la tienda")
