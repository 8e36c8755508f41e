"""The emergency that most tests begin with."""

import pytest

from factureya.testing.emergencies import Emergency
from factureya.testing.people import Cast


@pytest.fixture
def scene() -> Emergency:
    """A sealed account and its people."""
    return Emergency()


@pytest.fixture
def cast() -> Cast:
    """The people of the house, without an emergency account."""
    return Cast()
