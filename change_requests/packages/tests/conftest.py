"""The package that most tests begin with, and a folder of its own for its files."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from factureya.core import guard_install
from factureya.testing.packages import Packages
from factureya.testing.people import Cast


@pytest.fixture(autouse=True)
def packages_folder(settings: Any, tmp_path: Path) -> Path:
    """Keep the files of packages in a folder of this test alone."""
    settings.PACKAGES_DIR = tmp_path / "packages"
    settings.PACKAGE_FREE_BYTES = 0
    return tmp_path / "packages"


@pytest.fixture
def scene() -> Packages:
    """A registered package and its people."""
    return Packages()


@pytest.fixture
def cast() -> Cast:
    """The people of the house, without a package."""
    return Cast()


@pytest.fixture
def unguarded() -> Iterator[None]:
    """Take the guards off for a test of the constraints beneath them, and put them on again."""
    connection.check_constraints()  # PostgreSQL drops no trigger while a deferred check is pending
    with guard_install.lifted(connection):
        yield
        connection.check_constraints()
