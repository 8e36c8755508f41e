"""Each error has a page in the portal's look, with the headers of every other page."""

import errno

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import OperationalError
from django.test import Client, RequestFactory

from factureya.portal import errors
from factureya.testing.pages import text_of
from factureya.testing.people import make_contact

pytestmark = pytest.mark.urls("factureya.portal.tests.urls")

PAGES = {
    "/falla/400/": (400, "No entendimos la solicitud"),
    "/falla/403/": (403, "No tiene acceso a esta página"),
    "/no-existe/": (404, "No encontramos esta página"),
    "/tickets/FY-0000/": (404, "No encontramos esta página"),
    "/falla/405/": (405, "Esta dirección no se abre así"),
    "/falla/429/": (429, "Demasiados intentos seguidos"),
    "/falla/500/": (500, "Algo falló de nuestro lado"),
    "/falla/503/": (503, "Regresamos en un momento"),
}
NO_QUERY = {400, 500, 503}


@pytest.fixture
def visitor() -> Client:
    """A browser: it sees the page where the test client would raise."""
    return Client(raise_request_exception=False)


def assert_headers(response) -> None:
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "style-src 'self'" in policy
    assert "unsafe" not in policy
    assert "data:" not in policy
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["X-Frame-Options"] == "DENY"
    assert response.headers["Referrer-Policy"] == "same-origin"
    assert response.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "camera=()" in response.headers["Permissions-Policy"]


@pytest.mark.django_db
@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("signed_in", [False, True])
def test_error_pages(visitor, path, signed_in):
    status, heading = PAGES[path]
    if signed_in:
        visitor.force_login(make_contact(full_name="Ana Ocaso"))
    response = visitor.get(path)
    html = response.content.decode()
    assert response.status_code == status
    assert f"<h1>{heading}</h1>" in html
    assert html.count("<h1") == 1
    assert '<html lang="es-MX"' in html
    assert "01 800 63 22 887" in html
    assert "secreto" not in html
    assert ("Ana Ocaso" in html) == (signed_in and status not in NO_QUERY)
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert_headers(response)
    if signed_in:
        assert "no-store" in response.headers["Cache-Control"]


@pytest.mark.parametrize("path", ["/falla/400/", "/falla/500/", "/falla/503/"])
def test_pages_that_need_no_database(visitor, path):
    """No `django_db` mark: a query would fail here. (A session is looked up: it may be an emergency's, M26.)"""
    response = visitor.get(path)
    assert response.status_code == PAGES[path][0]
    assert "<h1>" in response.content.decode()


def test_unavailable_says_when_to_come_back(visitor):
    assert visitor.get("/falla/503/").headers["Retry-After"] == str(errors.RETRY_SECONDS)


@pytest.mark.django_db
def test_database_down_while_the_session_is_read(visitor, monkeypatch):
    """The failure comes from a middleware's lazy user, not from a view."""
    visitor.force_login(make_contact())

    def down(*args, **kwargs):
        raise OperationalError("connection refused")

    monkeypatch.setattr("django.contrib.sessions.backends.db.SessionStore.load", down)
    response = visitor.get("/")
    assert response.status_code == 503
    assert "Regresamos en un momento" in response.content.decode()
    response = visitor.get("/no-existe/")  # the page of one error fails with another
    assert response.status_code == 503
    assert_headers(response)


@pytest.mark.clause("M17")
@pytest.mark.django_db
def test_a_disk_that_is_full_while_a_file_arrives(visitor, monkeypatch):
    """Django reads the upload into its temporary folder before any view of ours runs."""

    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("django.core.files.uploadhandler.TemporaryUploadedFile", full)
    upload = SimpleUploadedFile("captura.png", b"x" * 3_000_000, "image/png")
    response = visitor.post("/cuenta/salir/", {"files": upload})
    assert response.status_code == 503
    assert "Regresamos en un momento" in response.content.decode()


def test_a_page_that_cannot_be_rendered_is_plain(visitor, monkeypatch, caplog):
    def broken(*args, **kwargs):
        raise ValueError("no manifest")

    monkeypatch.setattr(errors, "render_to_string", broken)
    response = visitor.get("/falla/500/")
    assert response.status_code == 500
    assert "01 800 63 22 887" in response.content.decode()
    assert "could not be rendered" in caplog.text


def test_method_not_allowed_keeps_its_header(visitor):
    response = visitor.get("/falla/405/")
    assert response.headers["Allow"] == "POST"
    assert visitor.post("/falla/405/").content == b"ok"


def test_method_not_allowed_for_head(visitor):
    response = visitor.head("/falla/405/")
    assert response.status_code == 405
    assert response.content == b""


def test_too_many_requests_says_how_long(visitor):
    response = visitor.get("/falla/429/")
    assert "Vuelva a intentarlo en 2 minutos." in text_of(response)
    assert response.headers["Retry-After"] == "61"


def test_too_many_requests_without_a_time(rf: RequestFactory):
    response = errors.too_many_requests(rf.get("/"))
    assert "Vuelva a intentarlo en unos minutos." in text_of(response)
    assert "Retry-After" not in response.headers
    assert "en 1 minuto." in text_of(errors.too_many_requests(rf.get("/"), 5))


@pytest.mark.django_db
def test_a_lapsed_form_gives_back_what_was_typed():
    visitor = Client(enforce_csrf_checks=True)
    text = "Al timbrar la factura de hoy dice <CFDI40147> y ayer no. " * 2
    response = visitor.post(
        "/falla/403-csrf/",
        {"body": text, "subject": "corto", "impact": "3", "password": "p" * 60, "csrfmiddlewaretoken": "t" * 64},
        headers={"referer": "http://testserver/tickets/nuevo/"},
    )
    html = response.content.decode()
    assert response.status_code == 403
    assert "Vuelva a enviar el formulario" in html
    assert "acepte cookies" in html
    assert "dice &lt;CFDI40147&gt; y ayer no." in html
    assert 'href="http://testserver/tickets/nuevo/"' in html
    assert "corto</textarea>" in html  # reports 36: short words too
    assert "3</textarea>" not in html
    assert "pppp" not in html
    assert "tttt" not in html
    assert_headers(response)


@pytest.mark.django_db
def test_a_lapsed_form_links_to_no_other_site():
    visitor = Client(enforce_csrf_checks=True)
    response = visitor.post("/falla/403-csrf/", headers={"referer": "https://malo.example/"})
    html = response.content.decode()
    assert "malo.example" not in html
    assert "Lo que escribió" not in html


@pytest.mark.clause("M17")
@pytest.mark.django_db
def test_a_body_that_fills_the_disk_is_refused_unread(visitor):
    answer = visitor.post(
        "/falla/403-csrf/", b"x", content_type="multipart/form-data; boundary=b", CONTENT_LENGTH="9" * 12
    )
    assert answer.status_code == 400
    assert "No entendimos la solicitud" in answer.content.decode()
    assert_headers(answer)
