"""The customer's path in Chromium: five steps, confirmation, question, «no fui yo»; axe on each page (M7, M8, M19)."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.test import Client

from accounts.models import User
from change_requests import operations
from change_requests.models import FormalRequest
from factureya.testing.pages import log_in, png
from factureya.testing.request_histories import REASON, code_in_mail, link_in_mail, make, seen

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
NARROW = {"width": 320, "height": 640}


@pytest.fixture(autouse=True)
def quick(tmp_path, settings):
    settings.MEDIA_ROOT = tmp_path
    settings.SENSITIVE_FREEZE_HOURS = 0


def cookie_of(person, live_server):
    client = Client()
    log_in(client, person)
    value = client.cookies["sessionid"].value
    return [{"name": "sessionid", "value": value, "url": live_server.url}]


@pytest.fixture
def enter(page, live_server):
    """Sign a person in, in this browser."""
    page.on("pageerror", lambda error: pytest.fail(str(error)))
    return lambda person: page.context.add_cookies(cookie_of(person, live_server))


def good(page):
    """No axe violation, and nothing to scroll sideways at 320 px."""
    found = Axe().run(page).response["violations"]
    assert not found, [(v["id"], [n["target"] for n in v["nodes"]]) for v in found]
    wide = page.viewport_size
    page.set_viewport_size(NARROW)
    width = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(width) <= 0, page.url
    page.set_viewport_size(wide)


def go_on(page):
    """The step's main button."""
    page.click("main .fy-btn--primary")


def fill_address_and_mail(page):
    page.check("#id_c_address")
    address = {"street": "Blvd. Atlixco 3505", "zip": "72190", "suburb": "Las Ánimas", "city": "Puebla"}
    for name, text in address.items():
        page.fill(f"#id_{name}", text)
    page.check("#id_c_email")
    page.fill("#id_registered_email", "nuevo@ocaso.mx")


@pytest.mark.clause("M7", "M8", "M19", "M20")
def test_from_the_list_to_the_change_that_is_applied(page, live_server, enter, cast):
    enter(cast.ana)
    page.goto(f"{live_server.url}/solicitudes/")
    good(page)
    page.click("text=Cambiar datos >> nth=0")
    good(page)
    page.check("#id_kind_0")
    go_on(page)
    page.wait_for_url("**/datos/")
    assert not page.locator("#id_phone").is_visible()
    go_on(page)
    page.wait_for_selector("[data-fy-errors]")
    assert page.title().startswith("Error: ")
    assert page.evaluate("document.activeElement.hasAttribute('data-fy-errors')")
    fill_address_and_mail(page)
    good(page)
    go_on(page)
    page.wait_for_url("**/motivo/")
    page.fill("#id_reason", REASON)
    page.set_input_files("#id_files", {"name": "fachada.png", "mimeType": "image/png", "buffer": png().read()})
    good(page)
    go_on(page)
    page.wait_for_url("**/firma/")
    page.check("#id_declares")
    good(page)
    go_on(page)
    page.wait_for_url("**/revise/")
    page.check("#id_confirm")
    good(page)
    go_on(page)
    page.wait_for_url("**/enviada/")
    good(page)
    confirm_and_answer(page, live_server, cast)


def confirm_and_answer(page, live_server, cast):
    formal = FormalRequest.objects.get()
    page.goto(live_server.url + link_in_mail("contacto@ocaso.mx", "confirmar"))
    good(page)
    page.click("text=Sí, la confirmo")
    page.wait_for_selector("text=La solicitud está confirmada")
    operations.verify(formal.pk, actor=cast.laura, note="Todo en orden.")
    operations.ask_clarification(formal.pk, actor=cast.elsa, question="¿Desde cuándo se mudan?")
    page.goto(f"{live_server.url}/solicitudes/{formal.folio}/")
    good(page)
    page.fill("#id_answer", "Desde el 1 de diciembre.")
    page.click("text=Enviar respuesta")
    page.wait_for_selector("text=Escriba el código que enviamos al correo nuevo")
    good(page)
    page.fill("#id_code", code_in_mail("nuevo@ocaso.mx"))
    page.click("text=Comprobar el correo nuevo")
    page.wait_for_selector("text=Espera la aprobación de dos personas")
    for decider in (cast.fabian, cast.elsa):
        operations.approve(formal.pk, actor=decider, reason="Las razones bastan.", seen_hash=seen(formal))
    operations.designate(formal.pk, actor=cast.elsa, implementer=cast.gina)
    operations.execute(formal.pk, actor=cast.gina)
    page.reload()
    page.wait_for_selector("text=Ya se aplicó")
    good(page)
    assert User.objects.get(pk=cast.ana.pk).contact.customer.registered_email == "nuevo@ocaso.mx"


@pytest.mark.clause("M7")
def test_the_five_steps_by_keyboard_alone(page, live_server, enter, cast):
    enter(cast.ana)
    page.goto(f"{live_server.url}/solicitudes/acceso/nueva/")

    def to(selector):
        for _ in range(60):
            page.keyboard.press("Tab")
            if page.evaluate("s => document.activeElement.matches(s)", selector):
                return
        raise AssertionError(f"no way to {selector} by Tab")

    to("#id_kind_0")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url("**/datos/")
    to("[name=person]")
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    page.wait_for_url("**/motivo/")
    to("#id_reason")
    page.keyboard.type("Beto ya no trabaja con nosotros.")
    to("main .fy-btn--primary")
    page.keyboard.press("Enter")
    page.wait_for_url("**/firma/")
    to("#id_declares")
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    page.wait_for_url("**/revise/")
    to("#id_confirm")
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    page.wait_for_url("**/enviada/")
    assert FormalRequest.objects.get().kind == "baja"


@pytest.mark.clause("M8", "M19")
def test_without_javascript_everything_is_there(browser, live_server, cast):
    context = browser.new_context(java_script_enabled=False)
    context.add_cookies(cookie_of(cast.ana, live_server))
    page = context.new_page()
    page.goto(f"{live_server.url}/solicitudes/cambio/nueva/")
    page.check("#id_kind_0")
    go_on(page)
    fill_address_and_mail(page)
    go_on(page)
    page.fill("#id_reason", REASON)
    page.set_input_files("#id_files", {"name": "una.png", "mimeType": "image/png", "buffer": png().read()})
    go_on(page)
    page.click("text=Anterior")
    page.click("text=Quitar una.png")
    assert page.input_value("#id_reason") == REASON
    go_on(page)
    page.check("#id_declares")
    go_on(page)
    page.check("#id_confirm")
    go_on(page)
    page.wait_for_url("**/enviada/")
    page.click("text=Ver mi solicitud")
    page.click("text=No fui yo: detenerla")
    page.click("main button >> text=No fui yo: detenerla")
    page.wait_for_selector("text=La detuvimos porque alguien avisó")
    context.close()


@pytest.mark.clause("M7", "M8")
def test_links_of_the_mails_and_ends_pass_axe(page, live_server, enter, cast):
    stopped = make(cast, "submitted", items={"registered_email": "nuevo@ocaso.mx"})
    link = live_server.url + link_in_mail("contacto@ocaso.mx", "no-fui-yo")
    page.goto(link)
    good(page)
    page.click("text=No fuimos nosotros: detenerla")
    page.wait_for_selector("text=La solicitud está detenida")
    good(page)
    make(cast, "executed", form="access", kind="clave", person={"user": cast.beto.pk})
    page.goto(live_server.url + link_in_mail("beto@ocaso.mx", "clave"))
    good(page)
    page.fill("#id_password", "tormenta-de-julio-88")
    page.click("text=Guardar la contraseña")
    page.wait_for_selector("text=Guardamos su contraseña")
    page.goto(f"{live_server.url}/solicitudes/clave/x/")
    good(page)
    enter(cast.ana)
    for path in ("", "?vista=terminadas", f"{stopped.folio}/", f"{stopped.folio}/retirar/", "acceso/nueva/"):
        page.goto(f"{live_server.url}/solicitudes/{path}")
        good(page)
    enter(cast.beto)
    page.goto(f"{live_server.url}/solicitudes/")
    good(page)
