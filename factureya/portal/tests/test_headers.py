"""Headers on every address of the site, the admin's included; cookies and HSTS with HTTPS on."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from django.conf import settings
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from accounts.models import Office
from factureya.portal.tests.test_errors import assert_headers
from factureya.testing.people import make_contact, make_staff, make_superuser

HTTPS_PROGRAM = """
import django
from django.conf import settings
settings.STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
django.setup()
from django.test import Client
answer = Client().get("/cuenta/ingresar/", secure=True)
print(answer.headers["Strict-Transport-Security"], *answer.cookies.values(), sep="\\n")
plain = Client().get("/que-es/")
print(plain.status_code, plain.headers["Location"])
"""


def plain_addresses(resolver: URLResolver, prefix: str = "/") -> Iterator[str]:
    """Every address without a parameter."""
    for entry in resolver.url_patterns:
        route = str(entry.pattern)
        if any(sign in route for sign in "<(^"):
            continue
        if isinstance(entry, URLResolver):
            yield from plain_addresses(entry, prefix + route)
        elif isinstance(entry, URLPattern):
            yield prefix + route


@pytest.mark.django_db
@pytest.mark.parametrize("who", ["anonymous", "customer", "supervisor", "superuser"])
def test_every_address_has_the_headers(who):
    addresses = list(plain_addresses(get_resolver()))
    assert len(addresses) > 40
    person = {
        "anonymous": lambda: None,
        "customer": make_contact,
        "supervisor": lambda: make_staff(Office.SUPERVISOR),
        "superuser": make_superuser,
    }[who]()
    for address in addresses:
        client = Client()  # a new one each time: one of the addresses signs out
        if person:
            client.force_login(person)
        response = client.get(address)
        assert response.status_code < 500 or address == "/readyz", address
        assert_headers(response)
        if person:
            assert "no-store" in response.headers["Cache-Control"], address


@pytest.mark.once
def test_https_marks_cookies_and_pins_itself():
    """A process of its own: the names of the cookies are settled when the settings load."""
    environment = {**os.environ, "HTTPS": "on", "DJANGO_SETTINGS_MODULE": "factureya.settings"}
    environment |= {"DATABASE_URL": "sqlite://:memory:", "ALLOWED_HOSTS": "testserver"}
    run = subprocess.run(
        [sys.executable, "-c", HTTPS_PROGRAM],
        cwd=settings.BASE_DIR,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr
    hsts, *cookies, redirect = run.stdout.splitlines()
    assert "max-age=63072000; includeSubDomains; preload" in hsts
    assert cookies
    for cookie in cookies:
        assert cookie.startswith("Set-Cookie: __Host-")
        assert "Secure" in cookie
        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie
        assert "Path=/" in cookie
        assert "Domain" not in cookie
    assert redirect == "301 https://testserver/que-es/"


@pytest.mark.django_db
def test_static_files_have_a_policy_too(settings, tmp_path):
    (tmp_path / "dibujo.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    settings.WHITENOISE_ROOT = tmp_path
    answer = Client().get("/dibujo.svg")
    assert answer.status_code == 200
    assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert b"".join(answer.streaming_content)
