"""A supervisor's pages in Chromium: credits from a file, the calendar with a second person; at 320 px, and by axe."""

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse

from accounts.credits import tasks
from accounts.models import CreditBalance, CreditImport, Office
from factureya.core.models import Holiday
from factureya.testing.credits import HEADER, enter
from factureya.testing.pages import cookies_of
from factureya.testing.people import make_customer, make_representative, make_staff

pytestmark = [pytest.mark.browser, pytest.mark.once, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def laura() -> Any:
    return make_staff(Office.SUPERVISOR, full_name="Laura Méndez")


@pytest.fixture
def desk(page, live_server, laura) -> Any:
    """Opens an address as the supervisor; in the end nothing may have gone wrong on the console."""
    wrong: list[str] = []
    page.context.add_cookies(cookies_of(laura, live_server.url))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    yield lambda path: page.goto(live_server.url + path)
    assert not wrong


def assert_usable(page: Any) -> None:
    """No violation of axe in both themes, and nothing to scroll sideways at 320 px."""
    for theme in ("light", "dark"):
        page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
        page.wait_for_timeout(300)
        found = Axe().run(page).response["violations"]
        assert not found, (theme, [(v["id"], [n["target"] for n in v["nodes"]]) for v in found])
    page.evaluate("document.documentElement.dataset.theme = 'light'")
    page.set_viewport_size({"width": 320, "height": 640})
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    page.set_viewport_size({"width": 1280, "height": 900})


@pytest.mark.clause("M28")
def test_credits_from_a_file(page, desk):
    make_customer("POC930314QX7", "Papelería Ocaso SA de CV")
    make_customer("CACX7605101P8", "Transportes Sierra Norte SA de CV")
    text = f"{HEADER}POC930314QX7,PAC-200 v3.2,200,34,2027-12-31\nCACX7605101P8,PAC-1000 v3.1,1000,612,\n"
    desk(reverse("admin:accounts_creditbalance_import_new"))
    assert_usable(page)
    page.set_input_files("#id_file", {"name": "creditos.csv", "mimeType": "text/csv", "buffer": text.encode()})
    page.click("text=Revisar el archivo")
    page.wait_for_selector("text=Revisando el archivo")
    assert_usable(page)
    tasks.check_import(CreditImport.objects.get().pk)
    page.wait_for_selector("text=Aplicar los 2 cambios")  # progress.js renews the page by itself
    assert_usable(page)
    page.click("text=Aplicar los 2 cambios")
    page.wait_for_selector("text=Aplicando los cambios")
    tasks.apply_import(CreditImport.objects.get().pk)
    page.wait_for_selector("text=Cambiaron 2")
    assert CreditBalance.objects.count() == 2
    desk(reverse("admin:accounts_creditbalance_changelist"))
    assert page.is_visible("text=Papelería Ocaso")
    assert not page.is_visible("text=Transportes Sierra")  # it has enough
    assert_usable(page)


@pytest.mark.clause("M28")
def test_bad_rows_are_named_by_line(page, desk):
    text = f"{HEADER}POC93,PAC,200,34,\nMAB9307148T4,PAC,200,201,\n"
    desk(reverse("admin:accounts_creditbalance_import_new"))
    page.set_input_files("#id_file", {"name": "creditos.csv", "mimeType": "text/csv", "buffer": text.encode()})
    page.click("text=Revisar el archivo")
    page.wait_for_selector("text=Revisando el archivo")
    tasks.check_import(CreditImport.objects.get().pk)
    page.wait_for_selector("text=2 filas tienen error.")
    assert page.is_visible("text=Línea 2")
    assert page.is_visible("text=Línea 3")
    assert not page.is_visible("text=Aplicar")
    assert_usable(page)


@pytest.mark.clause("M28")
def test_the_customer_sees_that_few_credits_are_left(page, live_server, laura):
    ana = make_representative(full_name="Ana Rivas")
    enter(ana.contact.customer, laura)
    page.context.add_cookies(cookies_of(ana, live_server.url))
    page.goto(live_server.url + reverse("tickets:list"))
    assert page.is_visible("text=34 de 200 créditos")
    page.click("text=Ver mi paquete")
    assert page.is_visible("text=Paquete y créditos")
    assert_usable(page)


@pytest.mark.clause("M2")
def test_a_holiday_is_previewed_added_and_removed(page, desk):
    desk(reverse("admin:core_holiday_changelist"))
    assert_usable(page)
    page.fill("#id_day", "2031-12-24")
    page.fill("#id_name", "Nochebuena")
    page.click("text=Ver qué mueve")
    page.wait_for_selector("text=No mueve ningún plazo.")
    assert_usable(page)
    page.click("button:text-is('Agregar')")
    page.wait_for_selector("text=Listo; ya cuenta.")
    assert Holiday.objects.filter(name="Nochebuena").exists()
    page.click(".fy-cards1 a >> nth=0")
    assert_usable(page)
    page.click("text=Quitar el día inhábil")
    page.wait_for_selector("text=Listo; ya cuenta.")
    desk(reverse("admin:core_holiday_hours"))
    assert_usable(page)


@pytest.mark.clause("M2")
def test_an_authority_finds_the_form(page, live_server):
    page.goto(live_server.url + reverse("portal:sat"))
    page.click("text=Presentar un requerimiento")
    assert_usable(page)
    page.click("text=Enviar el requerimiento")
    page.wait_for_selector("text=Adjunte el oficio en PDF.")
    assert_usable(page)
