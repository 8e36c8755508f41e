"""Files leave by their ticket's policy only, as attachments, sandboxed (M16, M17)."""

import pytest
from django.core.files.storage import default_storage
from django.urls import reverse

from accounts.models import Office
from accounts.tests.factories import make_agent, make_contact, make_customer, make_staff
from factureya.core import attachments
from tickets import links, operations
from tickets.models import TicketFile
from tickets.tests.factories import make_ticket
from tickets.tests.pages import log_in, png

pytestmark = pytest.mark.django_db


@pytest.fixture
def ana():
    return make_contact(make_customer(), email="ana@ocaso.mx")


@pytest.fixture
def ticket(ana):
    return make_ticket(requester=ana)


@pytest.fixture
def url(ana, ticket):
    file = attachments.store(png("<b>captura</b>.png"), draft="a" * 22)
    operations.add_information(ticket.pk, author=ana, body="Va", files=[file])
    return reverse("tickets:file", args=[file.token])


def status(client, url):
    """The answer's code; the file is read and closed as a server would."""
    response = client.get(url)
    if response.streaming:
        list(response.streaming_content)
    return response.status_code


@pytest.mark.clause("M17")
def test_a_file_leaves_as_a_sandboxed_attachment(client, ana, url):
    log_in(client, ana)
    response = client.get(url)
    assert response.headers["Content-Type"] == "image/png"
    assert response.headers["Content-Disposition"].startswith("attachment")
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in response.headers["Content-Security-Policy"]
    assert "no-store" in response.headers["Cache-Control"]
    assert b"".join(response.streaming_content).startswith(b"\x89PNG")
    head = client.head(url)
    assert list(head.streaming_content) == []
    assert (head.status_code, head.headers["Content-Type"]) == (200, "image/png")


@pytest.mark.clause("M16")
def test_strangers_get_404_and_anonymous_the_login(client, url):
    assert client.get(url).url.startswith(reverse("account_login"))
    assert client.get("/archivos/no-hay/").url.startswith(reverse("account_login"))  # no oracle
    log_in(client, make_contact())
    assert status(client, url) == 404
    assert client.get("/archivos/no-hay/").status_code == 404
    assert client.post(url).status_code == 405


@pytest.mark.clause("M3")
def test_staff_fetch_by_office(client, url):
    log_in(client, make_agent())
    assert status(client, url) == 200
    log_in(client, make_staff(Office.DEVELOPER))
    assert status(client, url) == 404


@pytest.mark.clause("M16")
def test_a_link_fetches_the_files_of_its_ticket_only(client, ana, ticket, url):
    other = make_ticket(requester=ana)
    client.get(f"/enlace/{links.token_for(ana, other)}/")
    assert client.get(url).url.startswith(reverse("account_login"))
    client.get(f"/enlace/{links.token_for(ana, ticket)}/")
    assert status(client, url) == 200


@pytest.mark.clause("M16")
def test_a_note_s_file_is_for_the_desk(client, ana, ticket):
    agent = make_agent()
    file = attachments.store(png("interna.png"), draft="b" * 22)
    operations.add_note(ticket.pk, agent=agent, body="Ojo", files=[file])
    url = reverse("tickets:file", args=[file.token])
    log_in(client, ana)
    assert status(client, url) == 404
    client.logout()
    client.get(f"/enlace/{links.token_for(ana, ticket)}/")
    assert status(client, url) == 404
    log_in(client, agent)
    assert status(client, url) == 200


@pytest.mark.clause("M17")
def test_a_file_of_a_draft_is_nobodys_to_fetch(client, ana):
    file = attachments.store(png(), draft="c" * 22)
    log_in(client, ana)
    assert client.get(reverse("tickets:file", args=[file.token])).status_code == 404


@pytest.mark.clause("M17")
def test_a_file_that_the_store_lost_is_404(client, ana, url):
    default_storage.delete(TicketFile.objects.get().attachment.file.name)
    log_in(client, ana)
    assert status(client, url) == 404
