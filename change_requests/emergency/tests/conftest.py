"""The emergency that most tests begin with."""

import pytest

from factureya.testing.emergencies import Emergency


@pytest.fixture
def scene() -> Emergency:
    """A sealed account and its people."""
    return Emergency()
