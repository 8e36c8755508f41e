"""Mail in /readyz: the last fetch, the tray, and a verdict that is not set up (M5, M6)."""

from datetime import timedelta

import pytest
from django.test import Client

from factureya.core import clock, health
from factureya.core.mail import health as mail_health
from factureya.core.models import Heartbeat, InboundMessage, MailFolder

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M6")]
URL = "imaps://soporte%40ejemplo.mx:clave-secreta@buzon.example/INBOX"


@pytest.fixture(autouse=True)
def _all_else_is_well(monkeypatch, settings):
    monkeypatch.setattr(health, "_started_at", clock.now() - timedelta(days=1))
    settings.MAIL_TRUSTED_AUTHSERV = "mx.factureya.com"
    for name in health.SWEEP_MAX_AGE:
        Heartbeat.beat(name)


def folder(age: timedelta | None) -> None:
    MailFolder.objects.create(
        name="soporte@ejemplo.mx@buzon.example/INBOX",
        uid_validity=1,
        read_until=None if age is None else clock.now() - age,
    )


def test_no_mailbox_no_check(client: Client):
    response = client.get("/readyz")
    assert response.status_code == 200
    assert "fetch_mail" not in response.json()["checks"]


@pytest.mark.parametrize(
    ("age", "ready"), [(timedelta(minutes=9), True), (timedelta(minutes=11), False), (None, False)]
)
def test_a_mailbox_that_is_not_read_is_not_ready(client: Client, settings, age, ready):
    settings.MAIL_IN_IMAP_URL = URL
    folder(age)
    response = client.get("/readyz")
    assert (response.status_code == 200) == ready
    check = response.json()["checks"]["fetch_mail"]
    assert check["ok"] == ready
    assert check.get("age_seconds") == (None if age is None else pytest.approx(age.seconds, abs=5))
    assert b"clave-secreta" not in response.content


def test_just_started_gives_the_first_fetch_its_time(client: Client, settings, monkeypatch):
    settings.MAIL_IN_IMAP_URL = URL
    monkeypatch.setattr(health, "_started_at", clock.now())
    assert client.get("/readyz").json()["checks"]["fetch_mail"] == {"ok": True}


def test_the_tray_is_told_and_makes_nothing_unready(client: Client, monkeypatch):
    for number, kind in enumerate([*InboundMessage.IN_TRAY, "accept-new"]):
        InboundMessage.objects.create(
            source="pipe", received_at=clock.now(), digest=str(number), disposition=kind, disposed_at=clock.now()
        )
    response = client.get("/readyz")
    assert (response.status_code, response.json()["mail_tray"]) == (200, 4)
    monkeypatch.setattr(mail_health, "TRAY_CAP", 2)
    assert client.get("/readyz").json()["mail_tray"] == 2


@pytest.mark.clause("M5")
@pytest.mark.parametrize(
    ("required", "server", "warned"), [(True, "", True), (True, "mx.factureya.com", False), (False, "", False)]
)
def test_a_verdict_that_is_not_set_up_is_a_warning(client: Client, settings, required, server, warned):
    settings.MAIL_IN_REQUIRE_VERDICT, settings.MAIL_TRUSTED_AUTHSERV = required, server
    response = client.get("/readyz")
    assert response.status_code == 200
    assert response.json()["warnings"] == (["mail_verdict"] if warned else [])
