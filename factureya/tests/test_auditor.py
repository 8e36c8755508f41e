"""Auditoría reads everything of every app and writes nothing (M26)."""

from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from accounts import offices, policy
from accounts.models import Office
from accounts.sign_in.adapter import choose_landing
from change_requests.models import Decision
from factureya.core import clock
from factureya.core.files import store
from factureya.core.models import Event
from factureya.testing.pages import make_client, png, text_of
from factureya.testing.people import Cast, make_auditor, make_contact, make_customer
from factureya.testing.request_histories import WHY, make, seen
from factureya.testing.tickets import make_ticket
from tickets import operations
from tickets.models import Note, Ticket, TicketFile

pytestmark = pytest.mark.django_db


@pytest.fixture
def cast() -> Cast:
    return Cast()


@pytest.fixture
def olga() -> Client:
    return make_client(make_auditor())


@pytest.mark.clause("M26")
def test_no_permission_of_auditoria_changes_anything() -> None:
    assert {name.partition(".")[2].partition("_")[0] for name in offices.PERMISSIONS[Office.AUDITOR]} == {"view"}
    auditor = make_auditor()
    assert auditor.reads_all
    assert not auditor.desk_provider_ids
    assert not policy.may_verify(auditor)
    assert choose_landing(auditor) == reverse("control:inbox")


@pytest.mark.clause("M26")
def test_the_page_of_a_ticket_has_its_notes_and_no_form(cast: Cast, olga: Client) -> None:
    ticket = make_ticket(requester=cast.ana)
    agent_page = reverse("admin:tickets_ticket_change", args=[ticket.pk])
    operations.add_note(ticket.pk, agent=cast.laura, body="Nota interna de mesa")
    page = olga.get(agent_page)
    html = page.content.decode()
    assert "Nota interna de mesa" in html
    assert "Auditoría no escribe en los tickets" in html
    main = html[html.index("<main") if "<main" in html else html.index('id="content"') :]
    assert "f-escribir" not in html
    assert 'method="post"' not in main
    before = Event.objects.count()
    posted = {"kind": "nota", "note": "x", "body": "x"}
    assert olga.post(reverse("admin:tickets_ticket_write", args=[ticket.pk]), posted).status_code == 403
    assert (Event.objects.count(), Note.objects.count()) == (before, 1)


@pytest.mark.clause("M26")
def test_the_queue_shows_the_tickets_of_every_provider_and_no_own_work(cast: Cast, olga: Client) -> None:
    ticket = make_ticket(requester=cast.ana)
    for address in ("", f"?q={ticket.number}", "?vista=abiertos"):
        html = olga.get(reverse("admin:tickets_ticket_changelist") + address).content.decode()
        assert ticket.number in html
        assert "data-fy-picks" not in html
        assert "Ticket por teléfono" not in html
        assert "Mis tickets" not in html
    assert set(Ticket.objects.visible_to(make_auditor())) == {ticket}


@pytest.mark.clause("M26")
def test_a_request_offers_nothing_and_every_act_is_refused(cast: Cast, olga: Client) -> None:
    request = make(cast, "in_approval")
    page = olga.get(reverse("control:request", args=[request.folio]))
    assert page.context["acts"] == []
    assert page.context["more_links"] == []
    before = Event.objects.count()
    data = {"verdict": "approve", "decision": "approve", "reason": WHY, "seen_hash": seen(request), "password": "x"}
    assert olga.post(reverse("control:decide", args=[request.folio]), data).status_code == 403
    assert (Event.objects.count(), Decision.objects.count()) == (before, 0)
    assert request.folio in text_of(olga.get(reverse("control:inbox")))  # what is open, as nothing waits for her


@pytest.mark.clause("M26")
def test_accounts_are_read_only(cast: Cast, olga: Client) -> None:
    waiting = make_contact(make_customer(verified=False)).contact.customer
    pages = [
        reverse("admin:accounts_user_changelist"),
        reverse("admin:accounts_user_change", args=[cast.gina.pk]),
        reverse("admin:accounts_customer_change", args=[cast.customer.pk]),
        reverse("admin:accounts_customertoverify_change", args=[waiting.pk]),
        reverse("admin:core_outboxmessage_changelist"),
    ]
    for page in pages:
        answer = olga.get(page)
        html = answer.content.decode()
        assert answer.status_code in {200, 404}, page
        assert 'name="action"' not in html, page
        assert "Terminar" not in html, page
        assert "Otorgar" not in html, page
    granted = olga.post(reverse("admin:accounts_user_grant", args=[cast.gina.pk]), {"office": "supervisor"})
    assert granted.status_code == 403


def list_looks() -> list[str]:
    """Return what the recorded looks were at, the oldest first."""
    looks = Event.objects.filter(verb="log.looked").order_by("pk")
    assert all(event.chain.startswith("log:") and event.actor_name == "Olga Auditora" for event in looks)
    return [event.data["object"] for event in looks]


@pytest.mark.clause("M26")
def test_each_look_is_recorded_once_in_ten_minutes(cast: Cast, olga: Client) -> None:
    ticket, request = make_ticket(requester=cast.ana), make(cast, "in_approval")
    pages = {
        reverse("admin:tickets_ticket_change", args=[ticket.pk]): f"Ticket {ticket.number}",
        reverse("admin:accounts_customer_change", args=[cast.customer.pk]): f"Cliente {cast.customer.rfc}",
        reverse("admin:accounts_user_change", args=[cast.gina.pk]): f"Persona {cast.gina.email}",
        reverse("control:request", args=[request.folio]): reverse("control:request", args=[request.folio]),
        **{
            reverse(name): reverse(name)
            for name in ("control:inbox", "emergency:list", "admin:accounts_user_changelist")
        },
    }
    with time_machine.travel(clock.now(), tick=False) as traveller:
        for address in pages:
            assert olga.get(address).status_code == 200
            olga.get(f"{address}?otra=1")
        assert list_looks() == list(pages.values())
        traveller.shift(timedelta(minutes=11))
        olga.get(next(iter(pages)))
        assert len(list_looks()) == len(pages) + 1
    rows = olga.get(reverse("oversight:log"), {"que": "lecturas"}).context["page"].rows
    assert f"Ticket {ticket.number}" in {row.subject.name for row in rows}


@pytest.mark.clause("M26")
def test_a_file_that_auditoria_downloads_is_recorded_without_its_address(cast: Cast, olga: Client) -> None:
    ticket = make_ticket(requester=cast.ana, files=[store.store(png(), draft="k")])
    attachment = TicketFile.objects.get(ticket=ticket).attachment
    answer = olga.get(reverse("tickets:file", args=[attachment.token]))
    assert (answer.status_code, bool(b"".join(answer))) == (200, True)  # read to its end, which closes the file
    [look] = list_looks()
    assert attachment.sha256 in look
    assert attachment.token not in look


@pytest.mark.clause("M26")
def test_what_is_refused_or_seen_by_others_is_no_look(cast: Cast, olga: Client) -> None:
    ticket = make_ticket(requester=cast.ana)
    agent_page = reverse("admin:tickets_ticket_change", args=[ticket.pk])
    assert olga.get(reverse("admin:tickets_ticket_change", args=[10**9])).status_code == 404
    assert make_client(cast.laura).get(agent_page).status_code == 200
    assert make_client(cast.elsa).get(reverse("control:inbox")).status_code == 200
    assert list_looks() == []
