"""The people whom the tests of formal requests share."""

import pytest

from factureya.testing.people import Cast


@pytest.fixture
def cast() -> Cast:
    return Cast()
