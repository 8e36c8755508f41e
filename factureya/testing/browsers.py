"""A browser of mesa de control that changes hands, and what every page must keep: no axe violation, fits a phone."""

from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from accounts.models import User
from factureya.testing.pages import cookies_of

NARROW, WIDE = {"width": 320, "height": 640}, {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}


class Desk:
    """A browser that changes hands; `start` is the address that its paths go on from."""

    button = "button[type=submit]"  # which one of a form a person presses

    def __init__(self, page: Page, live_server: Any, start: str) -> None:
        self.page, self.live_server, self.start = page, live_server, start
        page.set_viewport_size(WIDE)

    def enter(self, person: User, path: str = "") -> None:
        """Give the browser to this person, at this page."""
        self.page.context.clear_cookies()
        self.page.context.add_cookies(cookies_of(person, self.live_server.url))
        self.go(path)

    def go(self, path: str = "") -> None:
        """Open the page at this path."""
        self.page.goto(f"{self.live_server.url}{self.start}{path}")

    def says(self, words: str) -> None:
        """Wait for these words, and look at the page as axe and a narrow screen do."""
        self.page.wait_for_selector(f"text={words}")
        good(self.page)

    def send(self, heading: str) -> None:
        """Press the button of the form with this heading."""
        self.page.click(f"form[aria-labelledby=h-{heading}] {self.button}")


def good(page: Page) -> None:
    """Fail for an axe violation at 1280 or 390 px, or if there is something to scroll sideways at 320 px."""
    for size in (WIDE, PHONE):
        page.set_viewport_size(size)
        found = Axe().run(page).response["violations"]
        assert not found, [(v["id"], [n["target"] for n in v["nodes"]]) for v in found]
    page.set_viewport_size(NARROW)
    width = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(width) <= 0, page.url
    page.set_viewport_size(WIDE)


def head_takes_one_line(page: Page) -> None:
    """Fail if at 1280 px the places in the head stand in two lines, or run into the account."""
    page.set_viewport_size(WIDE)
    page.evaluate("document.fonts.ready.then(() => null)")
    links = page.eval_on_selector_all(".fy-nav a", "links => links.map(e => e.getBoundingClientRect().top)")
    assert len(set(links)) == 1, page.url
    height = page.eval_on_selector(".fy-top__in", "e => e.offsetHeight")
    assert height <= 68, (height, page.url)
    ends = page.eval_on_selector_all(
        ".fy-nav li:last-child, .fy-acct", "parts => parts.map(e => e.getBoundingClientRect())"
    )
    assert ends[0]["right"] <= ends[1]["left"], page.url
