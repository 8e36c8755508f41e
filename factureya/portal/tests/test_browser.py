"""The public and the error pages in a real browser: accessible, quiet, dark when the system is, no sideways scroll."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse
from playwright.sync_api import BrowserContext, Page

from factureya.portal.tests.test_errors import PAGES as ERRORS
from factureya.portal.tests.test_pages import PAGES
from factureya.testing.people import make_contact

pytestmark = [pytest.mark.browser, pytest.mark.once, pytest.mark.urls("factureya.portal.tests.urls")]
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
PAPER = {"light": "rgb(246, 245, 240)", "dark": "rgb(16, 24, 22)"}


def assert_accessible(page: Page) -> None:
    """No violation of axe at both widths, and nothing to scroll sideways at 320 px."""
    for width in (390, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        found = Axe().run(page, options={"runOnly": {"type": "tag", "values": TAGS}})
        assert found.violations_count == 0, found.generate_report()
    page.set_viewport_size({"width": 320, "height": 640})
    assert page.evaluate("document.documentElement.scrollWidth") <= 320


@pytest.mark.clause("M2")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_accessible(live_server, page: Page, scheme, monkeypatch):
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.emulate_media(color_scheme=scheme)
    for path in [*(reverse(f"portal:{name}") for name in PAGES), *ERRORS]:
        answer = page.goto(live_server.url + path)
        assert answer is not None
        assert answer.status == ERRORS.get(path, (200, ""))[0]
        assert_accessible(page)
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert paper == PAPER[scheme]
    assert all("status of" in text for text in complaints), complaints  # the errors asked for, no CSP report


def test_answers_to_post_are_accessible(live_server, page: Page, context: BrowserContext):
    """A form whose protection lapsed: the page, and the text given back."""
    page.goto(live_server.url + reverse("account_login"))
    context.clear_cookies()
    page.fill("[name=login]", "una.persona.con.un.correo.largo@una.empresa.ejemplo.mx")
    page.fill("[name=password]", "da lo mismo")
    page.click("main button[type=submit]")
    assert page.text_content("h1") == "Vuelva a enviar el formulario"
    assert page.input_value("#kept-1").startswith("una.persona")
    assert_accessible(page)


@pytest.mark.django_db(transaction=True)
def test_header_of_a_customer(live_server, page: Page, client, context: BrowserContext):
    """The menu of a telephone works without JavaScript; logging out is one press."""
    client.force_login(make_contact(full_name="Rosa Elena Paredes"))
    cookie = {"name": "sessionid", "value": client.cookies["sessionid"].value}
    context.add_cookies([{**cookie, "url": live_server.url}])
    page.goto(live_server.url + reverse("portal:about"))
    assert_accessible(page)
    page.set_viewport_size({"width": 390, "height": 800})
    page.click("summary")
    page.click(".fy-menu button")
    assert page.is_visible(".fy-menu summary")
    page.click("summary")
    assert page.is_visible(".fy-menu a:has-text('Ingresar')")
