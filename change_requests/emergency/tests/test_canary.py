"""No half of a critical password, and no join of two, is anywhere after an emergency (M22, M26)."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.core import mail
from django.core.cache import cache
from django.utils.module_loading import import_string

from change_requests.emergency import operations
from change_requests.emergency.acts import INSIDE
from change_requests.emergency.operations.opening import WrongHalf
from change_requests.emergency.tests.inside import enter, post_change

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.urls("change_requests.emergency.tests.urls"),
    pytest.mark.clause("M22"),
]


def squeeze(text: str) -> str:
    """Return a text without what separates the groups of a half, in upper case."""
    return "".join(text.upper().replace("-", "").split())


def read_tables() -> str:
    """Return every value of every row of every table."""
    rows = (row for model in apps.get_models() for row in model._base_manager.values_list())
    return "\n".join(" ".join(map(str, row)) for row in rows)


def read_files() -> str:
    """Return all files under var/."""
    files = (path for path in Path(settings.VAR_DIR).rglob("*") if path.is_file() and path.stat().st_size < 5_000_000)
    return "\n".join(path.read_bytes().decode("latin-1") for path in files)


class Console(logging.Handler):
    """Keep what the console of a server shows, through the filters of `settings.LOGGING`."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        for name in settings.LOGGING["handlers"]["console"]["filters"]:
            self.addFilter(import_string(settings.LOGGING["filters"][name]["()"])())

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{self.format(record)} {record.exc_text or ''}")


@pytest.fixture
def console() -> Iterator[Console]:
    """The console while the test runs, with every level."""
    handler, root = Console(), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield handler
    root.removeHandler(handler)
    root.setLevel(level)


def test_a_half_is_in_no_table_log_mail_page_cache_or_file(scene, console):
    pages: list[str] = []
    grant = scene.bring("authorized")
    with pytest.raises(WrongHalf):
        operations.give_half(grant.pk, scene.halves["b"], actor=scene.cast.laura)  # hers is the other
    grant = scene.open(grant)
    client = enter(scene, grant)
    for half in scene.halves.values():  # typed into the wrong place, in every way
        responses = [
            post_change(client, field="phone", new=half, mitad=half, password=half),
            post_change(client, field="phone", new=half),
            post_change(client, new="Otra", reason_of_mine=f"la mitad {half.lower().replace('-', ' ')}"),
            client.get(f"{INSIDE}?q={half.replace('-', '')}", headers={"user-agent": half}),
            client.get(f"/nada/{half}/"),
        ]
        pages += [response.content.decode() for response in responses]
    operations.end_grant(grant.pk, actor=scene.cast.gina)
    for item in operations.find_items(grant):
        operations.judge_record(item.record.pk, "observed", "Visto en la prueba.", actor=scene.cast.elsa)
    operations.sign_review(grant.pk, "Se revisó todo.", True, actor=scene.cast.elsa)
    sinks = {
        "tables": read_tables(),
        "log": "\n".join(console.lines),
        "mails": "\n".join(str(each.message()) for each in mail.outbox),
        "pages": "\n".join(pages),
        "cache": repr(getattr(cache, "_cache", "")),
        "var": read_files(),
    }
    half_a, half_b = (squeeze(scene.halves[letter]) for letter in "ab")
    assert len(sinks["tables"]) > 1000
    assert "Forbidden" in sinks["log"]
    for name, content in sinks.items():
        squeezed = squeeze(content)
        for canary in (half_a, half_b):
            assert canary not in squeezed, name
