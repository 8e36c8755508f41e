"""/healthz and /readyz: what each reports, and when it says 503."""

from datetime import timedelta

import pytest
from django.db import OperationalError, connection
from django.test import Client
from time_machine import travel

from factureya.core import clock, health
from factureya.core.models import Heartbeat, OutboxMessage


def overdue_mail(by: timedelta) -> OutboxMessage:
    return OutboxMessage.objects.create(
        key="k",
        message_id="k@factureya.com",
        kind="tickets/opened",
        to="ana@ejemplo.mx",
        subject="s",
        body="b",
        due_at=clock.now() - by,
    )


def test_healthz_asks_nobody(client: Client):
    response = client.get("/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


@pytest.mark.django_db
def test_just_started_is_ready(client: Client, monkeypatch: pytest.MonkeyPatch, settings):
    settings.MAIL_TRUSTED_AUTHSERV = "mx.factureya.com"
    monkeypatch.setattr(health, "_started_at", clock.now())
    response = client.get("/readyz")
    assert response.status_code == 200
    assert response.json() == {
        "status": "ok",
        "checks": {
            "broker": {"ok": True},
            "clocks": {"ok": True},
            "close_unanswered": {"ok": True},
            "compare_package_files": {"ok": True},
            "lapse_charges": {"ok": True},
            "database": {"ok": True},
            "expire_due": {"ok": True},
            "guards": {"ok": True},
            "media": {"ok": True},
            "outbox": {"ok": True, "age_seconds": 0},
            "remind_due": {"ok": True},
            "sweep_imports": {"ok": True},
            "sweep_inbound": {"ok": True},
            "sweep_outbox": {"ok": True},
            "tidy_emergencies": {"ok": True},
            "warn_before_close": {"ok": True},
        },
        "warnings": [],
        "mail_tray": 0,
    }


@pytest.mark.django_db
def test_a_sweep_that_stopped_is_not_ready(client: Client, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(health, "_started_at", clock.now() - timedelta(days=1))
    for name, limit in health.SWEEP_MAX_AGE.items():
        Heartbeat.objects.create(name=name, at=clock.now() - limit + timedelta(seconds=30))
    assert client.get("/readyz").status_code == 200
    Heartbeat.objects.filter(name="close_unanswered").update(at=clock.now() - timedelta(minutes=16))
    response = client.get("/readyz")
    assert response.status_code == 503
    checks = response.json()["checks"]
    assert [name for name in checks if not checks[name]["ok"]] == ["close_unanswered"]
    assert checks["close_unanswered"]["age_seconds"] == 16 * 60


@pytest.mark.django_db
def test_an_overdue_mail_is_not_ready_and_one_that_waits_for_its_next_try_is(client: Client, monkeypatch):
    monkeypatch.setattr(health, "_started_at", clock.now() - timedelta(minutes=11))
    for name in health.SWEEP_MAX_AGE:
        Heartbeat.beat(name)
    mail = overdue_mail(timedelta(minutes=-2))
    assert client.get("/readyz").status_code == 200
    OutboxMessage.objects.filter(pk=mail.pk).update(due_at=clock.now() - timedelta(minutes=12))
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["checks"]["outbox"] == {"ok": False, "age_seconds": 12 * 60}
    monkeypatch.setattr(health, "_started_at", clock.now())  # just started: the worker gets its time
    assert client.get("/readyz").status_code == 200


@pytest.mark.django_db
def test_a_database_that_is_down_is_said_not_raised(client: Client, monkeypatch: pytest.MonkeyPatch):
    def down(*_args: object) -> None:
        raise OperationalError("password of the database: hunter2")

    monkeypatch.setattr(connection, "cursor", down)
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["checks"]["database"] == {"ok": False}
    assert b"hunter2" not in response.content


@pytest.mark.django_db
def test_a_broker_that_is_down_is_said(client: Client, settings, tmp_path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(health, "_started_at", clock.now())  # a suite may run longer than a sweep may be away
    settings.CELERY_BROKER_URL = "filesystem://"
    settings.CELERY_BROKER_TRANSPORT_OPTIONS = {"data_folder_in": str(tmp_path / "gone")}
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["checks"]["broker"] == {"ok": False}
    settings.CELERY_BROKER_TRANSPORT_OPTIONS = {"data_folder_in": str(tmp_path)}
    assert client.get("/readyz").status_code == 200


@pytest.mark.django_db
@pytest.mark.clause("M17")
def test_servers_h9_a_folder_of_files_that_cannot_be_written_is_said(client: Client, settings, tmp_path, monkeypatch):
    settings.MEDIA_ROOT = tmp_path / "media"  # nobody has sent a file yet
    assert client.get("/readyz").json()["checks"]["media"] == {"ok": True}
    monkeypatch.setattr(health, "MIN_FREE_BYTES", 2**60)
    assert client.get("/readyz").json()["checks"]["media"] == {"ok": False}
    monkeypatch.undo()
    (tmp_path / "file").write_text("")
    settings.MEDIA_ROOT = tmp_path / "file" / "media"
    response = client.get("/readyz")
    assert (response.status_code, response.json()["checks"]["media"]) == (503, {"ok": False})


@pytest.mark.django_db
def test_a_broker_server_that_is_down_is_said_within_seconds(client: Client, monkeypatch):
    def unreachable(self, *args: object, **kwargs: object) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr("kombu.Connection.ensure_connection", unreachable)
    assert client.get("/readyz").json()["checks"]["broker"] == {"ok": False}


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_they_answer_no_post(client: Client, path: str):
    assert client.post(path).status_code == 405


@pytest.mark.clause("M23")
@pytest.mark.django_db
@pytest.mark.parametrize(("seconds", "status"), [(-300, 503), (-3, 503), (-1, 200), (2, 200), (3, 503), (300, 503)])
def test_clocks_that_differ_are_not_ready(client: Client, monkeypatch: pytest.MonkeyPatch, seconds: int, status: int):
    monkeypatch.setattr(health, "_started_at", clock.now())
    monkeypatch.setattr(clock, "_database_offset", timedelta(seconds=seconds))
    with travel(clock.now(), tick=False):
        response = client.get("/readyz")
    assert response.status_code == status
    assert response.json()["checks"]["clocks"] == {"ok": status == 200}


@pytest.mark.clause("M23")
@pytest.mark.django_db
def test_the_database_is_asked_for_its_own_clock(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(clock, "_database_offset", None)
    assert abs(clock.database_now() - clock.now()) < timedelta(seconds=30)
    assert clock.database_now().tzinfo is not None
    pinned = clock.now() - timedelta(days=3)
    with clock.at(pinned):  # the demo's seed
        assert clock.database_now() == pinned
