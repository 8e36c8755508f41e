"""Share Ana, who writes mails, and our mail server."""

from pathlib import Path
from typing import Any

import pytest

from accounts.models import User
from factureya.testing.inbound_mails import AUTHSERV, make_ana


@pytest.fixture
def ana() -> User:
    return make_ana()


@pytest.fixture
def our_server(settings: Any, tmp_path: Path) -> None:
    settings.MAIL_TRUSTED_AUTHSERV = AUTHSERV
    settings.MEDIA_ROOT = tmp_path
