"""The agent's pages in Chromium: keyboard, two drafts, axe on what only a POST shows, in both themes (M13–M16)."""

import base64
import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.core.files.uploadedfile import SimpleUploadedFile

from factureya.core.files import store
from factureya.core.models import Attachment
from factureya.testing.desk import QUEUE, page_of
from factureya.testing.pages import cookies_of, png
from factureya.testing.people import make_agent, make_contact, make_customer
from factureya.testing.tickets import make_ticket
from tickets import operations
from tickets.models import Note, Ticket

PASSWORD = "Factureya-demo-2026"
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def agent():
    person = make_agent(full_name="Darío Salgado")
    person.set_password(PASSWORD)
    person.save()
    return person


@pytest.fixture
def desk(page, live_server, agent):
    """Opens an address of the admin as the agent; in the end nothing may have gone wrong on the console."""
    wrong = []
    page.context.add_cookies(cookies_of(agent, live_server.url))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    yield lambda path: page.goto(live_server.url + path)
    assert not wrong


@pytest.fixture
def plain(browser, browser_context_args, live_server, agent):
    """A ticket's page as the agent sees it without JavaScript."""
    context = browser.new_context(**browser_context_args | {"java_script_enabled": False})
    context.add_cookies(cookies_of(agent, live_server.url))
    page = context.new_page()
    page.goto(live_server.url + page_of(make_ticket()))
    return page


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
    assert page.input_value("#note") == ""
    page.keyboard.type("Ojo con este caso.")
    assert not page.locator("#body").is_visible()
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
    page.set_input_files("#id_files", {"name": "uno.png", "mimeType": "image/png", "buffer": png().read()})
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
def test_a_note_works_without_javascript(plain):
    plain.check("#c-note")
    assert not plain.get_by_text("Enviar al cliente").is_visible()
    assert plain.locator("#id_note_files").is_visible()
    plain.fill("#note", "Sin guion.")
    plain.click("button:has-text('Guardar nota')")
    plain.context.close()
    assert Note.objects.get().body == "Sin guion."


def type_both(page):
    page.fill("#body", "Ya lo corregimos, ¿nos confirma?")
    page.check("#c-note")
    page.fill("#note", "Es un caso de la lista vieja.")


def both(page):
    return page.input_value("#body"), page.input_value("#note")


BOTH = ("Ya lo corregimos, ¿nos confirma?", "Es un caso de la lista vieja.")
PASTE = """([name, picture]) => {
  const bytes = Uint8Array.from(atob(picture), (c) => c.charCodeAt(0)), data = new DataTransfer();
  data.items.add(new File([bytes], "image.png", { type: "image/png" }));
  document.getElementById(name).dispatchEvent(
    new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
}"""


@pytest.mark.clause("M17")
def test_people_h1_another_page_and_f5_keep_reply_and_note_apart(page, desk):
    first, second = make_ticket(), make_ticket()
    desk(page_of(first) + "?vista=abiertos")
    type_both(page)
    page.reload()
    assert both(page) == BOTH
    assert page.is_checked("#c-note")
    page.click("text=Siguiente ›")
    page.wait_for_url(f"**/{second.pk}/change/**")
    assert both(page) == ("", "")
    page.click("text=‹ Anterior")
    assert both(page) == BOTH


@pytest.mark.clause("M17")
def test_people_h1_save_and_send_note_keep_the_reply_and_what_was_sent_is_gone(page, desk):
    ticket = make_ticket()
    desk(page_of(ticket))
    type_both(page)
    page.select_option("#category", "access")
    page.click("text=Guardar >> nth=0")
    page.wait_for_selector("text=Cambios guardados.")
    assert both(page) == BOTH
    page.focus("#note")
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**#nota-*")
    assert both(page) == (BOTH[0], "")
    page.select_option("#after", "detalle")
    page.focus("#body")
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**#mensaje-2")
    assert both(page) == ("", "")
    page.reload()
    assert both(page) == ("", "")
    assert page.evaluate("Object.keys(sessionStorage).length") == 0
    assert (ticket.messages.last().body, Note.objects.get().body) == BOTH


@pytest.mark.clause("M17")
def test_people_h1_a_picture_pasted_in_the_reply_never_ends_in_the_note(page, desk):
    ticket = make_ticket()
    desk(page_of(ticket))
    page.evaluate(PASTE, ["body", base64.b64encode(png().read()).decode()])
    page.check("#c-note")
    page.fill("#note", "Solo para nosotros")
    page.click("button:has-text('Guardar nota')")
    page.wait_for_url("**#nota-*")
    file = Attachment.objects.get()
    assert not ticket.files.exists()
    assert re.fullmatch(r"captura \d{4}-\d\d-\d\d \d\d\.\d\d\.png", file.name)
    assert file.name in page.inner_text(".when-reply .fy-files")


@pytest.mark.clause("M17")
def test_people_h1_leaving_is_warned_about_only_when_a_file_would_be_lost(page, desk):
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    ticket = make_ticket()
    desk(page_of(ticket))
    page.fill("#body", "Esto se conserva")
    page.click("#nav-sidebar a >> nth=0")
    page.wait_for_url("**vista=**")
    assert asked == []
    desk(page_of(ticket))
    file = {"name": "uno.png", "mimeType": "image/png", "buffer": png().read()}
    page.set_input_files("#id_files", file)
    page.click("#nav-sidebar a >> nth=0")
    page.wait_for_url("**vista=**")
    assert asked == ["beforeunload"]


@pytest.mark.clause("M17")
def test_people_h1_the_text_is_gone_from_the_browser_at_logout(page, desk):
    desk(page_of(make_ticket()))
    type_both(page)
    assert page.evaluate("Object.keys(sessionStorage).length") == 1
    page.click("text=Salir")
    page.wait_for_selector("text=Ingresar")
    assert page.evaluate("Object.keys(sessionStorage).length") == 0


@pytest.mark.clause("M17")
def test_people_h1_nothing_is_lost_without_javascript(plain):
    type_both(plain)
    plain.set_input_files("#id_note_files", {"name": "n.png", "mimeType": "image/png", "buffer": png().read()})
    plain.select_option("#category", "access")
    plain.click("text=Guardar >> nth=0")
    assert both(plain) == BOTH
    assert plain.get_by_text("n.png").first.is_visible()
    plain.click("button:has-text('Guardar nota')")
    assert both(plain) == (BOTH[0], "")
    plain.context.close()
    assert Note.objects.get().files.count() == 1


@pytest.mark.clause("M17")
def test_people_h2_the_session_ends_and_text_and_file_come_back(page, desk, agent):
    ticket = make_ticket()
    desk(page_of(ticket) + "?vista=abiertos")
    type_both(page)
    page.check("#c-reply")
    page.set_input_files("#id_files", {"name": "uno.png", "mimeType": "image/png", "buffer": png().read()})
    page.context.clear_cookies(name="sessionid")
    page.click("button:has-text('Enviar al cliente')")
    page.wait_for_selector("text=Su sesión se cerró; guardamos lo que escribió.")
    accessible(page)
    page.fill("[name=login]", agent.email)
    page.fill("[name=password]", PASSWORD)
    page.click("main button:has-text('Ingresar')")
    page.wait_for_url(f"**/{ticket.pk}/change/?vista=abiertos**")
    assert both(page) == BOTH
    assert page.get_by_text("Su sesión se cerró; guardamos lo que escribió.").first.is_visible()
    assert "uno.png" in page.inner_text(".when-reply .fy-files")
    accessible(page)


@pytest.mark.clause("M17")
def test_people_h4_a_screenshot_is_seen_in_place_and_opened_in_a_tab(page, desk):
    person = make_contact()
    picture = store.store(png("pantalla.png", (900, 500)), draft="d")
    xml = store.store(SimpleUploadedFile("factura.xml", b"<a/>"), draft="d")
    ticket = make_ticket(requester=person, files=[picture, xml])
    desk(page_of(ticket))
    image = page.locator(".fy-shots img")
    image.scroll_into_view_if_needed()
    page.wait_for_function("document.querySelector('.fy-shots img').naturalWidth > 0")
    assert image.get_attribute("alt") == "Imagen: pantalla.png"
    assert image.get_attribute("loading") == "lazy"
    assert page.locator("a.fy-file .fy-ft--xml").inner_text() == "XML"
    accessible(page)
    with page.context.expect_page() as opened:
        page.click(".fy-shots a >> nth=0")
    assert opened.value.evaluate("document.images[0].naturalWidth") == 900


@pytest.mark.clause("M13")
def test_the_side_bar_is_folded_in_a_narrow_window_and_opens_by_a_key(page, desk, plain):
    views = page.get_by_role("link", name="Abiertos")
    page.set_viewport_size({"width": 390, "height": 900})
    desk(QUEUE)
    assert not views.is_visible()
    page.focus("summary:has-text('Menú')")
    page.keyboard.press("Enter")
    assert views.is_visible()
    accessible(page)
    page.set_viewport_size({"width": 1280, "height": 900})
    assert views.is_visible()
    assert not page.get_by_text("Menú", exact=True).is_visible()
    plain.set_viewport_size({"width": 390, "height": 900})
    assert plain.get_by_role("link", name="Abiertos").is_visible()
