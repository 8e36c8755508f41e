"""A mail server that takes connections and says nothing delays no mail in and no sweep (M6)."""

import smtplib
import time
from typing import Any

import pytest

from factureya.core.mail import outbox, sending
from factureya.core.models import OutboxMessage
from factureya.core.tests.running.test_failure import free_port, portal, wait_until
from factureya.testing.mails import mail
from factureya.testing.smtp_server import Mood, Server

pytestmark = pytest.mark.clause("M6")
WAITING = 100
QUEUE = f"""
from factureya.core.mail import outbox as outbox
from factureya.core.models import OutboxMessage
for n in range({WAITING}):
    key = f"lento-{{n}}"
    row = OutboxMessage.objects.create(
        key=key, message_id=outbox.make_message_id(key).strip("<>"), kind="core/prueba",
        to="x@ejemplo.mx", subject="x", body="x",
    )
    outbox._waker.wake()
"""
SWEEP = """
from factureya.core import tasks
from tickets import tasks as of_tickets
for task in (tasks.sweep_inbound, of_tickets.close_unanswered, of_tickets.warn_before_close):
    task.delay()
"""
SWEPT = "SELECT name FROM core_heartbeat WHERE name IN ('sweep_inbound', 'close_unanswered', 'warn_before_close')"


@pytest.fixture
def silent() -> Any:
    """A mail server that greets nobody."""
    server = Server(Mood.HANGS)
    yield server
    server.end()


@pytest.mark.failure
@pytest.mark.parametrize(
    "services",
    [
        pytest.param("files", marks=pytest.mark.once),
        pytest.param("servers", marks=[pytest.mark.postgres, pytest.mark.redis]),
    ],
)
def test_servers_h6_mail_in_and_sweeps_go_on(services, tmp_path, redis_url, monkeypatch, silent):
    listen = free_port()
    monkeypatch.setenv("EMAIL_URL", f"smtp://127.0.0.1:{silent.port}")
    monkeypatch.setenv("MAIL_IN_LISTEN", f"127.0.0.1:{listen}")
    monkeypatch.setenv("MAIL_IN_REQUIRE_VERDICT", "off")
    with portal(services, tmp_path, redis_url) as running:
        wait_until(lambda: "mail is taken" in running.log, 30, "the listener did not start")
        running.manage("shell", "-v0", "-c", QUEUE)
        wait_until(lambda: silent.visits > 0, 30, "nobody tried to send")
        begin = time.monotonic()
        with smtplib.SMTP("127.0.0.1", listen, timeout=10) as server:
            server.sendmail("cliente0@ejemplo.mx", ["soporte@factureya.com"], mail(From="cliente0@ejemplo.mx"))
        kept = running.rows("SELECT disposition FROM core_inboundmessage")
        assert kept == [("accept-new",)]
        assert time.monotonic() - begin < 5
        running.manage("shell", "-v0", "-c", SWEEP)
        wait_until(lambda: len(running.rows(SWEPT)) == 3, 15, "the sweeps waited for the mail server")
        waiting = running.rows("SELECT 1 FROM core_outboxmessage WHERE status <> 'sent'")
        assert len(waiting) >= WAITING
        assert silent.visits <= 3


# -- The same by halves, in this process -----------------------------------------------------------------


def queue(count: int) -> None:
    for number in range(count):
        OutboxMessage.objects.create(
            key=f"k{number}", message_id=f"{number}@x", kind="core/prueba", to="a@ejemplo.mx", subject="x", body="x"
        )


@pytest.fixture
def smtp(settings: Any) -> Any:
    server = Server(Mood.TAKES)
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
    yield server
    server.end()


@pytest.mark.django_db
def test_servers_h6_one_wait_is_a_try_of_all_mails(smtp, settings):
    settings.EMAIL_TIMEOUT = 0.3
    smtp.change(Mood.HANGS)
    queue(20)
    begin = time.monotonic()
    assert outbox.sweep() == 0
    assert time.monotonic() - begin < 3
    assert smtp.visits == 1
    assert set(OutboxMessage.objects.values_list("status", "attempts")) == {("queued", 1)}


@pytest.mark.django_db
def test_servers_h6_one_connection_carries_many_mails(smtp):
    queue(20)
    assert outbox.sweep() == 20
    assert (smtp.visits, len(smtp.took)) == (1, 20)


@pytest.mark.django_db
def test_servers_h6_there_is_one_sender_at_a_time_and_none_waits_for_it(smtp):
    queue(2)
    with sending.only_sender() as is_first:
        assert is_first
        assert outbox.send_due() == 0
        with sending.only_sender() as is_second:
            assert not is_second
    assert outbox.send_due() == 2


@pytest.mark.django_db
def test_without_a_place_for_the_lock_mails_leave_all_the_same(smtp, settings, tmp_path):
    settings.VAR_DIR = tmp_path / "gone"
    queue(1)
    assert outbox.send_due() == 1
