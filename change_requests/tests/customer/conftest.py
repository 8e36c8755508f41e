"""The people whom the tests of the customer's pages share: those of a request, and others who may not see it."""

import pytest

from factureya.testing.people import Neighbours, make_neighbours


@pytest.fixture
def cast() -> Neighbours:
    return make_neighbours()
