"""Mail is kept before it is read and disposed of exactly once (M5, M6)."""

from typing import Any

import pytest

from factureya.core import intake
from factureya.core.intake import Outcome
from factureya.core.models import InboundMessage

pytestmark = pytest.mark.django_db
MAIL = b"From: Ana <ana@ejemplo.mx>\r\nTo: soporte@factureya.com\r\nSubject: Hola\r\nMessage-ID: <1@x>\r\n\r\nBuenas\r\n"
NEW = InboundMessage.Disposition.NEW
seen: list[Any] = []


def accept(inbound: InboundMessage, mail: Any) -> Any:
    seen.append((inbound.pk, mail.sender))
    return lambda: Outcome(NEW, about="ticket:FY-7K3M-9QX1")


@pytest.fixture(autouse=True)
def _routes(settings: Any) -> None:
    seen.clear()
    settings.MAIL_ROUTES = {settings.SUPPORT_EMAIL: [f"{__name__}.accept"]}


@pytest.mark.clause("M6")
def test_a_mail_is_kept_and_disposed_of_once():
    inbound, is_new = intake.keep(MAIL, source="pipe")
    assert is_new
    assert intake.dispose(inbound.pk, is_first=True).disposition == NEW
    again, is_new = intake.keep(
        b"Received: from elsewhere\r\n" + MAIL.replace(b"\r\n", b"\n"), source="smtp"
    )
    assert (again.pk, is_new) == (inbound.pk, False)
    assert intake.dispose(again.pk) == Outcome("ignore-duplicate", about="ticket:FY-7K3M-9QX1")
    assert seen == [(inbound.pk, "ana@ejemplo.mx")]
    inbound.refresh_from_db()
    assert (inbound.sender, inbound.subject, bytes(inbound.raw)) == ("ana@ejemplo.mx", "Hola", MAIL)
