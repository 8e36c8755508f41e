"""The log, an export and the board in Chromium: axe, 320 px, print, and a search without a script (M26)."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse
from playwright.sync_api import Page

from factureya.core.record import anchors, verification
from factureya.testing.browsers import head_takes_one_line
from factureya.testing.pages import cookies_of
from factureya.testing.people import Cast, make_auditor
from factureya.testing.request_histories import make
from factureya.testing.tickets import make_ticket

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SIZES = ((1280, 900), (320, 800))


def check(page: Page) -> None:
    """Fail for a violation of axe, or for a page that scrolls sideways."""
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), page.url


@pytest.mark.clause("M26")
@pytest.mark.parametrize("size", SIZES)
def test_the_pages_of_oversight(page: Page, live_server, cast: Cast, size: tuple[int, int]) -> None:
    make(cast, "in_approval")
    ticket = make_ticket(requester=cast.ana)
    anchors.seal_day()
    verification.verify_log()
    page.on("pageerror", lambda error: pytest.fail(str(error)))
    page.context.add_cookies(cookies_of(make_auditor(), live_server.url))
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.goto(live_server.url + reverse("oversight:log"))
    check(page)
    page.fill("#q", ticket.number)
    page.select_option("#que", "tickets")
    page.click("main button[type=submit]")
    page.wait_for_selector("text=Levantó el ticket")
    check(page)
    page.click("tbody tr:first-child td:last-child a")
    page.wait_for_selector("text=La huella corresponde al contenido")
    check(page)
    page.goto(live_server.url + reverse("oversight:exports"))
    check(page)
    page.click("text=Preparar los archivos")
    page.wait_for_selector("text=Los tres conteos coinciden")
    check(page)
    page.goto(live_server.url + reverse("oversight:board") + "?pruebas=M21")
    page.wait_for_selector("text=Pruebas de M21")
    check(page)
    assert page.locator("nav.fy-nav [aria-current=page]").first.text_content() == "Cumplimiento"
    page.goto(live_server.url + reverse("admin:tickets_ticket_change", args=[ticket.pk]))
    page.wait_for_selector("text=Auditoría no escribe en los tickets")
    assert Axe().run(page).violations_count == 0


@pytest.mark.clause("M26")
def test_the_board_prints_without_its_controls(page: Page, live_server, cast: Cast) -> None:
    page.context.add_cookies(cookies_of(cast.elsa, live_server.url))
    page.emulate_media(media="print")
    page.goto(live_server.url + reverse("oversight:board"))
    assert page.locator("#M27").is_visible()
    assert not page.locator("ul.fy-tabs").is_visible()
    assert not page.locator("header.fy-top").is_visible()


@pytest.mark.clause("M26")
def test_the_head_of_mesa_de_control_takes_one_line(page: Page, live_server, cast: Cast) -> None:
    auditor = make_auditor(full_name="María Guadalupe Domínguez y Zárate")  # who has all six places, and a long name
    for person in (cast.elsa, cast.laura, auditor):
        page.context.clear_cookies()
        page.context.add_cookies(cookies_of(person, live_server.url))
        for name in ("control:inbox", "oversight:board"):  # the current place is bold, so each takes another width
            page.goto(live_server.url + reverse(name))
            assert page.locator(".fy-nav a").count() == {cast.elsa: 5, cast.laura: 5, auditor: 6}[person]
            head_takes_one_line(page)
        page.set_viewport_size({"width": 390, "height": 844})
        assert not page.is_visible(".fy-nav")
        assert page.eval_on_selector(".fy-top", "e => e.offsetHeight") <= 60
        page.click(".fy-menu summary")
        check(page)
