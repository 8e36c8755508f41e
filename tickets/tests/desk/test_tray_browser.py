"""The tray in Chromium: each form with what is wrong in it, by keyboard, axe in both themes, 320 px wide (M5, M6)."""

from typing import Any

import pytest
from django.urls import reverse

from factureya.core.models import InboundMessage
from factureya.testing.desk import page_of
from factureya.testing.inbound_mails import make_ana
from factureya.testing.tickets import mails_about, make_inbound, make_ticket
from tickets import operations
from tickets.tests.desk.test_desk_browser import accessible, agent, desk

__all__ = ["agent", "desk"]  # the fixtures
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True), pytest.mark.clause("M5", "M6")]
TRAY = "/admin/tickets/ticket/bandeja/"


@pytest.fixture
def letter() -> InboundMessage:
    return make_inbound(disposition="reject-unregistered", sender="extrano@otro.example")


def refused(page: Any, message: str) -> None:
    """The page names the error in its title and summary, has the focus there, and is still accessible."""
    page.wait_for_selector("[data-fy-errors]")
    assert page.title().startswith("Error: ")
    assert page.evaluate("document.activeElement.hasAttribute('data-fy-errors')")
    assert message in page.inner_text("[data-fy-errors]")
    accessible(page)
    page.set_viewport_size({"width": 320, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    page.set_viewport_size({"width": 1280, "height": 900})


def test_each_form_of_a_mail_says_what_is_missing_and_then_works(page: Any, desk: Any, letter: InboundMessage):
    ana = make_ana()
    ticket = make_ticket(requester=ana)
    desk(TRAY)
    accessible(page)
    page.click("main table a")
    accessible(page)
    page.click("button:has-text('Descartar')")
    refused(page, "Escriba por qué se descarta")

    page.fill("#numero", ticket.number)
    page.keyboard.press("Enter")
    page.click(f"button:has-text('Agregar a {ticket.number}')")
    refused(page, "Elija de quién son las palabras")

    desk(reverse("admin:tickets_ticket_mail_open", args=[letter.pk]) + f"?contacto={ana.pk}")
    page.fill("[name=subject]", "")
    page.click("button:has-text('Abrir ticket')")
    refused(page, "Escriba")
    page.fill("[name=subject]", "No timbra")
    page.select_option("[name=category]", "stamping")
    page.check("[name=impact][value='2']")
    page.click("button:has-text('Abrir ticket')")
    page.wait_for_selector("text=Se abrió FY-")
    letter.refresh_from_db()
    assert letter.resolution == "opened"


def test_a_failed_mail_and_a_held_close_are_worked_on_the_tickets_page(page: Any, desk: Any):
    ticket = make_ticket("waiting", requester=make_ana())
    mail = mails_about(ticket)[-1]
    operations.mail_bounced(ticket.pk, mail=mail, inbound=make_inbound())
    type(mail).objects.filter(pk=mail.pk).update(status="failed", last_error="550 " + "x" * 150)
    desk(page_of(ticket))
    page.set_viewport_size({"width": 320, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    accessible(page)
    page.click("text=Reintentar")
    page.wait_for_selector("text=El correo está en cola de nuevo")
    page.click("text=Dejar correr el plazo")
    page.wait_for_selector("text=corre de nuevo: sin respuesta, se cierra")
    accessible(page)
