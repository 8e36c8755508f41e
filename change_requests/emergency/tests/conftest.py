"""The emergency that most tests begin with."""

from collections.abc import Iterator

import pytest

from change_requests.emergency.tests import urls
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


@pytest.fixture(autouse=True)
def _plain_pages() -> Iterator[None]:
    """Forget what the pages of `urls` did, and what happens in them."""
    yield
    urls.calls.clear()
    urls.during.clear()
