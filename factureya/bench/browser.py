"""A browser of three functions, straight on the WSGI application: no test client, no network."""

import re
import time
from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any
from urllib.parse import urlencode

from django.core.wsgi import get_wsgi_application
from django.test import Client

from accounts.models import User

_HIDDEN = re.compile(r'<input[^>]*type="hidden"[^>]*>')
_ATTRIBUTE = re.compile(r'(name|value)="([^"]*)"')


class Browser:
    """Be one signed-in person. An answer carries status and body; `seconds` is how long the last request took."""

    def __init__(self, user: User) -> None:
        client = Client()
        client.force_login(user)
        self.cookies = {name: morsel.value for name, morsel in client.cookies.items()}
        self.application: Callable[..., Iterable[bytes]] = get_wsgi_application()
        self.seconds = 0.0
        self.status = ""

    def get(self, path: str) -> str:
        """Ask for a page, which must answer 200, and return its answer."""
        body = self._request("GET", path, b"")
        if self.status != "200 OK":
            raise RuntimeError(f"{path}: {self.status}")
        return body

    def post(self, path: str, fields: dict[str, str]) -> None:
        """Send a form, which must be accepted with a redirect, and return its answer."""
        body = self._request("POST", path, urlencode(fields).encode())
        if not self.status.startswith("302"):
            raise RuntimeError(f"{path}: {self.status}\n{body[:3000]}")

    def _request(self, method: str, target: str, body: bytes) -> str:
        """Call the application once, keep its cookies, and return its answer."""
        path, _, query = target.partition("?")
        environ = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "HTTP_HOST": "localhost",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_COOKIE": "; ".join(f"{name}={value}" for name, value in self.cookies.items()),
            "CONTENT_TYPE": "application/x-www-form-urlencoded",
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_ACCEPT_LANGUAGE": "es-MX",
            "wsgi.input": BytesIO(body),
            "wsgi.url_scheme": "http",
            "wsgi.errors": BytesIO(),
            "wsgi.version": (1, 0),
            "wsgi.multithread": False,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
        }
        start = time.perf_counter()
        answer = self.application(environ, self._head)
        content = b"".join(answer)
        close: Any = getattr(answer, "close", None)
        if close:
            close()
        self.seconds = time.perf_counter() - start
        return content.decode()

    def _head(self, status: str, headers: list[tuple[str, str]], _info: Any = None) -> None:
        """Store the status and the cookies of an answer."""
        self.status = status
        for name, value in headers:
            if name == "Set-Cookie":
                cookie, _, rest = value.partition("=")
                self.cookies[cookie] = rest.partition(";")[0]


def hidden_fields(page: str) -> dict[str, str]:
    """Return the hidden fields of a page: its CSRF token and its one-time key."""
    pairs = (dict(_ATTRIBUTE.findall(field)) for field in _HIDDEN.findall(page))
    return {field["name"]: field.get("value", "") for field in pairs if "name" in field}
