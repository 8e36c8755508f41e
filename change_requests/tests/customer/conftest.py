"""Share the people of two companies, Ana signed in, and settings of the tests."""

from typing import Any

import pytest
from django.test import Client

from factureya.testing.pages import log_in
from factureya.testing.people import Neighbours, make_neighbours


@pytest.fixture
def quick(tmp_path: Any, settings: Any) -> None:
    settings.MEDIA_ROOT = tmp_path
    settings.SENSITIVE_FREEZE_HOURS = 0


@pytest.fixture
def cast() -> Neighbours:
    return make_neighbours()


@pytest.fixture
def ana(client: Client, cast: Neighbours) -> Client:
    log_in(client, cast.ana)
    return client
