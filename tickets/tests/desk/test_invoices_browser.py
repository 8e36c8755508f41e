"""Attached invoices in Chromium: the agent's card, and the offer that comes by itself in the customer's form (M17)."""

from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.core.files.uploadedfile import SimpleUploadedFile

from factureya.core import tasks
from factureya.core.files import store
from factureya.testing.desk import page_of
from factureya.testing.invoices import ISSUER, UUID, make_invoice
from factureya.testing.pages import ANSWERS, cookies_of
from factureya.testing.people import make_agent, make_contact, make_customer
from factureya.testing.tickets import make_ticket

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True), pytest.mark.clause("M17")]


@pytest.fixture(autouse=True)
def media(settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path / "media"


@pytest.fixture
def ana() -> Any:
    return make_contact(customer=make_customer(rfc=ISSUER), full_name="Ana Robles")


def accessible(page: Any) -> None:
    for theme in ("light", "dark"):
        page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
        page.wait_for_timeout(300)
        found = Axe().run(page).response["violations"]
        assert not found, (theme, [(v["id"], [n["target"] for n in v["nodes"]]) for v in found])


def does_not_scroll_sideways(page: Any) -> None:
    for width in (320, 390, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), width


def test_the_card(page: Any, live_server: Any, ana: Any, tmp_path: Path):
    unstamped = make_invoice(stamp="", issuer={"Rfc": "AAA010101AAA"})
    contents = [("B0411-FYU090821Q7A.xml", make_invoice()), ("borrador.xml", unstamped), ("nota.xml", "<nota/>")]
    files = [store.store(SimpleUploadedFile(name, text.encode()), draft="x") for name, text in contents]
    ticket = make_ticket(requester=ana, files=files, body="Le mando el XML de la última que sí salió.")
    tasks.read_invoices()
    page.context.add_cookies(cookies_of(make_agent(full_name="Darío Salgado"), live_server.url))
    page.goto(live_server.url + page_of(ticket))
    cards = page.locator(".fy-cfdi")
    assert cards.count() == 2
    assert "El emisor es este cliente" in cards.first.inner_text()
    assert "Sin timbrar" in cards.last.inner_text()
    accessible(page)
    does_not_scroll_sideways(page)
    page.locator("text=Otros tickets con este folio (0)").click()
    page.wait_for_url(f"**q={UUID}")


def test_the_offer_comes_by_itself(page: Any, live_server: Any, ana: Any, tmp_path: Path):
    file = tmp_path / "B0411.xml"
    file.write_text(make_invoice())
    page.context.add_cookies(cookies_of(ana, live_server.url))
    page.goto(f"{live_server.url}/tickets/nuevo/")
    page.fill("#id_subject", ANSWERS["subject"])
    page.set_input_files("#id_files", file)
    page.click("main form >> text=Levantar ticket >> nth=-1")
    page.wait_for_selector("[data-fy-folios]", state="attached")
    assert page.locator("[name=usar_folio]").count() == 0
    tasks.read_invoices()
    page.wait_for_selector("[name=usar_folio]")
    accessible(page)
    does_not_scroll_sideways(page)
    page.click("[name=usar_folio]")
    page.wait_for_function(f"document.querySelector('#id_cfdi_uuid').value === '{UUID}'")
    assert page.input_value("#id_subject") == ANSWERS["subject"]
