"""Share the cast and a place for exported files."""

from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection

from factureya.core.record import guard_record
from factureya.testing.people import Cast


@pytest.fixture
def cast() -> Cast:
    return Cast()


@pytest.fixture
def _guarded(db: None) -> None:
    """Record the installed guards, as `migrate` does, so that a verification finds the log whole."""
    guard_record.record_installed(connection)


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, settings: Any) -> None:
    settings.MEDIA_ROOT = tmp_path / "media"
    settings.ANCHORS_DIR = tmp_path / "anchors"
    cache.clear()
