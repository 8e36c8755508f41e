"""The agent's pages in Chromium: keyboard, two drafts, axe on what only a POST shows, in both themes (M13–M16)."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.test import Client

from accounts.tests.factories import make_agent, make_contact, make_customer
from tickets import operations
from tickets.models import Note, Ticket
from tickets.tests.desk import QUEUE, page_of
from tickets.tests.factories import make_ticket
from tickets.tests.pages import log_in, png

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def agent():
    return make_agent(full_name="Darío Salgado")


@pytest.fixture
def desk(page, live_server, agent):
    """Opens an address of the admin as the agent; in the end nothing may have gone wrong on the console."""
    client, wrong = Client(), []
    log_in(client, agent)
    cookie = client.cookies["sessionid"].value
    page.context.add_cookies([{"name": "sessionid", "value": cookie, "url": live_server.url}])
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    yield lambda path: page.goto(live_server.url + path)
    assert not wrong


def accessible(page):
    for theme in ("light", "dark"):
        page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
        page.wait_for_timeout(300)  # the admin's links change colour within 150 ms
        found = Axe().run(page).response["violations"]
        assert not found, (theme, [(v["id"], [n["target"] for n in v["nodes"]]) for v in found])


@pytest.mark.clause("M14", "M16")
def test_keys_lead_to_reply_and_note_whose_drafts_stay_apart(page, desk):
    ticket = make_ticket()
    desk(page_of(ticket))
    page.keyboard.press("r")
    page.keyboard.type("Ya quedó, ¿me confirma?")
    page.locator("h1").click()
    page.keyboard.press("n")
    assert page.input_value("#body") == ""
    page.keyboard.type("Ojo con este caso.")
    assert page.get_by_text("Guardar nota").is_visible()
    assert not page.locator("#after").is_visible()
    page.locator("h1").click()
    page.keyboard.press("r")
    assert page.input_value("#body") == "Ya quedó, ¿me confirma?"
    page.locator("h1").click()
    page.keyboard.press("e")
    assert page.evaluate("document.activeElement.id") == "after"
    page.locator("h1").click()
    page.keyboard.press("a")
    assert page.evaluate("document.activeElement.id") == "assignee"
    page.click("text=Desactivar")
    page.reload()
    page.locator("h1").click()
    page.keyboard.press("a")
    assert page.evaluate("document.activeElement.id") != "assignee"


@pytest.mark.clause("M14", "M17")
def test_an_error_and_a_newer_message_keep_the_draft_and_pass_axe(page, desk):
    ticket = make_ticket()
    desk(page_of(ticket))
    page.set_input_files(
        "#id_files", {"name": "uno.png", "mimeType": "image/png", "buffer": png().read()}
    )
    assert "uno.png" in page.inner_text("[data-fy-filelist]")
    page.fill("#body", "¿Qué versión usa?")
    page.click("button:has-text('Enviar al cliente')")
    page.wait_for_selector("[data-fy-errors]")
    assert page.title().startswith("Error: ")
    assert page.evaluate("document.activeElement.hasAttribute('data-fy-errors')")
    accessible(page)
    page.click("text=Elija qué pasa con el ticket al enviar su respuesta. >> nth=0")
    assert page.evaluate("document.activeElement.id") == "after"
    operations.add_information(ticket.pk, author=ticket.requester, body="Es la 4.0")
    page.select_option("#after", "detalle")
    page.click("button:has-text('Enviar al cliente')")
    page.wait_for_selector("text=Llegó mientras usted escribía")
    accessible(page)
    page.click("button:has-text('Enviar al cliente')")
    page.wait_for_url("**#mensaje-3")
    accessible(page)
    ticket.refresh_from_db()
    assert (ticket.status, ticket.message_count, ticket.files.count()) == ("waiting", 3, 1)


@pytest.mark.clause("M3")
def test_the_queue_is_worked_by_keyboard_and_in_bulk(page, desk, agent):
    contact = make_contact(make_customer(legal_name="Papelería Ocaso"))
    for _ in range(3):
        make_ticket(requester=contact)
    desk(f"{QUEUE}?vista=por-asignar")
    accessible(page)
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "q"
    page.locator("[name=elegido]").nth(0).check()
    page.locator("[name=elegido]").nth(2).check()
    assert page.inner_text("label[for=act]") == "Con los 2 seleccionados"
    page.click("text=Ejecutar")
    page.wait_for_selector("text=2 tickets: ahora los atiende Darío Salgado.")
    accessible(page)
    assert Ticket.objects.filter(assignee=agent).count() == 2


@pytest.mark.clause("M16")
def test_a_note_works_without_javascript(browser, browser_context_args, live_server, agent):
    ticket = make_ticket()
    client = Client()
    log_in(client, agent)
    context = browser.new_context(**browser_context_args | {"java_script_enabled": False})
    cookie = client.cookies["sessionid"].value
    context.add_cookies([{"name": "sessionid", "value": cookie, "url": live_server.url}])
    plain = context.new_page()
    plain.goto(live_server.url + page_of(ticket))
    plain.check("#c-note")
    assert not plain.get_by_text("Enviar al cliente").is_visible()
    assert plain.locator("#id_files").is_visible()
    plain.fill("#body", "Sin guion.")
    plain.click("button:has-text('Guardar nota')")
    context.close()
    assert Note.objects.get().body == "Sin guion."
