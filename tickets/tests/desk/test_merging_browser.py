"""Merge, undo, split, out of scope and the catalogue in Chromium, also narrow and without script (M4, M9, M11).

With SHOTS set to a folder, each page is drawn there, to be looked at beside the mock-up.
"""

import os
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe

from accounts.models import Office
from factureya.testing.desk import page_of
from factureya.testing.pages import cookies_of
from factureya.testing.people import make_agent, make_contact, make_customer, make_staff
from factureya.testing.tickets import make_ticket
from tickets import operations
from tickets.models import Ticket

# Elements that reach beyond the window, if it can be scrolled sideways.
TOO_WIDE = """() => document.documentElement.scrollWidth <= document.documentElement.clientWidth ? [] :
  [...document.querySelectorAll("#content *")].filter((e) => e.getBoundingClientRect().right > innerWidth)
    .map((e) => `${e.tagName} ${e.id} ${e.className}`.slice(0, 80))"""
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def laura():
    return make_staff(Office.SUPERVISOR, full_name="Laura Méndez")


@pytest.fixture
def ana():
    return make_contact(make_customer(legal_name="Papelería Ocaso SA de CV"), full_name="Ana Belén Rivas")


@pytest.fixture
def desk(page, live_server, laura):
    """Opens an address of the admin as the supervisor; in the end nothing may have gone wrong on the console."""
    wrong = []
    page.context.add_cookies(cookies_of(laura, live_server.url))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    yield lambda path: page.goto(live_server.url + path)
    assert not wrong


def check(page, name):
    """Axe finds nothing in either theme; at 320 px nothing is cut off."""
    for theme in ("light", "dark"):
        page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
        page.wait_for_timeout(300)
        found = Axe().run(page).response["violations"]
        assert not found, (name, theme, [(v["id"], [n["target"] for n in v["nodes"]]) for v in found])
    page.evaluate("document.documentElement.dataset.theme = 'light'")
    for width in (320, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        wide = page.evaluate(TOO_WIDE)
        assert not wide, (name, width, wide)
        if folder := os.environ.get("SHOTS"):
            page.screenshot(path=Path(folder) / f"{name}-{width}.png", full_page=True)


@pytest.mark.clause("M11")
def test_an_agent_merges_undoes_and_splits(page, desk, ana, laura):
    ticket = make_ticket(requester=ana, subject="Sello revocado, no puedo timbrar", body="No timbra desde ayer.")
    survivor = make_ticket(requester=ana, subject="Sello digital aparece revocado", body="Dice que está revocado.")
    operations.add_information(survivor.pk, author=ana, body="Además, no llega el correo con la factura.")
    desk(page_of(ticket))
    page.click("summary:has-text('Más')")
    assert page.get_by_text("Combinar con otro ticket…").is_visible()
    check(page, "mas")
    page.keyboard.press("Escape")
    assert not page.get_by_text("Combinar con otro ticket…").is_visible()
    page.click("summary:has-text('Más')")
    page.click("text=Combinar con otro ticket…")
    check(page, "combinar")
    page.click("button:has-text('Combinar los dos')")
    page.wait_for_selector("[data-fy-errors]")
    check(page, "combinar-error")
    page.click(f"label:has-text('{survivor.number}')")
    page.click("button:has-text('Combinar los dos')")
    page.wait_for_selector(f"text={ticket.number} se combinó con este")
    assert page.get_by_text("No timbra desde ayer.").is_visible()
    check(page, "combinado-en")
    page.click(f"a:has-text('{ticket.number}')")
    page.wait_for_selector("text=Este ticket se combinó con")
    check(page, "combinado")
    page.click("text=Deshacer la combinación…")
    check(page, "deshacer")
    page.click("button:has-text('Deshacer la combinación')")
    page.wait_for_selector("text=sigue otra vez por su cuenta")
    assert not Ticket.objects.get(pk=ticket.pk).is_merged
    desk(page_of(survivor, "split"))
    check(page, "separar")
    page.click("label:has-text('no llega el correo')")
    page.fill("[name=subject]", "No llega el correo con la factura")
    page.click("button:has-text('Abrir el ticket nuevo')")
    page.wait_for_selector("text=lo abrió con un mensaje de")
    check(page, "separado")
    assert Ticket.objects.filter(split_from__isnull=False).count() == 1


@pytest.mark.clause("M11")
def test_the_customer_reads_both_in_one_page(page, live_server, ana, laura):
    ticket = make_ticket(requester=ana, subject="Sello revocado", body="No timbra desde ayer.")
    survivor = make_ticket(requester=ana, subject="Sello digital aparece revocado", body="Dice que está revocado.")
    operations.merge_ticket(ticket.pk, agent=laura, into_pk=survivor.pk)
    page.context.add_cookies(cookies_of(ana, live_server.url))
    page.goto(f"{live_server.url}/tickets/{ticket.number}/")
    assert page.url.endswith(f"/tickets/{survivor.number}/")
    assert page.get_by_text("No timbra desde ayer.").is_visible()
    check(page, "cliente-combinado")
    page.goto(f"{live_server.url}/tickets/?q={ticket.number}")
    check(page, "cliente-busca")


@pytest.mark.clause("M9")
def test_an_agent_answers_that_it_is_out_of_scope(page, desk, ana):
    ticket = make_ticket(requester=ana)
    desk(page_of(ticket))
    page.click("summary:has-text('Fuera de alcance')")
    check(page, "fuera-de-alcance")
    page.select_option("#after", "fuera-internet")
    page.click("button:has-text('Enviar al cliente')")
    page.wait_for_selector("text=fuera de alcance (internet)")
    check(page, "fuera-enviado")
    assert Ticket.objects.get(pk=ticket.pk).out_of_scope == "internet"


@pytest.mark.clause("M4", "M9")
def test_a_supervisor_edits_the_catalogue(page, desk, laura):
    make_agent(full_name="Sara Ventas")
    desk("/admin/tickets/ticket/catalogo/")
    check(page, "catalogo")
    page.click("button:has-text('Agregar la categoría')")
    page.wait_for_selector("[data-fy-errors]")
    check(page, "catalogo-error")
    page.fill("#add_label", "Recibos de nómina")
    page.click("button:has-text('Agregar la categoría')")
    page.wait_for_selector("text=ya se puede elegir")
    page.select_option("#join_person", label="Sara Ventas")
    page.click("button:has-text('Agregar a Ventas')")
    page.wait_for_selector("text=Sara Ventas ya es de Ventas.")
    check(page, "catalogo-ventas")


@pytest.mark.clause("M11")
def test_it_works_without_javascript(browser, browser_context_args, live_server, ana, laura):
    ticket, survivor = make_ticket(requester=ana), make_ticket(requester=ana)
    context = browser.new_context(**browser_context_args | {"java_script_enabled": False})
    context.add_cookies(cookies_of(laura, live_server.url))
    plain = context.new_page()
    plain.goto(live_server.url + page_of(ticket))
    plain.click("summary:has-text('Más')")
    plain.click("text=Combinar con otro ticket…")
    plain.click(f"label:has-text('{survivor.number}')")
    plain.click("button:has-text('Combinar los dos')")
    assert plain.get_by_text("se combinó con este").first.is_visible()
    context.close()
