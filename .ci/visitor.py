"""A person at the portal without a browser: follows links and sends the forms of the pages. Standard library alone."""

import http.cookiejar
import sys
import urllib.parse
import urllib.request
from html.parser import HTMLParser

PASSWORD = "Factureya-demo-2026"


class Visitor:
    """A demo account, logged in with the printed password."""

    def __init__(self, site: str, email: str) -> None:
        self.site = site
        cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self.opener = urllib.request.build_opener(cookies)
        self.look("/cuenta/ingresar/")
        self.send("/cuenta/ingresar/", login=email, password=PASSWORD)

    def look(self, path: str) -> str:
        """The page at this path; `url` is where it came from in the end."""
        return self._ask(urllib.parse.urljoin(self.site, path), None)

    def send(self, path: str, **fields: str) -> str:
        """Fill in the form of the last page that goes to this path, and send it; the page that follows."""
        wanted = urllib.parse.urljoin(self.site, path)
        for form in self.forms:
            goes_to = urllib.parse.urljoin(self.url, form.action)
            if form.is_post and goes_to.partition("?")[0] == wanted:
                data = urllib.parse.urlencode({**form.hidden, **fields}).encode()
                return self._ask(goes_to, data)
        sys.exit(f"make run: {self.url} has no form for {path}")

    def _ask(self, url: str, data: bytes | None) -> str:
        with self.opener.open(url, data, timeout=20) as answer:
            page: str = answer.read().decode()
            self.url: str = answer.url
        self.forms = Forms.read_page(page)
        return page


class Forms(HTMLParser):
    """The forms of a page: where each goes, and what it sends without being asked."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Form] = []

    @classmethod
    def read_page(cls, page: str) -> "list[Form]":
        """Return the forms of this page."""
        parser = cls()
        parser.feed(page)
        return parser.found

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A form, or a hidden field of the form that was opened last."""
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            is_post = given.get("method", "").lower() == "post"
            self.found.append(Form(given.get("action", ""), is_post))
        elif tag == "input" and given.get("type") == "hidden" and self.found:
            self.found[-1].hidden[given["name"]] = given.get("value", "")


class Form:
    """One form of a page."""

    def __init__(self, action: str, is_post: bool) -> None:
        self.action, self.is_post = action, is_post
        self.hidden: dict[str, str] = {}


def require(holds: bool, problem: str) -> None:
    """Stop with `problem` unless it holds."""
    if not holds:
        sys.exit(f"make run: {problem}")
