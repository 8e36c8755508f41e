"""The stock admin's pages of core: what a superuser may see and do there, and what stays hidden."""

from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import User
from factureya.core import admin, audit
from factureya.core.models import Event, OutboxMessage
from factureya.testing.people import make_agent, make_contact, make_superuser
from factureya.testing.tickets import make_ticket

pytestmark = pytest.mark.django_db
Status = OutboxMessage.Status
MAILS = reverse("admin:core_outboxmessage_changelist")
EVENTS = reverse("admin:core_event_changelist")
HOLIDAYS = reverse("admin:core_holiday_changelist")


@pytest.fixture
def root(client: Client) -> Client:
    client.force_login(make_superuser())
    return client


def make_mails(number: int = 1, **fields: Any) -> list[OutboxMessage]:
    return [
        OutboxMessage.objects.create(
            key=f"{fields}{n}",
            message_id=f"{hash(str(fields))}.{n}@factureya.com",
            kind="tickets/answered",
            subject="Asunto del cliente",
            body="Palabras del cliente\n",
            **({"to": f"ana{n}@ejemplo.mx", "about": "ticket:FY-7K3M-9QX1"} | fields),
        )
        for n in range(number)
    ]


def text(response: Any) -> str:
    assert response.status_code == 200
    return response.content.decode()


# -- Mails -------------------------------------------------------------------------------------------


@pytest.mark.clause("M16")
def test_mails_are_listed_without_their_text(root):
    (message,) = make_mails(status=Status.FAILED, last_error="550 no existe")
    for address in (MAILS, reverse("admin:core_outboxmessage_change", args=[message.pk])):
        page = text(root.get(address))
        assert "ana0@ejemplo.mx" in page
        assert "550 no existe" in page
        assert "No enviado" in page
        assert "del cliente" not in page


@pytest.mark.clause("M16")
@pytest.mark.parametrize("field", ["body", "subject", "headers", "key"])
def test_what_is_hidden_cannot_be_asked_for_piece_by_piece(root, field):
    make_mails()
    assert root.get(MAILS, {f"{field}__startswith": "P"}).status_code == 400


@pytest.mark.parametrize(
    ("address", "lookup", "value"),
    [
        (MAILS, "status__regex", "("),
        (MAILS, "status__exact", "a\0b"),
        (MAILS, "status__isnull", "x"),
        (EVENTS, "actor__password__startswith", "a"),
    ],
)
def test_a_filter_that_no_page_offers_is_refused(root, address, lookup, value):
    assert root.get(address, {lookup: value}).status_code == 400


def test_the_list_counts_no_further_than_it_shows(root, monkeypatch):
    monkeypatch.setattr(admin, "MOST_ROWS", 70)
    make_mails(80)
    with CaptureQueriesContext(connection) as queries:
        page = text(root.get(MAILS))
    assert "70 correos de salida" in page
    assert not [q["sql"] for q in queries if "COUNT(" in q["sql"] and "outbox" in q["sql"]]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"q": "ANA1@ejemplo.mx"}, 1),
        ({"q": "ana"}, 0),
        ({"q": "fy7k3m 9qx1"}, 3),
        ({"q": "customer:7"}, 1),
        ({"q": " "}, 4),
        ({"status__exact": "failed"}, 1),
    ],
)
def test_mails_are_found_by_address_number_or_state(root, query, found):
    make_mails(3)
    make_mails(about="customer:7", to="x@ejemplo.mx", status=Status.FAILED)
    assert len(root.get(MAILS, query).context["cl"].result_list) == found


def test_failed_mails_are_tried_again_by_post(root):
    failed, secret, queued = (
        *make_mails(status=Status.FAILED, attempts=8),
        *make_mails(status=Status.FAILED, attempts=8, is_secret=True),
        *make_mails(attempts=3),
    )
    chosen = {"action": "retry", "_selected_action": [failed.pk, secret.pk, queued.pk]}
    page = text(root.post(MAILS, chosen, follow=True))
    assert "Correos en cola de nuevo: 1." in page
    states = dict(OutboxMessage.objects.values_list("pk", "status"))
    assert (states[failed.pk], states[secret.pk]) == (Status.QUEUED, Status.FAILED)
    queued.refresh_from_db()
    assert queued.attempts == 3
    assert "Ninguno de los seleccionados" in text(root.post(MAILS, chosen, follow=True))
    (event,) = Event.objects.filter(verb="outbox.retried")  # who did it, once, of the one that was
    assert (event.chain, event.actor) == (failed.chain, User.objects.get(is_superuser=True))


@pytest.mark.parametrize("address", [MAILS, EVENTS])
def test_nothing_is_added_changed_or_deleted(root, address):
    make_mails()
    with transaction.atomic():
        audit.record("cliente.verificado", Thing(), actor=None)  # type: ignore[arg-type]
    model = OutboxMessage if address == MAILS else Event
    pk = model.objects.latest("pk").pk
    assert root.get(f"{address}add/").status_code == 403
    assert root.post(f"{address}{pk}/delete/", {"post": "yes"}).status_code == 403
    assert root.post(f"{address}{pk}/change/", {"status": "sent", "verb": "x"}).status_code == 403
    root.post(address, {"action": "delete_selected", "_selected_action": [pk], "post": "yes"})
    assert model.objects.filter(pk=pk).exists()


# -- Events ------------------------------------------------------------------------------------------


class Thing:
    chain = "customer:7"


@pytest.mark.clause("M16", "M26")
def test_a_superuser_reads_the_log_but_not_what_is_in_a_ticket(root):
    ticket = make_ticket()
    with transaction.atomic():
        event = audit.record("customer.verified", Thing(), actor=None, rfc="OCA010101AA1")  # type: ignore[arg-type]
    page = text(root.get(EVENTS))
    assert "customer.verified" in page
    assert "ticket.opened" in page
    page = text(root.get(reverse("admin:core_event_change", args=[event.pk])))
    assert "rfc: OCA010101AA1" in page
    assert event.hash in page
    opened = ticket.events().get()
    page = text(root.get(reverse("admin:core_event_change", args=[opened.pk])))
    assert "Los ve quien atiende el ticket." in page
    assert "portal" not in page.partition("Los ve")[2][:300]
    for q, found in ((ticket.number.lower(), 1), ("customer:7", 1), ("", Event.objects.count()), ("cust", 0)):
        assert len(root.get(EVENTS, {"q": q}).context["cl"].result_list) == found


def test_an_event_without_data(root):
    with transaction.atomic():
        event = audit.record("customer.verified", Thing(), actor=None)  # type: ignore[arg-type]
    assert "—" in text(root.get(reverse("admin:core_event_change", args=[event.pk])))


# -- Others ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", [MAILS, EVENTS, HOLIDAYS])
def test_nobody_else_enters(client, address):
    assert client.get(address).status_code == 302
    for person in (make_agent(), make_contact()):
        client.force_login(person)
        assert client.get(address).status_code == 403


ODD = ["", "abc", "1.5", "-1", "٣", "1" * 19, "9" * 5000, "1;2", "a\0b", "\ud800".encode("utf-8", "replace").decode()]


@pytest.mark.clause("M16")
@pytest.mark.parametrize(("address", "action"), [(MAILS, "retry"), (MAILS, "nada"), (EVENTS, "retry")])
@pytest.mark.parametrize("key", ODD)
def test_servers_an_odd_key_among_the_selected_selects_nothing(root, address, action, key):
    """A supervisor's or superuser's browser never sends one; a 500 it was."""
    (mail,) = make_mails(status=Status.FAILED)
    chosen = {"action": action, "_selected_action": [key], "index": "0"}
    assert root.post(address, chosen).status_code in (200, 302, 403)
    assert root.post(address, {**chosen, "index": key}).status_code in (200, 302, 403)
    mail.refresh_from_db()
    assert mail.status == Status.FAILED


@pytest.mark.clause("M16")
def test_servers_an_odd_key_beside_a_good_one_takes_nothing_from_it(root):
    (mail,) = make_mails(status=Status.FAILED)
    root.post(MAILS, {"action": "retry", "_selected_action": ["abc", mail.pk, "9" * 30]})
    mail.refresh_from_db()
    assert mail.status == Status.QUEUED


@pytest.mark.clause("M16")
@pytest.mark.parametrize("page", [MAILS, EVENTS, HOLIDAYS])
@pytest.mark.parametrize("key", ["abc", "9" * 30, "-1", "a%00b", "1.5"])
def test_servers_an_odd_key_in_the_address_is_no_row(root, page, key):
    for end in ("change/", "delete/", "history/"):
        assert root.get(f"{page}{key}/{end}").status_code in (302, 403, 404)
