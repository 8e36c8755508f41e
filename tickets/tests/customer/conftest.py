"""The customer whom the tests of the customer's pages share."""

import pytest

from accounts.models import User
from factureya.testing.people import make_contact


@pytest.fixture
def ana() -> User:
    return make_contact(full_name="Ana Robles", email="ana@ocaso.mx")
