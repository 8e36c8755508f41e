"""The people and the package that the tests of pages begin with."""

import pytest

from factureya.testing.package_steps import Steps
from factureya.testing.people import Cast


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, settings):
    settings.PACKAGES_DIR = tmp_path / "packages"


@pytest.fixture
def cast() -> Cast:
    """The people of the house."""
    return Cast()


@pytest.fixture
def steps(cast: Cast) -> Steps:
    """The people and a package."""
    return Steps(cast)
