"""*Personaliza tu imagen* in Chromium: accessible by day and by night, and without script (M33)."""

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from accounts.branding.operations import change_branding
from accounts.branding.tests.test_branding_pages import logo
from accounts.models import Branding
from factureya.testing.browsers import head_takes_one_line
from factureya.testing.pages import cookies_of
from factureya.testing.people import Neighbours, make_customer, make_neighbours, make_representative

pytestmark = [pytest.mark.browser, pytest.mark.once, pytest.mark.clause("M33"), pytest.mark.django_db(transaction=True)]
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture
def cast() -> Neighbours:
    return make_neighbours()


def assert_accessible(page: Page, name: str, shots: Path) -> None:
    """No violation of axe at both widths, and nothing to scroll sideways at 320 px; a picture of each is kept."""
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 900})
        found = Axe().run(page, options={"runOnly": {"type": "tag", "values": TAGS}})
        assert found.violations_count == 0, found.generate_report()
        page.screenshot(path=shots / f"{name}-{width}.png", full_page=True)
    page.set_viewport_size({"width": 320, "height": 640})
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    page.set_viewport_size({"width": 1280, "height": 900})


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_representative_previews_and_saves_the_image(
    live_server, page: Page, cast: Neighbours, tmp_path: Path, scheme
):
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.emulate_media(color_scheme=scheme)
    page.context.add_cookies(cookies_of(cast.ana, live_server.url))
    page.goto(f"{live_server.url}/cuenta/imagen/")
    assert_accessible(page, f"factureya-{scheme}", tmp_path)
    picture = logo("ocaso-logo.png", size=(800, 400))
    files = [{"name": "ocaso-logo.png", "mimeType": "image/png", "buffer": picture.read()}]
    page.set_input_files("#id_logo", files)
    page.fill("#id_main", "#1f5f8b")
    page.evaluate(
        "() => { const p = document.querySelector('#id_accent_picker'); p.value = '#f2a33a';"
        " p.dispatchEvent(new Event('input')); }"
    )
    assert page.input_value("#id_accent") == "#f2a33a"
    page.click(".fy-row button[name=ver]")
    assert page.is_visible("text=Todavía no se guarda")
    assert page.is_visible("text=Lo oscurecimos para los detalles")
    assert_accessible(page, f"vista-{scheme}", tmp_path)
    page.click("button[name=guardar]")
    assert page.is_visible("text=Guardamos su imagen")
    assert page.evaluate("getComputedStyle(document.querySelector('.fy-top')).backgroundColor") == "rgb(31, 95, 139)"
    assert page.evaluate("document.querySelector('.fy-logo__p img').naturalWidth") > 0
    assert_accessible(page, f"guardada-{scheme}", tmp_path)
    for name, path in (("tickets", "/tickets/"), ("nuevo", "/tickets/nuevo/"), ("factura", "/cuenta/imagen/factura/")):
        page.goto(live_server.url + path)
        assert_accessible(page, f"{name}-{scheme}", tmp_path)
    assert not complaints  # above all no report of the CSP
    assert Branding.objects.get().logo is not None


def test_it_works_without_script_and_says_what_is_wrong(browser, live_server, cast: Neighbours, tmp_path: Path):
    context = browser.new_context(java_script_enabled=False)
    context.add_cookies(cookies_of(cast.ana, live_server.url))
    page = context.new_page()
    page.goto(f"{live_server.url}/cuenta/imagen/")
    assert not page.is_visible("#id_main_picker")
    page.fill("#id_main", "azul")
    page.set_input_files("#id_logo", [{"name": "nota.png", "mimeType": "image/png", "buffer": b"texto"}])
    page.press("#id_main", "Enter")
    assert page.title().startswith("Error: ")
    assert page.is_visible("#id_main_error")
    assert page.is_visible("#id_logo_error")
    page.screenshot(path=tmp_path / "error.png", full_page=True)
    page.fill("#id_main", "#ffe14d")
    page.press("#id_main", "Enter")  # Enter previews
    assert page.is_visible("text=Todavía no se guarda")
    page.click("button[name=guardar]")
    assert Branding.objects.get().chosen_main == "#ffe14d"
    context.close()


@pytest.mark.parametrize("own", [False, True])
def test_the_head_takes_one_line_with_a_company_and_a_person_of_long_names(page: Page, live_server, own: bool) -> None:
    ocaso = make_customer(legal_name="Comercializadora y Distribuidora Ocaso del Bajío SA de CV", verified=False)
    ana = make_representative(ocaso, full_name="María Guadalupe Domínguez y Zárate")
    if own:
        change_branding(main="#1f5f8b", accent="#f2a33a", logo_id=None, actor=ana)
    page.context.add_cookies(cookies_of(ana, live_server.url))
    for path in ("/", "/tickets/", "/solicitudes/", "/atencion/"):  # the current place is bold: another width
        page.goto(live_server.url + path)
        assert page.locator(".fy-logo--own").count() == (own and path != "/solicitudes/")
        head_takes_one_line(page)
