"""One act runs through few files of ours: a person who follows it must be able to read them in one sitting."""

import pytest
from django.test import Client
from django.urls import reverse

from change_requests import operations
from change_requests.models import Decision, FormalRequest
from factureya.dev.trace import trace_act
from factureya.testing.inbound_mails import deliver, make_ana, proven
from factureya.testing.pages import ANSWERS, key_in, log_in
from factureya.testing.people import PASSWORD, make_contact, own_provider
from factureya.testing.request_histories import WHY, Cast, make, seen
from tickets import notifications
from tickets.models import Ticket

pytestmark = pytest.mark.django_db
NEW = "/tickets/nuevo/"


def test_opening_a_ticket_by_the_portal_runs_through_few_files(client: Client):
    own_provider()
    log_in(client, make_contact())
    first_key, key = key_in(client.get(NEW)), key_in(client.get(NEW))
    client.post(NEW, {**ANSWERS, "key": first_key, "otro": "1"})  # what is loaded once is loaded
    trace = trace_act(lambda: client.post(NEW, {**ANSWERS, "key": key, "otro": "1"}))
    assert Ticket.objects.count() == 2
    assert len(trace.files) <= 22, "\n".join(sorted(trace.files))


def test_a_reply_by_mail_runs_through_few_files(settings):
    settings.MAIL_TRUSTED_AUTHSERV = "mx.factureya.com"
    make_ana()
    deliver(proven(Message_ID="<uno@ejemplo.mx>"))
    ticket = Ticket.objects.get()
    root = f"<{notifications.make_root_id(ticket.number)}>"
    reply = proven("Otra vez.", Message_ID="<dos@ejemplo.mx>", References=root)
    trace = trace_act(lambda: deliver(reply))
    assert ticket.messages.count() == 2
    assert len(trace.files) <= 25, "\n".join(sorted(trace.files))


def test_an_approval_in_mesa_de_control_runs_through_few_files(client: Client):
    cast = Cast()
    client.force_login(cast.fabian)

    def approve(request: FormalRequest) -> None:
        data = {"seen_hash": seen(request), "password": PASSWORD, "decision": "approve", "reason": WHY}
        assert client.post(reverse("control:decide", args=[request.folio]), data).status_code == 302

    first = make(cast, FormalRequest.Status.IN_APPROVAL)
    approve(first)  # what is loaded once is loaded, and the password is fresh
    operations.reject(first.pk, actor=cast.elsa, reason=WHY, seen_hash=seen(first))
    second = make(cast, FormalRequest.Status.IN_APPROVAL)
    trace = trace_act(lambda: approve(second))
    assert Decision.objects.get(request=second).is_approval
    assert len(trace.files) <= 20, "\n".join(sorted(trace.files))
