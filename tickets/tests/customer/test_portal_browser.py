"""The customer's pages in Chromium: the script's help, and axe on what only a POST shows (M11, M15, M17)."""

import base64

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.test import Client

from factureya.testing.pages import log_in, png
from factureya.testing.people import make_agent, make_contact
from factureya.testing.tickets import make_ticket
from tickets import notifications, operations
from tickets.customer import lookup
from tickets.models import Ticket

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PASTE = """(b64) => {
  const bytes = Uint8Array.from(atob(b64), (c) => c.charCodeAt(0));
  const data = new DataTransfer();
  data.items.add(new File([bytes], "pegada.png", { type: "image/png" }));
  document.querySelector("#id_description").dispatchEvent(
    new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
}"""


@pytest.fixture
def enter(page, live_server):
    """Sign a person in, in this browser."""

    def sign_in(person):
        client = Client()
        log_in(client, person)
        cookie = client.cookies["sessionid"].value
        page.context.add_cookies([{"name": "sessionid", "value": cookie, "url": live_server.url}])

    page.on("pageerror", lambda error: pytest.fail(str(error)))
    return sign_in


def accessible(page):
    """No axe violation; the page has what the error states promise."""
    found = Axe().run(page).response["violations"]
    assert not found, [(v["id"], [n["target"] for n in v["nodes"]]) for v in found]


def fill(page, **changes):
    fields = {"subject": "No timbra CFDI40147", "description": "Dice error.", "steps": "Entré\nTimbré", **changes}
    for name, text in fields.items():
        page.fill(f"#id_{name}", text)
    page.select_option("#id_category", "stamping")
    page.check("#id_impact_0")


@pytest.mark.clause("M17")
def test_a_pasted_screenshot_goes_with_the_ticket(page, live_server, enter, ana):
    enter(ana)
    page.goto(f"{live_server.url}/tickets/nuevo/")
    fill(page)
    image = base64.b64encode(png().read()).decode()
    page.evaluate(PASTE, image)
    page.evaluate(PASTE, image)
    assert page.locator("[data-fy-filelist] li").count() == 2
    page.locator("[data-fy-filelist] button").first.click()
    assert page.locator("[data-fy-filelist] li").count() == 1
    page.click("main form >> text=Levantar ticket >> nth=-1")
    page.wait_for_url("**/creado/")
    accessible(page)
    assert page.locator("[data-fy-copy]").is_visible()
    assert Ticket.objects.get().files.get().attachment.name == "pegada.png"


@pytest.mark.clause("M11")
def test_similar_tickets_come_as_one_leaves_the_subject(page, live_server, enter, ana):
    other = make_ticket(requester=ana, subject="Error CFDI40147 al timbrar")
    enter(ana)
    page.goto(f"{live_server.url}/tickets/nuevo/")
    fill(page)
    page.wait_for_selector(f"text={other.number}")
    accessible(page)
    page.click("text=Agregar información")
    page.wait_for_url(f"**/tickets/{other.number}/#responder")
    assert "Dice error." in page.input_value("#id_body")
    accessible(page)


@pytest.mark.clause("M11")
def test_enter_in_the_subject_never_adds_to_the_similar_ticket(page, live_server, enter, ana):
    make_ticket(requester=ana, subject="Error CFDI40147 al timbrar")
    enter(ana)
    page.goto(f"{live_server.url}/tickets/nuevo/")
    fill(page)
    page.wait_for_selector(".fy-like")
    page.press("#id_subject", "Enter")
    page.wait_for_url("**/creado/")
    assert Ticket.objects.count() == 2


@pytest.mark.clause("M17")
def test_errors_take_the_focus_and_pass_axe(page, live_server, enter, ana):
    enter(ana)
    page.goto(f"{live_server.url}/tickets/nuevo/")
    page.set_input_files("#id_files", {"name": "malo.png", "mimeType": "image/png", "buffer": b"no"})
    page.click("main form >> text=Levantar ticket >> nth=-1")
    page.wait_for_selector("[data-fy-errors]")
    assert page.title().startswith("Error: ")
    assert page.evaluate("document.activeElement.hasAttribute('data-fy-errors')")
    accessible(page)
    page.click("text=Elija cómo le afecta >> nth=0")
    assert page.evaluate("document.activeElement.name") == "impact"


@pytest.mark.clause("M11", "M17")
def test_without_javascript_the_question_and_the_kept_file_are_there(browser, live_server, ana):
    make_ticket(requester=ana, subject="Error CFDI40147 al timbrar")
    context = browser.new_context(java_script_enabled=False)
    client = Client()
    log_in(client, ana)
    context.add_cookies([{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": live_server.url}])
    page = context.new_page()
    page.goto(f"{live_server.url}/tickets/nuevo/")
    fill(page)
    page.set_input_files("#id_files", {"name": "una.png", "mimeType": "image/png", "buffer": png().read()})
    page.click("main form >> text=Levantar ticket >> nth=-1")
    assert page.locator("text=Todavía no levantamos su ticket").is_visible()
    page.click("text=Quitar una.png")
    assert page.locator("text=Quitar una.png").count() == 0
    page.click("main form >> text=Levantar ticket >> nth=-1")
    page.click("text=Es otro problema: levantar ticket")
    page.wait_for_url("**/creado/")
    context.close()


@pytest.mark.clause("M15")
def test_the_wait_counts_down_and_a_click_confirms(page, live_server, enter, ana):
    ticket = make_ticket(requester=ana)
    operations.answer(ticket.pk, agent=make_agent(), body="Listo.", wait_reason="authorization", proposes_solution=True)
    enter(ana)
    page.goto(f"{live_server.url}/tickets/{ticket.number}/")
    assert page.locator(".fy-count__n").inner_text().startswith(("2 d 23 h", "3 d"))
    page.click("text=Confirmar que se resolvió >> nth=0")
    page.click("text=Sí, quedó resuelto")
    page.wait_for_selector("text=Cómo terminó")
    accessible(page)


@pytest.mark.clause("M13")
def test_a_refused_message_keeps_its_draft_and_passes_axe(page, live_server, enter, ana):
    ticket = make_ticket(Ticket.Status.WAITING, requester=ana)
    enter(ana)
    page.goto(f"{live_server.url}/tickets/{ticket.number}/")
    page.click("text=Enviar respuesta >> nth=-1")
    page.wait_for_selector("[data-fy-errors]")
    accessible(page)


@pytest.mark.clause("M16")
def test_look_up_link_and_explanations_pass_axe(page, live_server, ana):
    ticket = make_ticket(Ticket.Status.WAITING, requester=ana)
    page.goto(f"{live_server.url}/tickets/consultar/?n={ticket.number}")
    for email, marker in (("x@y.mx", "[data-fy-errors]"), ("ana@ocaso.mx", "#resultado")):
        page.fill("#id_email", email)
        page.click("main >> text=Consultar >> nth=-1")
        page.wait_for_selector(marker)
        accessible(page)
    page.click("text=Enviarme un enlace para responder")
    page.wait_for_selector("text=Enviamos un enlace a ese correo.")
    accessible(page)
    page.goto(f"{live_server.url}/enlace/x/")
    accessible(page)
    page.goto(f"{live_server.url}/enlace/{notifications.make_link_token(ana, ticket)}/")
    assert page.url.endswith(f"/tickets/{ticket.number}/")
    accessible(page)
    assert lookup.find_ticket(ticket.number, "ana@ocaso.mx") == ticket


@pytest.mark.clause("M17")
def test_people_h1_a_customers_reply_stays_until_it_is_sent(page, live_server, enter, ana):
    ticket = make_ticket("waiting", requester=ana)
    enter(ana)
    address = f"{live_server.url}/tickets/{ticket.number}/"
    page.goto(address)
    page.fill("#id_body", "Sigue igual desde la mañana")
    page.click("text=Mis tickets >> nth=0")
    page.wait_for_url("**/tickets/")
    page.goto(address)
    assert page.input_value("#id_body") == "Sigue igual desde la mañana"
    page.click("main .fy-btn--primary:has-text('Enviar respuesta')")
    page.wait_for_selector("text=Recibimos su mensaje")
    assert page.input_value("#id_body") == ""
    assert page.evaluate("Object.keys(sessionStorage).length") == 0
    page.fill("#id_body", "Ahora sí, gracias")
    page.click("text=Enviar y confirmar que se resolvió")
    page.wait_for_load_state()
    assert Ticket.objects.get().is_closed
    assert page.evaluate("Object.keys(sessionStorage).length") == 0


@pytest.mark.clause("M17")
def test_people_h1_a_reply_that_never_arrived_comes_back(page, live_server, enter, ana):
    ticket = make_ticket("waiting", requester=ana)
    enter(ana)
    address = f"{live_server.url}/tickets/{ticket.number}/"
    page.goto(address)
    page.fill("#id_body", "Esto se quedó en el camino")
    page.route("**/informacion/", lambda route: route.abort())
    page.click("main .fy-btn--primary:has-text('Enviar respuesta')")
    page.wait_for_timeout(300)
    page.goto(address)
    assert page.input_value("#id_body") == "Esto se quedó en el camino"


@pytest.mark.clause("M16", "M17")
def test_people_h1_the_next_person_in_this_browser_finds_no_text(page, live_server, enter, ana):
    ticket = make_ticket("waiting", requester=ana)
    beto = make_contact(ana.contact.customer, email="beto@ocaso.mx")
    enter(ana)
    page.goto(f"{live_server.url}/tickets/{ticket.number}/")
    page.fill("#id_body", "Solo de Ana")
    enter(beto)
    page.goto(f"{live_server.url}/tickets/{ticket.number}/")
    assert page.input_value("#id_body") == ""
    assert page.evaluate("Object.keys(sessionStorage).length") == 0


@pytest.mark.clause("M4", "M17")
def test_people_h5_a_question_shows_no_steps_and_loses_none(page, live_server, enter, ana):
    enter(ana)
    page.goto(f"{live_server.url}/tickets/nuevo/")
    assert page.locator("#id_steps").is_visible()
    page.check("#id_impact_2")
    assert not page.locator("#id_steps").is_visible()
    assert page.get_by_text("¿Qué necesita saber?").is_visible()
    assert not page.get_by_text("¿Qué pasó?").is_visible()
    accessible(page)
    page.check("#id_impact_0")
    page.fill("#id_steps", "Entré")
    page.select_option("#id_category", "sales")
    assert page.locator("#id_steps").is_visible()
