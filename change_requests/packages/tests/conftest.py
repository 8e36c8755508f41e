"""The package that most tests begin with, and a folder of its own for its files."""

from pathlib import Path
from typing import Any

import pytest

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
