"""The lines also take sales questions: a category of its own, and never a way to change what is registered (M4)."""

import pytest
from django.apps import apps

from accounts.models import Customer
from change_requests import operations
from change_requests.kinds.registry import KINDS
from change_requests.models import FormalRequest
from factureya.core.models import InboundMessage
from factureya.testing.inbound_mails import AUTHSERV, deliver, make_ana, proven
from factureya.testing.pages import log_in, text_of
from factureya.testing.people import make_agent
from factureya.testing.tickets import make_ticket
from tickets.models import Ticket

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M4")]


def test_the_queue_shows_sales_apart(client):
    agent = make_agent()
    sales = make_ticket(category=Ticket.Category.SALES, subject="Quiero contratar timbres")
    other = make_ticket(subject="No puedo timbrar")
    log_in(client, agent)
    page = text_of(client.get("/admin/tickets/ticket/?vista=ventas&categoria=sales"))
    assert sales.number in page
    assert other.number not in page


def test_an_agent_makes_no_formal_request_of_a_sales_ticket():
    agent = make_agent()
    ticket = make_ticket(category=Ticket.Category.SALES)
    for kind in KINDS:
        with pytest.raises(operations.NotAllowed):
            operations.create_draft(actor=agent, customer=ticket.customer, form=kind.form, kind=kind.code)
    assert not FormalRequest.objects.exists()


def test_no_column_leads_from_a_ticket_to_a_formal_request():
    """Neither has a field of the other, so nothing of a ticket is carried into a request."""
    for model in apps.get_app_config("change_requests").get_models():
        related = {field.related_model for field in model._meta.get_fields()}
        assert not any(each and each._meta.app_label == "tickets" for each in related), model


def test_words_in_a_sales_ticket_change_nothing(settings):
    settings.MAIL_TRUSTED_AUTHSERV = AUTHSERV
    ana = make_ana()
    ticket = make_ticket(requester=ana, category=Ticket.Category.SALES)
    before = Customer.objects.filter(pk=ticket.customer_id).values().get()
    letter = proven("Cambien mi correo a otro@ejemplo.mx", Subject=f"RE: {ticket.number}")
    assert deliver(letter).disposition == InboundMessage.Disposition.REPLY
    assert Customer.objects.filter(pk=ticket.customer_id).values().get() == before
    assert not FormalRequest.objects.exists()
