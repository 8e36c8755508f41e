"""Files leave by their ticket's policy only, as attachments, sandboxed (M16, M17)."""

from io import BytesIO

import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from PIL import Image

from accounts.models import Office, Provider
from factureya.core.files import store
from factureya.testing.desk import page_of
from factureya.testing.pages import log_in, png
from factureya.testing.people import make_agent, make_contact, make_staff
from factureya.testing.tickets import make_ticket
from tickets import notifications, operations
from tickets.models import TicketFile

pytestmark = pytest.mark.django_db


@pytest.fixture
def ticket(ana):
    return make_ticket(requester=ana)


@pytest.fixture
def url(ana, ticket):
    file = store.store(png("<b>captura</b>.png"), draft="a" * 22)
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
    client.get(f"/enlace/{notifications.make_link_token(ana, other)}/")
    assert client.get(url).url.startswith(reverse("account_login"))
    client.get(f"/enlace/{notifications.make_link_token(ana, ticket)}/")
    assert status(client, url) == 200


@pytest.mark.clause("M16")
def test_a_note_s_file_is_for_the_desk(client, ana, ticket):
    agent = make_agent()
    file = store.store(png("interna.png"), draft="b" * 22)
    operations.add_note(ticket.pk, agent=agent, body="Ojo", files=[file])
    url = reverse("tickets:file", args=[file.token])
    log_in(client, ana)
    assert status(client, url) == 404
    client.logout()
    client.get(f"/enlace/{notifications.make_link_token(ana, ticket)}/")
    assert status(client, url) == 404
    log_in(client, agent)
    assert status(client, url) == 200


@pytest.mark.clause("M17")
def test_a_file_of_a_draft_is_nobodys_to_fetch(client, ana):
    file = store.store(png(), draft="c" * 22)
    log_in(client, ana)
    assert client.get(reverse("tickets:file", args=[file.token])).status_code == 404


@pytest.mark.clause("M17")
def test_a_file_that_the_store_lost_is_404(client, ana, url):
    default_storage.delete(TicketFile.objects.get().attachment.file.name)
    log_in(client, ana)
    assert status(client, url) == 404


def got(client, address):
    """The answer and its bytes."""
    response = client.get(address)
    return response, b"".join(response.streaming_content) if response.streaming else b""


@pytest.mark.clause("M17")
def test_people_h4_a_picture_is_shown_in_place_and_in_a_tab(client, ana, ticket):
    noise = Image.effect_noise((1600, 900), 60).convert("RGB")
    data = BytesIO()
    noise.save(data, "PNG")
    file = store.store(SimpleUploadedFile("ruido.png", data.getvalue()), draft="a" * 22)
    operations.add_information(ticket.pk, author=ana, body="Va", files=[file])
    url = reverse("tickets:file", args=[file.token])
    log_in(client, ana)
    whole, content = got(client, f"{url}?ver=completa")
    assert whole.headers["Content-Type"] == "image/png"
    assert content == got(client, url)[1]
    small, content = got(client, f"{url}?ver=miniatura")
    assert small.headers["Content-Type"] == "image/webp"
    assert int(small.headers["Content-Length"]) == len(content) < 60_000
    assert max(Image.open(BytesIO(content)).size) == 512
    for answer in (whole, small):
        assert answer.headers["Content-Disposition"].startswith("inline")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
        assert "no-store" in answer.headers["Cache-Control"]
    for page in (reverse("tickets:detail", args=[ticket.number]), page_of(ticket)):
        html = client.get(page).content.decode()
        assert f'src="{url}?ver=miniatura" width="256" height="144" alt="Imagen: ruido.png" loading="lazy"' in html
        assert f'href="{url}?ver=completa" target="_blank" rel="noopener"' in html
        assert f'href="{url}">Descargar' in html
        log_in(client, make_agent())
    default_storage.delete(f"{file.file.name}.small")  # a lost small copy is no loss
    assert got(client, f"{url}?ver=miniatura")[1] == got(client, url)[1]


@pytest.mark.clause("M17")
@pytest.mark.parametrize("view", ["completa", "miniatura"])
def test_people_h4_only_pictures_are_shown(client, ana, ticket, view):
    file = store.store(SimpleUploadedFile("a.xml", b"<a/>"), draft="a" * 22)
    operations.add_information(ticket.pk, author=ana, body="Va", files=[file])
    log_in(client, ana)
    response, _content = got(client, reverse("tickets:file", args=[file.token]) + f"?ver={view}")
    assert response.headers["Content-Disposition"].startswith("attachment")


@pytest.mark.clause("M16")
@pytest.mark.parametrize("view", ["completa", "miniatura"])
def test_people_h4_a_picture_is_shown_to_whom_the_file_is_given(client, ana, ticket, view):
    agent, third = make_agent(), make_staff(Office.THIRD_PARTY_AGENT, provider=other_provider())
    file = store.store(png("interna.png"), draft="b" * 22)
    operations.add_note(ticket.pk, agent=agent, body="Ojo", files=[file])
    shown = store.store(png("suya.png"), draft="c" * 22)
    operations.add_information(ticket.pk, author=ana, body="Va", files=[shown])
    internal, public = (f"{reverse('tickets:file', args=[one.token])}?ver={view}" for one in (file, shown))
    assert client.get(public).url.startswith(reverse("account_login"))
    client.get(f"/enlace/{notifications.make_link_token(ana, ticket)}/")
    assert (status(client, internal), status(client, public)) == (404, 200)
    for person, expected in ((ana, (404, 200)), (third, (404, 404)), (agent, (200, 200))):
        log_in(client, person)
        assert (status(client, internal), status(client, public)) == expected


def other_provider():
    return Provider.objects.create(name="Soporte Externo")
