"""What a page weighs on a first visit: at most 150 KB and 12 requests, portal and admin alike."""

import gzip
from urllib.parse import urlsplit

import pytest
from django.contrib.auth import get_user_model
from django.urls import reverse
from playwright.sync_api import Page, Response

from accounts.models import Office, User
from factureya.testing.pages import cookies_of
from factureya.testing.people import make_contact, make_staff, own_provider
from tickets.models import Ticket
from tickets.tests.test_budgets import load

pytestmark = [pytest.mark.browser, pytest.mark.once, pytest.mark.django_db(transaction=True)]
MOST_BYTES, MOST_REQUESTS = 150 * 1024, 12


@pytest.fixture
def cast() -> tuple[User, User]:
    """A representative and a supervisor with full lists."""
    own_provider()
    agent = make_staff(Office.SUPERVISOR, full_name="Laura Méndez")
    person = make_contact(representative=True, full_name="Ana Rivas")
    load((person, agent), "tnqiqiqis", *["t", "ts", "tqi", "tsc"] * 30)
    return get_user_model().objects.get(pk=person.pk), agent


def test_no_page_is_heavy(page: Page, live_server, cast: tuple[User, User]) -> None:
    person, agent = cast
    ticket = Ticket.objects.order_by("pk").first()
    assert ticket is not None
    workspace = reverse("admin:tickets_ticket_change", args=[ticket.pk])
    queue = reverse("admin:tickets_ticket_changelist")
    visits: list[tuple[User | None, str]] = [
        (None, reverse("portal:home")),
        (None, reverse("portal:support")),
        (None, reverse("account_login")),
        (None, reverse("account_signup")),
        (person, reverse("tickets:list")),
        (person, reverse("tickets:detail", args=[ticket.number])),
        (person, reverse("tickets:new")),
        (person, reverse("accounts:home")),
        (agent, f"{queue}?vista=abiertos"),
        (agent, workspace),
    ]
    too_much = []
    for who, path in visits:
        weight, requests = _visit(page, live_server.url, who, path)
        if weight > MOST_BYTES or requests > MOST_REQUESTS:
            too_much.append(f"{path}: {weight / 1024:.0f} KB in {requests} requests")
    assert not too_much, "\n".join(too_much)


def _visit(page: Page, server: str, who: User | None, path: str) -> tuple[int, int]:
    """Bytes and requests of a first visit, the static files compressed as WhiteNoise serves them."""
    page.context.clear_cookies()
    if who is not None:
        page.context.add_cookies(cookies_of(who, server))
    answers: list[Response] = []

    def note(found: Response) -> None:
        answers.append(found)

    page.goto("about:blank")
    page.on("response", note)
    cdp = page.context.new_cdp_session(page)
    cdp.send("Network.clearBrowserCache")
    answer = page.goto(server + path, wait_until="networkidle")
    page.remove_listener("response", note)
    assert answer is not None
    assert answer.status == 200, path
    return sum(_bytes(found) for found in answers), len(answers)


def _bytes(answer: Response) -> int:
    body = answer.body()
    is_static = urlsplit(answer.url).path.startswith("/static/")
    return min(len(body), len(gzip.compress(body))) if is_static else len(body)
