"""Every command, task and mail template has a test that exercises it (style.md, habit 14).

Read from the tests' sources: a command is called by its name, a task by `tasks.<name>`, a mail by its kind. Pages are
held by the table URL × office × code, where an address without a row is red.
"""

import re
from functools import cache
from pathlib import Path

import pytest
from celery import current_app
from django.conf import settings
from django.core.management import get_commands

pytestmark = pytest.mark.once

OURS = ("factureya", "accounts", "tickets", "change_requests")


@cache
def sources_of(*packages: str) -> str:
    """The text of every test and helper of tests in these packages, but this file."""
    paths = [p for package in packages for p in (Path(settings.BASE_DIR) / package).glob("**/tests/**/*.py")]
    return "\n".join(path.read_text("utf-8") for path in paths if path != Path(__file__))


def commands() -> list[str]:
    return sorted(name for name, app in get_commands().items() if str(app).split(".")[0] in OURS)


def tasks() -> list[str]:
    current_app.loader.import_default_modules()
    return sorted(name for name in current_app.tasks if name.split(".")[0] in OURS)


def mails() -> list[str]:
    folder = Path(settings.BASE_DIR) / "templates" / "mail"
    return sorted(str(p.relative_to(folder).with_suffix("")) for p in folder.glob("*/[!_]*.txt"))


@pytest.mark.parametrize("name", commands())
def test_every_command_is_exercised(name: str):
    assert re.search(rf"""["']{name}["']""", sources_of(*OURS)), f"no test calls {name}"


@pytest.mark.parametrize("name", tasks())
def test_every_task_is_exercised(name: str):
    short = name.rpartition(".")[2]
    assert re.search(rf"\btasks(\.\w+)*\.{short}\b|import .*\b{short}\b", sources_of(*OURS)), f"no test runs {name}"


@pytest.mark.parametrize("kind", mails())
def test_every_mail_is_exercised(kind: str):
    app, _, verb = kind.partition("/")
    others = {"account": "accounts", "authority": "tickets"}
    package = {**others, **dict.fromkeys(("emergency", "packages"), "change_requests")}.get(app, app)
    assert re.search(rf"""["']({app}/)?{verb}["']""", sources_of(package)), f"no test sends {kind}"


def test_there_is_something_to_exercise():
    assert {"up", "seed_demo", "close_unanswered"} <= set(commands())
    assert {"tickets.tasks.close_unanswered", "factureya.core.tasks.deliver"} <= set(tasks())
    assert {"tickets/reminder", "accounts/invited"} <= set(mails())
