"""«Registrar llamada» and the providers in Chromium, also without script and on a narrow screen (M3–M5)."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe

from accounts.models import Office, Provider
from factureya.testing.calls import make_verified_call, read_code
from factureya.testing.desk import QUEUE, page_of
from factureya.testing.pages import cookies_of
from factureya.testing.people import make_agent, make_contact, make_customer, make_staff, own_provider
from factureya.testing.tickets import make_ticket
from tickets import operations
from tickets.models import Call, Ticket

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def caller():
    own_provider()
    company = make_customer(
        "POC930314QX7",
        "Papelería Ocaso SA de CV",
        phone="222 555 0134",
        registered_email="facturacion@ocaso.mx",
        fiscal_address="Av. Reforma 512, Centro, 72000 Puebla, Pue.",
    )
    person = make_contact(company, full_name="Ana Belén Rivas Montiel", email="ana@ocaso.mx")
    make_ticket("waiting", requester=person, subject="No puedo timbrar: error CFDI40147")
    return person


@pytest.fixture
def visit(page, live_server):
    """Opens an address as a person; in the end nothing may have gone wrong on the console."""
    wrong = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)

    def go(person, path):
        page.context.add_cookies(cookies_of(person, live_server.url))
        page.goto(live_server.url + path)

    yield go
    assert not wrong


def fits_and_is_accessible(page, shots, name):
    """No sideways scroll at 320 px, no violation in either theme; a picture of each width to look at."""
    for width in (1280, 320):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (name, width)
        page.screenshot(path=shots / f"{name}-{width}.png", full_page=True)
    page.set_viewport_size({"width": 1280, "height": 900})
    for theme in ("light", "dark"):
        page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
        page.wait_for_timeout(300)
        found = Axe().run(page).response["violations"]
        assert not found, (name, theme, [(v["id"], [n["target"] for n in v["nodes"]]) for v in found])


@pytest.mark.clause("M5", "M15")
def test_a_call_from_the_search_to_the_close(page, visit, caller, tmp_path):
    agent = make_agent(full_name="Darío Salgado")
    visit(agent, f"{QUEUE}telefono/?q=ana rivas")
    fits_and_is_accessible(page, tmp_path, "telefono")
    page.get_by_role("button", name="Atender a Ana Belén Rivas Montiel").click()
    page.get_by_role("heading", name="Llamada de Ana Belén Rivas Montiel").wait_for()
    assert not page.get_by_text("CFDI40147").count()
    page.fill("#id_description", "Que sigue sin poder timbrar.")
    page.get_by_role("button", name="Enviar el código").click()
    page.get_by_text("fac•••••@ocaso.mx").first.wait_for()
    assert page.input_value("#id_description") == "Que sigue sin poder timbrar."
    fits_and_is_accessible(page, tmp_path, "llamada-sin-comprobar")
    page.fill("#cifras", read_code(Call.objects.get()))
    page.get_by_role("button", name="Comprobar").click()
    page.get_by_text("Av. Reforma 512").wait_for()
    assert page.input_value("#id_description") == "Que sigue sin poder timbrar."
    fits_and_is_accessible(page, tmp_path, "llamada-comprobada")
    page.get_by_role("button", name=re.compile("Agregar a este")).click()
    page.get_by_role("status").filter(has_text="que queda Abierto").wait_for()
    page.get_by_role("link", name=re.compile("Confirma que se resolvió")).click()
    page.get_by_label(re.compile("Ana Belén Rivas Montiel, comprobado por código")).check()
    fits_and_is_accessible(page, tmp_path, "confirmar")
    page.get_by_role("button", name="Cerrar: el cliente confirmó").click()
    page.get_by_role("status").filter(has_text="quedó Cerrado").wait_for()
    assert Ticket.objects.get().status == "closed"


@pytest.mark.clause("M11")
def test_a_similar_ticket_comes_as_one_leaves_the_subject_and_enter_never_adds_to_it(page, visit, caller, tmp_path):
    agent = make_agent()
    call = make_verified_call(caller, agent=agent)
    visit(agent, f"{QUEUE}telefono/{call.pk}/")
    page.fill("#id_subject", "Sigue el error CFDI40147")
    page.press("#id_subject", "Tab")
    page.get_by_text("Se parece a").wait_for()
    fits_and_is_accessible(page, tmp_path, "llamada-parecido")
    page.fill("#id_description", "Que sigue.")
    page.select_option("#id_category", "stamping")
    page.select_option("#id_impact", "1")
    page.press("#id_subject", "Enter")
    page.get_by_role("status").filter(has_text="Levantó el ticket").wait_for()
    assert Ticket.objects.count() == 2


@pytest.mark.clause("M4")
def test_a_sales_call(page, visit, caller, tmp_path):
    visit(make_agent(), f"{QUEUE}telefono/ventas/")
    page.get_by_role("button", name="Anotar").click()
    page.get_by_role("heading", name=re.compile("Falta corregir")).wait_for()
    page.fill("#id_caller_name", "Luis Mora")
    page.fill("#id_caller_phone", "222 555 0199")
    page.get_by_role("button", name="Anotar").click()
    page.get_by_role("button", name=re.compile("Ya se le atendió")).wait_for()
    assert page.input_value("#id_caller_name") == ""
    fits_and_is_accessible(page, tmp_path, "ventas")


@pytest.mark.clause("M3")
def test_a_supervisor_takes_a_ticket_back_and_a_third_party_sees_no_mail(page, visit, caller, tmp_path):
    laura, external = make_staff(Office.SUPERVISOR, full_name="Laura Méndez"), Provider.objects.create(name="Externo")
    irma = make_staff(Office.THIRD_PARTY_AGENT, provider=external, full_name="Irma Externa")
    ticket = Ticket.objects.get()
    operations.hand_over(ticket.pk, supervisor=laura, provider=external)
    visit(irma, page_of(ticket))
    page.get_by_text("[correo oculto]").first.wait_for()
    assert "ocaso.mx" not in page.content()
    fits_and_is_accessible(page, tmp_path, "tercero")
    visit(laura, f"{QUEUE}prestadores/")
    fits_and_is_accessible(page, tmp_path, "prestadores")
    page.get_by_role("link", name="Externo").click()
    fits_and_is_accessible(page, tmp_path, "prestador")
    page.get_by_label(f"Elegir {ticket.number}").check()
    page.get_by_role("button", name="Turnar").click()
    page.get_by_role("status").filter(has_text="1 ticket ahora de Factureya").wait_for()


@pytest.mark.clause("M5")
def test_a_companys_page(page, visit, caller, tmp_path):
    visit(make_agent(), f"/admin/accounts/customer/{caller.contact.customer_id}/")
    page.get_by_role("heading", name="Tickets vigentes (1)").wait_for()
    fits_and_is_accessible(page, tmp_path, "ficha")
    page.get_by_role("link", name="Registrar llamada").last.click()
    page.get_by_role("button", name=re.compile("Atender a Ana")).wait_for()


@pytest.mark.clause("M5")
def test_without_script_a_call_works_too(browser, browser_context_args, live_server, caller):
    context = browser.new_context(**browser_context_args | {"java_script_enabled": False})
    agent = make_agent()
    context.add_cookies(cookies_of(agent, live_server.url))
    page = context.new_page()
    page.goto(f"{live_server.url}{QUEUE}telefono/?q=rivas")
    page.get_by_role("button", name=re.compile("Atender")).click()
    page.get_by_role("button", name="Enviar el código").click()
    page.fill("#cifras", read_code(Call.objects.get()))
    page.get_by_role("button", name="Comprobar").click()
    page.get_by_text("Av. Reforma 512").wait_for()
    context.close()
