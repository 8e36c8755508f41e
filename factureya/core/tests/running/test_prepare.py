"""`manage.py prepare`, which `make run` calls: what it records of a database that an older release filled (M26)."""

from typing import Any

import pytest
from django.core.management import call_command

from factureya.core import guard_install
from factureya.core.management.commands import prepare
from factureya.core.record import state
from factureya.testing.people import Cast

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M26")]


@pytest.mark.parametrize("is_older", [True, False])
def test_rows_of_before_are_recorded_after_a_migration_alone(monkeypatch, settings, is_older: bool):
    """A row without an event is one of an older release after a migration, and a forged one at any other time."""
    settings.DEMO = False
    called: list[str] = []

    def note(name: str, **_options: Any) -> None:
        called.append(name)

    monkeypatch.setattr(prepare, "call_command", note)
    monkeypatch.setattr(prepare, "make_folders", lambda: None)
    monkeypatch.setattr(guard_install, "has_pending", lambda _connection: is_older)
    Cast()  # its company and powers were written past the operations
    assert list(state.find_flaws())
    call_command("prepare")
    assert called == ["migrate", "collectstatic"]
    assert bool(list(state.find_flaws())) is not is_older
