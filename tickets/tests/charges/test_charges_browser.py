"""A charge in Chromium, from the proposal to the statement, on a wide page and on a phone; with axe (M18)."""

import os
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from factureya.testing.charges import TERMS, WHY, accepted, decide, note, propose
from factureya.testing.desk import page_of
from factureya.testing.pages import cookies_of
from factureya.testing.people import Cast
from factureya.testing.tickets import make_ticket
from tickets import operations as ticket_operations
from tickets.models import ChargeProposal, Ticket

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True), pytest.mark.clause("M18")]
SHOTS = os.environ.get("CHARGE_SHOTS", "")  # a folder for pictures to lay beside the mock-ups


@pytest.fixture
def cast() -> Cast:
    return Cast()


@pytest.fixture
def enter(page: Any, live_server: Any) -> Any:
    """Sign a person in, in this browser."""
    page.on("pageerror", lambda error: pytest.fail(str(error)))

    def sign_in(person: Any) -> None:
        page.context.clear_cookies()
        page.context.add_cookies(cookies_of(person, live_server.url))

    return sign_in


def check_page(page: Any, name: str) -> None:
    """No axe violation, and nothing wider than a phone of 320 px; a picture if a folder is named."""
    for width, height in ((1280, 900), (320, 800)):
        page.set_viewport_size({"width": width, "height": height})
        found = Axe().run(page).response["violations"]
        assert not found, [(v["id"], [n["target"] for n in v["nodes"]]) for v in found]
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, (name, width, wide)
        if SHOTS:
            page.screenshot(path=Path(SHOTS) / f"{name}-{width}.png", full_page=True)
    page.set_viewport_size({"width": 1280, "height": 900})


def test_from_the_proposal_to_the_statement(page: Any, live_server: Any, enter: Any, cast: Cast) -> None:
    ticket = make_ticket(requester=cast.ana, subject="Recuperar 400 XML de 2023")
    enter(cast.laura)
    page.goto(live_server.url + page_of(ticket))
    page.click("text=Proponer un cobro")
    for number, (work, minutes) in enumerate(TERMS.lines, start=1):
        page.fill(f"#id_work_{number}", work)
        page.fill(f"#id_minutes_{number}", str(minutes))
    page.fill("#id_reason", WHY)
    page.click("text=Calcular el total")
    assert page.get_by_text("$1,044.00").is_visible()
    check_page(page, "proponer")
    page.click("text=Proponer al cliente")
    page.wait_for_url(f"**/{ticket.pk}/change/**")
    check_page(page, "agente-ticket")

    enter(cast.ana)
    page.goto(f"{live_server.url}/tickets/{ticket.number}/")
    check_page(page, "ticket-con-cobro")
    page.click("text=Ver la propuesta de cobro")
    check_page(page, "cargos")
    page.click("button:has-text('Acepto $1,044.00')")
    page.wait_for_selector("text=Aceptó el cobro. Nos toca a nosotros")
    check_page(page, "cargos-aceptado")
    charge = ChargeProposal.objects.get()
    assert charge.ended_by == cast.ana

    enter(cast.laura)
    page.goto(live_server.url + page_of(ticket, "time"))
    page.fill("#id_minutes", "90")
    page.fill("#id_work", "Restauré el respaldo")
    page.check("text=A cuenta del cobro aceptado 1")
    page.click("button:has-text('Anotar')")
    page.wait_for_selector("text=Anotó 90 min.")
    check_page(page, "tiempo")

    decide(
        propose(cast, make_ticket(requester=cast.ana, subject="Capacitar a una persona nueva")), cast.ana, accepts=False
    )
    propose(cast, make_ticket(requester=cast.ana, subject="Separar facturas de dos negocios"))
    done = accepted(cast)
    note(done.ticket, 200, done, agent=cast.laura)
    note(done.ticket, 250, agent=cast.laura)
    enter(cast.ana)
    page.goto(f"{live_server.url}/cuenta/")
    page.click("main >> text=Cargos")
    assert page.get_by_text("90 de 120 min").is_visible()
    check_page(page, "cargos-estado")
    with page.expect_download() as download:
        page.click("text=PDF")
    assert download.value.suggested_filename.endswith(".pdf")
    if SHOTS:
        download.value.save_as(Path(SHOTS) / "estado.pdf")
    enter(cast.laura)
    page.goto(f"{live_server.url}/admin/tickets/ticket/cargos/")
    check_page(page, "mesa-cargos")
    page.click("text=Empresa >> nth=0")
    page.goto(page.url.partition("cargos/")[0] + f"cargos/{cast.customer.pk}/{charge.proposed_at:%Y-%m}/")
    check_page(page, "mesa-estado")


@pytest.mark.clause("M14")
def test_an_authorization_without_script(browser: Any, live_server: Any, cast: Cast) -> None:
    ticket = ticket_operations.answer(
        make_ticket(requester=cast.ana).pk,
        agent=cast.laura,
        body="Para recuperarlos hay que restaurar el respaldo. ¿Lo autoriza?",
        wait_reason=Ticket.WaitReason.AUTHORIZATION,
    )
    context = browser.new_context(java_script_enabled=False)
    context.add_cookies(cookies_of(cast.ana, live_server.url))
    page = context.new_page()
    page.goto(f"{live_server.url}/tickets/{ticket.number}/")
    if SHOTS:
        page.screenshot(path=Path(SHOTS) / "ticket-autoriza.png", full_page=True)
    page.fill("#porque", "Hoy no")
    page.click("button:has-text('No autorizo')")
    assert page.get_by_text("Anotamos su decisión").first.is_visible()
    context.close()
    ticket.refresh_from_db()
    assert (ticket.status, ticket.messages.last().body) == ("open", "No autorizo. Hoy no")


def test_the_form_of_minutes_says_what_is_wrong(page: Any, live_server: Any, enter: Any, cast: Cast) -> None:
    ticket = make_ticket(requester=cast.ana)
    enter(cast.laura)
    page.goto(live_server.url + page_of(ticket, "time"))
    page.fill("#id_work", "Restauré")
    page.click("button:has-text('Anotar')")
    assert page.get_by_text("Escriba los minutos con un número de 1 a 720.").first.is_visible()
    assert page.input_value("#id_work") == "Restauré"
    check_page(page, "tiempo-error")
