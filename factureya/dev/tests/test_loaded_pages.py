"""A page whose body comes later than its head: a test's script waits for it."""

import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

pytestmark = pytest.mark.browser


class _SlowPages(BaseHTTPRequestHandler):
    """Send the head of `/slow` at once and its body half a second later."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.flush()
        if self.path == "/slow":
            time.sleep(0.5)
        self.wfile.write(b"<a href=/slow>siguiente</a>" if self.path == "/" else b"<p>tarde")

    def log_message(self, *args: Any) -> None:
        """Print nothing."""


@pytest.fixture
def slow_pages() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _SlowPages) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_a_script_after_a_click_runs_in_the_loaded_page(page: Any, slow_pages: str):
    page.goto(slow_pages)
    page.click("a")
    assert page.evaluate("document.documentElement.querySelectorAll('p').length") == 1
