"""What every test shares: services found or left out by name, guards lifted for a flush, Chromium's settings."""

import os
import shutil
import socket
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.apps import apps
from django.conf import settings
from django.core.cache import cache
from django.core.management import call_command
from django.core.management.color import no_style
from django.db import connection, models, transaction
from django.test import TransactionTestCase
from playwright.sync_api import Page

from factureya.core import audit, calendar, clock, guard_install
from factureya.core.hours.week import STANDARD
from factureya.core.models import ChainHead, Event
from factureya.testing import mail_servers

REDIS_URL = os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379/15")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
LEFT_OUT = {
    "postgres": "PostgreSQL (set DATABASE_URL, or let `make test` find it)",
    "redis": f"Redis at {REDIS_URL}",
    "browser": "Chromium",
    "mailserver": "root, Postfix and Dovecot (imapd, lmtpd)",
}
_left_out = pytest.StashKey[dict[str, int]]()


# -- Settings of the suite that the environment cannot say -------------------------------------------


def pytest_configure(config: pytest.Config) -> None:
    """Plain static names (no collectstatic before a test) and a hash that costs nothing; count what is left out."""
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher", *settings.PASSWORD_HASHERS]
    for number in range(1, 34):
        config.addinivalue_line("markers", f'M{number}: set by clause("M{number}")')
    config.stash[_left_out] = {}


# -- What needs a service ----------------------------------------------------------------------------


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark tests that open a page as `browser`; skip, and count, those whose service is not there.

    Browser tests come last: playwright leaves a running event loop, in which no other test can run one of its own.
    """
    absent = _absent()
    for item in items:
        for clause in {clause for mark in item.iter_markers("clause") for clause in mark.args}:
            item.add_marker(clause)  # `-m M15` selects the tests of clause M15
        if "page" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.browser)
        for name in absent:
            if item.get_closest_marker(name):
                item.add_marker(pytest.mark.skip(reason=f"needs {LEFT_OUT[name]}"))
                counts = config.stash[_left_out]
                counts[name] = counts.get(name, 0) + 1
                break
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Name what was left out, in the words `make test` repeats at its end."""
    for name, count in config.stash[_left_out].items():
        terminalreporter.write_line(f"left out: {count} {name} tests, which need {LEFT_OUT[name]}")


def _absent() -> list[str]:
    there = {
        "postgres": "postgres" in os.environ["DATABASE_URL"].partition(":")[0],
        "redis": _answers(REDIS_URL),
        "browser": CHROMIUM is not None,
        "mailserver": not mail_servers.absent(),
    }
    return [name for name, found in there.items() if not found]


def _answers(url: str) -> bool:
    address = urlsplit(url)
    try:
        socket.create_connection((address.hostname or "127.0.0.1", address.port or 6379), 1).close()
    except OSError:
        return False
    return True


@pytest.fixture(scope="session")
def redis_url() -> str:
    """The Redis that `redis` tests may use."""
    return REDIS_URL


@pytest.fixture(scope="session")
def race_rounds() -> int:
    """How often a race is run: 3 here, RACE_ROUNDS=10 in CI, 200 when an issue is accepted."""
    return int(os.environ.get("RACE_ROUNDS", "3"))


@pytest.fixture
def rounds(race_rounds: int) -> Iterator[range]:
    """The rounds of a race; afterwards every chain is whole."""
    yield range(race_rounds)
    assert list(audit.find_flaws()) == []


@pytest.fixture(scope="session")
def live_server(live_server: Any) -> Any:
    """The server of the browser tests; its last threads may close their connection after the server has stopped."""
    connection.inc_thread_sharing()
    return live_server


# -- The database after a transactional test ---------------------------------------------------------


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Flush past the guards, and put back what the migrations had seeded.

    Append-only tables refuse the flush that ends a transactional test, and the flush would take the holidays, the
    own provider, content types and permissions with it. Only here are the guards lifted; production cannot.
    """
    with django_db_blocker.unblock():
        _forget_installation()
        seeded = [
            (model, rows)
            for model in apps.get_models(include_auto_created=True)
            if (rows := list(model._base_manager.all()))
        ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda _case: _flush_and_restore(seeded))
        yield


def _forget_installation() -> None:
    """Delete the event that `migrate` left: a test counts its own events, and each flush installs the guards anew."""
    with guard_install.lifted(connection):
        Event.objects.all().delete()
        ChainHead.objects.all().delete()


def _flush_and_restore(seeded: list[tuple[type[models.Model], list[models.Model]]]) -> None:
    """Empty all tables and put the seeded rows back, with their keys; the next row of each table gets a key after."""
    with guard_install.lifted(connection):
        call_command("flush", verbosity=0, interactive=False, inhibit_post_migrate=True)
        with transaction.atomic():
            for model, rows in seeded:
                model._base_manager.bulk_create(rows)
            # The flush began each sequence of PostgreSQL at 1 again, which a seeded row has; SQLite needs nothing.
            statements = connection.ops.sequence_reset_sql(no_style(), [model for model, _rows in seeded])
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)


@pytest.fixture(autouse=True)
def _empty_cache() -> Iterator[None]:
    """Limits of login and look-up live in the cache: no test inherits another's."""
    yield
    cache.clear()


@pytest.fixture(autouse=True)
def _hours_are_known() -> None:
    """The footer's hours cost a query a minute in each process; here none, unless a test forgets them."""
    calendar.remember_week(STANDARD, seconds=10**9)


@pytest.fixture(autouse=True)
def _database_has_our_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """time-machine moves the clock of this process only: let the database's follow it, unless a test says otherwise."""
    monkeypatch.setattr(clock, "_database_offset", timedelta())


# -- Chromium ----------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """Debian's Chromium, as root and without a word to the outside."""
    quiet = (
        "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
        "--disable-component-update --disable-sync"
    )
    return {**browser_type_launch_args, "executable_path": CHROMIUM, "args": quiet.split()}


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    """A person in Mexico City, at the width of the mock-ups."""
    return {
        **browser_context_args,
        "locale": "es-MX",
        "timezone_id": "America/Mexico_City",
        "viewport": {"width": 1280, "height": 900},
    }


@pytest.fixture(scope="session", autouse=True)
def _loaded_pages() -> Iterator[None]:
    """Make `page.evaluate` wait until the page has loaded.

    A click returns as soon as the head of the next page has arrived. In this instant the document is empty: a script
    finds no element in it, or no script of ours has run yet (the focus on an error, a restored draft).
    """
    evaluate = Page.evaluate

    def evaluate_loaded(page: Page, *args: Any, **options: Any) -> Any:
        page.wait_for_load_state()
        return evaluate(page, *args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Page, "evaluate", evaluate_loaded)
        yield
