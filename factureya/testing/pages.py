"""Helpers of the tests of pages: log in, read what a person reads, fill the guided form, count statements."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape
from io import BytesIO
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from PIL import Image

from accounts.models import User

ANSWERS = {
    "subject": "No puedo timbrar: error CFDI40147",
    "category": "stamping",
    "impact": "3",
    "description": "Dice CFDI40147.",
    "steps": "Entré a Nueva factura\n2) Di clic en Timbrar",
}
# A value for each of Ticket.FACTS.
FACTS = {"cfdi_uuid": "6F1C2A90-7B3E-4D52-9ABC-0123456789AB"}


def log_in(client: Client, user: User) -> None:
    """Sign in without the login page."""
    client.force_login(user, backend="accounts.sign_in.backends.EmailBackend")


def make_client(user: User) -> Client:
    """Return a client in which the person is signed in."""
    client = Client()
    log_in(client, user)
    return client


def cookies_of(user: User, url: str) -> list[dict[str, str]]:
    """Return the session of a person as Chromium takes it."""
    return [{"name": "sessionid", "value": make_client(user).cookies["sessionid"].value, "url": url}]


def text_of(response: Any) -> str:
    """Return what a person reads on the page's main part: without tags, with single spaces."""
    html = response.content.decode()
    match = re.search(r"<main.*?</main>", html, re.DOTALL)
    return (
        unescape(" ".join(re.sub(r"<[^>]+>", " ", match.group() if match else html).split()))
        .replace(" .", ".")
        .replace(" :", ":")
        .replace(" ,", ",")
    )


def key_in(response: Any) -> str:
    """Return the one-time key of the page's form."""
    match = re.search(r'name="key" value="([^"]+)"', response.content.decode())
    assert match, "no form on the page"
    return match.group(1)


def hidden_in(response: Any) -> dict[str, str]:
    """Return the page's form as a browser sends it: its key, and what was reviewed where it has that."""
    found = re.findall(r'name="(key|seen)" value="([^"]+)"', response.content.decode())
    assert found, "no form on the page"
    return dict(found)


def png(name: str = "captura.png", size: tuple[int, int] = (4, 3)) -> SimpleUploadedFile:
    """Return a small image as a browser uploads it."""
    data = BytesIO()
    Image.new("RGB", size, "teal").save(data, "PNG")
    return SimpleUploadedFile(name, data.getvalue(), "image/png")


@contextmanager
def statements() -> Iterator[list[str]]:
    """Collect the statements that read or write data; BEGIN, SAVEPOINT and the like are not counted."""
    found: list[str] = []
    with CaptureQueriesContext(connection) as context:
        yield found
    verbs = ("SELECT", "INSERT", "UPDATE", "DELETE")
    found.extend(q["sql"] for q in context.captured_queries if q["sql"].lstrip("( ").upper().startswith(verbs))
