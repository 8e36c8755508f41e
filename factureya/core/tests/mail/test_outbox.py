"""Mails: decided in the transaction, sent after it, at least once and recognisably."""

import smtplib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from functools import partial
from itertools import count
from pathlib import Path
from time import monotonic
from typing import Any, ClassVar

import pytest
import time_machine
from celery import Celery
from django.conf import settings as live
from django.core import mail
from django.core.exceptions import ValidationError
from django.core.mail.backends.base import BaseEmailBackend
from django.core.management import call_command
from django.db import IntegrityError, transaction

from factureya.core import tasks
from factureya.core.mail import outbox
from factureya.core.models import Heartbeat, OutboxMessage
from factureya.core.running import waking
from factureya.core.running.waking import Waker
from factureya.testing.races import race

Status = OutboxMessage.Status
NOON = datetime(2026, 11, 24, 18, tzinfo=UTC)
_serial = count(1)


class RefusingBackend(BaseEmailBackend):
    """A mail server that says no."""

    def send_messages(self, email_messages: Any) -> int:
        raise smtplib.SMTPServerDisconnected("el servidor cerró la conexión")


class CountingBackend(BaseEmailBackend):
    """A mail server that remembers the Message-IDs it took, from any thread."""

    took: ClassVar[list[str]] = []

    def send_messages(self, email_messages: Any) -> int:
        self.took.extend(str(message.message()["Message-ID"]) for message in email_messages)
        return len(email_messages)


@pytest.fixture(autouse=True)
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The calls that woke a worker; the broker itself is met in the tests of the waker."""
    rung: list[int] = []
    waker = Waker(outbox.DELIVER_TASK)
    monkeypatch.setattr(waker, "wake", lambda: rung.append(1))
    monkeypatch.setattr(outbox, "_waker", waker)
    return rung


@pytest.fixture
def template(settings: Any, tmp_path: Path) -> Callable[[str], None]:
    """Writes the text of `core/prueba.txt`."""
    (tmp_path / "core").mkdir()
    pages, mails = settings.TEMPLATES
    settings.TEMPLATES = [pages, {**mails, "DIRS": [tmp_path]}]

    def write(text: str) -> None:
        (tmp_path / "core" / "prueba.txt").write_text(text)

    write("{{ number }} · {{ subject }}\n\nHola, {{ name }}.\n")
    return write


def enqueue(**fields: Any) -> OutboxMessage:
    context = {"number": "FY-7K3M-9QX1", "subject": "Facturación", "name": "Ana & <Beto>"}
    context |= fields.pop("context", {})
    given = {"key": f"k{next(_serial)}", "to": "ana@ejemplo.mx", "context": context}
    return outbox.enqueue("core/prueba", **(given | fields))


def make_mail(**fields: Any) -> OutboxMessage:
    key = f"m{next(_serial)}"
    given = {
        "key": key,
        "message_id": outbox.make_message_id(key).strip("<>"),
        "kind": "core/prueba",
        "to": "ana@ejemplo.mx",
        "subject": "FY-7K3M-9QX1 · Recibimos su ticket",
        "body": "Hola.\n",
    }
    return OutboxMessage.objects.create(**(given | fields))


def state(message: OutboxMessage) -> OutboxMessage:
    message.refresh_from_db()
    return message


# -- Deciding ----------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_mail_is_rendered_now_and_a_worker_is_woken_after_the_commit(
    template, calls, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        message = enqueue(about="ticket:FY-7K3M-9QX1")
        assert calls == []
    assert len(calls) == 1
    assert (message.subject, message.body) == (
        "FY-7K3M-9QX1 · Facturación",
        "Hola, Ana & <Beto>.\n",  # plain text: nothing is escaped
    )
    assert state(message).status == Status.QUEUED
    assert str(message) == "core/prueba → ana@ejemplo.mx"


@pytest.mark.django_db
def test_the_same_event_mails_once(template):
    enqueue(key="el-mismo")
    with pytest.raises(IntegrityError), transaction.atomic():
        enqueue(key="el-mismo")


@pytest.mark.django_db
@pytest.mark.parametrize(
    "subject", ["a\r\nBcc: x@ejemplo.mx", "a\nb", "a\x0b\u2028b", "a\x1b[31m\x08\u202eb", "ñ" * 500]
)
def test_no_header_can_be_injected_by_a_subject(template, subject):
    message = enqueue(context={"subject": subject})
    assert len(message.subject) <= 200
    assert message.subject.isprintable()
    assert outbox.deliver(message.pk)
    sent = mail.outbox[0].message()
    assert sent["Bcc"] is None
    assert "\n" not in mail.outbox[0].subject


@pytest.mark.django_db
@pytest.mark.parametrize("to", ["", "ana", "ana@ejemplo.mx\nBcc: x@ejemplo.mx", "ana@ejemplo.mx, otra@ejemplo.mx"])
def test_no_header_can_be_injected_by_an_address(template, to):
    with pytest.raises(ValidationError):
        enqueue(to=to)
    assert not OutboxMessage.objects.exists()


@pytest.mark.django_db
@pytest.mark.clause("M10")
@pytest.mark.parametrize("length", [1, 40, 61, 75, 150])
def test_the_number_starts_the_subject_however_long_it_is(template, length):
    message = enqueue(context={"subject": "FY-7K3M-9QX1 " + "ñu " * (length // 3) + "é"})
    assert outbox.deliver(message.pk)
    raw = mail.outbox[0].message().as_bytes(linesep="\r\n")
    assert b"Subject: FY-7K3M-9QX1" in raw
    assert message_from_bytes(raw, policy=policy.default)["Subject"] == message.subject


# -- Sending -----------------------------------------------------------------------------------------


@pytest.mark.django_db
@time_machine.travel(NOON, tick=False)
def test_what_leaves(template):
    message = enqueue()
    with time_machine.travel(NOON + timedelta(hours=1), tick=False):
        assert tasks.deliver(message.pk) == 1
    (sent,) = mail.outbox
    parsed = sent.message()
    assert sent.to == ["ana@ejemplo.mx"]
    assert parsed["Subject"].startswith("FY-7K3M-9QX1 =?utf-8?")  # Spanish characters travel encoded
    assert str(make_header(decode_header(parsed["Subject"]))) == "FY-7K3M-9QX1 · Facturación"
    assert parsed["Message-ID"] == outbox.make_message_id(message.key)
    assert parsed["Message-ID"].endswith("@factureya.com>")
    assert parsed["Date"] == "Tue, 24 Nov 2026 12:00:00 -0600"
    assert parsed["Auto-Submitted"] == "auto-generated"
    assert parsed["X-Factureya-Loop"] == "1"
    assert parsed["From"] == "Factureya Soporte <soporte@factureya.com>"
    message = state(message)
    assert (message.status, message.sent_at) == (Status.SENT, NOON + timedelta(hours=1))
    assert (message.attempts, message.claimed_at, message.body) == (1, None, "Hola, Ana & <Beto>.\n")
    assert outbox.deliver(message.pk) is False
    assert len(mail.outbox) == 1


@pytest.mark.django_db
def test_what_a_person_wrote_may_be_answered(template):
    outbox.deliver(enqueue(automatic=False).pk)
    assert mail.outbox[0].message()["Auto-Submitted"] == "no"


@pytest.mark.django_db
def test_a_code_is_wiped_once_it_is_sent(template):
    message = enqueue(is_secret=True)
    assert outbox.deliver(message.pk)
    assert "Ana" in mail.outbox[0].body
    assert state(message).body == outbox.WIPED


@pytest.mark.django_db
def test_not_before_its_time():
    message = make_mail(due_at=datetime(2999, 1, 1, tzinfo=UTC))
    assert outbox.deliver(message.pk) is False
    assert outbox.sweep() == 0
    assert mail.outbox == []


@pytest.mark.django_db
def test_a_server_that_refuses_is_asked_later_and_later_and_then_given_up(settings):
    settings.EMAIL_BACKEND = f"{__name__}.RefusingBackend"
    with time_machine.travel(NOON, tick=False) as clock:
        message = make_mail()
        waits = []
        for _ in range(settings.OUTBOX_MAX_ATTEMPTS - 1):
            assert outbox.deliver(message.pk) is False
            message = state(message)
            assert message.status == Status.QUEUED
            waits.append((message.due_at - outbox.clock.now()).total_seconds() / 60)
            assert outbox.deliver(message.pk) is False  # not due: no try is spent
            clock.move_to(message.due_at)
        assert waits == [1, 2, 4, 8, 16, 32, 64]
        assert outbox.deliver(message.pk) is False
        message = state(message)
        assert (message.status, message.attempts, message.claimed_at) == (Status.FAILED, 8, None)
        assert message.last_error == "SMTPServerDisconnected: el servidor cerró la conexión"
        assert outbox.sweep() == 0


@pytest.mark.django_db
def test_a_failed_mail_is_tried_again_from_the_start(calls, django_capture_on_commit_callbacks):
    message = make_mail(status=Status.FAILED, attempts=8, last_error="no")
    with django_capture_on_commit_callbacks(execute=True):
        assert outbox.retry(message.pk) is True
        assert outbox.retry(message.pk) is False
    assert len(calls) == 1
    assert outbox.sweep() == 1
    assert (state(message).status, message.attempts, message.last_error) == (Status.SENT, 1, "")


@pytest.mark.django_db
def test_a_code_that_was_given_up_is_wiped_and_not_tried_again(settings):
    settings.EMAIL_BACKEND = f"{__name__}.RefusingBackend"
    message = make_mail(is_secret=True, attempts=7, body="Su código es 123456\n")
    outbox.deliver(message.pk)
    assert (state(message).status, message.body) == (Status.FAILED, outbox.WIPED)
    assert outbox.retry(message.pk) is False


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (Status.QUEUED, Status.DROPPED),
        (Status.SENDING, Status.DROPPED),
        (Status.FAILED, Status.DROPPED),
        (Status.SENT, Status.SENT),
    ],
)
def test_what_is_no_longer_needed(before, after):
    message = make_mail(status=before, sent_at=NOON if before == Status.SENT else None)
    outbox.drop_mail(message.pk)
    assert state(message).status == after
    assert outbox.deliver(message.pk) is False


# -- Processes that die, servers that hang -----------------------------------------------------------


@pytest.mark.django_db
def test_a_process_that_dies_after_the_servers_yes_repeats_with_the_same_message_id(monkeypatch):
    def killed(_message: OutboxMessage) -> None:
        raise SystemExit

    with time_machine.travel(NOON, tick=False) as clock:
        message = make_mail()
        with monkeypatch.context() as dying:
            dying.setattr(outbox, "_mark_sent", killed)
            with pytest.raises(SystemExit):
                outbox.deliver(message.pk)
        assert state(message).status == Status.SENDING
        clock.move_to(NOON + live.OUTBOX_STUCK_AFTER)
        assert outbox.sweep() == 0  # not yet: it could be working still
        clock.shift(timedelta(seconds=1))
        assert outbox.sweep() == 1
    first, second = (m.message() for m in mail.outbox)
    assert first["Message-ID"] == second["Message-ID"]
    assert first["Date"] == second["Date"]
    assert (state(message).status, message.attempts) == (Status.SENT, 2)


@pytest.mark.django_db
def test_what_hangs_every_time_is_given_up():
    long_ago = NOON - timedelta(days=1)
    fields = {"status": Status.SENDING, "claimed_at": long_ago}
    hopeless = make_mail(attempts=8, **fields)
    secret = make_mail(attempts=8, is_secret=True, **fields)
    again = make_mail(attempts=7, **fields)
    with time_machine.travel(NOON, tick=False):
        assert outbox.requeue_stuck() == 1
    assert state(hopeless).status == state(secret).status == Status.FAILED
    assert "terminó sin avisar" in hopeless.last_error
    assert (hopeless.body, secret.body) == ("Hola.\n", outbox.WIPED)
    assert state(again).status == Status.QUEUED


@pytest.mark.django_db
def test_a_hook_that_fails_leaves_the_mail_to_repeat_and_the_sweep_goes_on(settings, caplog):
    settings.OUTBOX_ON_SENT = {"core/con-gancho": f"{__name__}.failing_hook"}
    bad = make_mail(kind="core/con-gancho")
    good = make_mail()
    assert outbox.sweep() == 1
    assert (state(bad).status, state(good).status) == (Status.SENDING, Status.SENT)
    assert "could not be marked" in caplog.text


def failing_hook(_message: OutboxMessage, _sent_at: datetime) -> None:
    raise RuntimeError("no")


def writing_hook(message: OutboxMessage, sent_at: datetime) -> None:
    Heartbeat.objects.create(name=f"hook {message.pk}", at=sent_at)


@pytest.mark.django_db
def test_a_slow_try_does_not_speak_for_a_later_one(settings):
    """It hung so long that the mail was queued again and claimed by another."""
    settings.OUTBOX_ON_SENT = {"core/con-gancho": f"{__name__}.writing_hook"}
    message = make_mail(status=Status.SENDING, kind="core/con-gancho", attempts=1)
    slow = state(message)
    OutboxMessage.objects.filter(pk=message.pk).update(attempts=2)
    outbox._mark_failed(slow, OSError("tarde"))
    outbox._mark_sent(slow)
    assert not Heartbeat.objects.exists()
    later = OutboxMessage.objects.get(pk=message.pk)
    assert (later.status, later.attempts) == (Status.SENDING, 2)
    outbox._mark_sent(later)
    assert Heartbeat.objects.get().name == f"hook {message.pk}"
    assert state(message).status == Status.SENT


@pytest.mark.django_db
def test_what_left_after_it_was_dropped_is_sent():
    message = make_mail(status=Status.SENDING, attempts=1)
    outbox.drop_mail(message.pk)
    outbox._mark_sent(message)
    assert state(message).status == Status.SENT


@pytest.mark.django_db
def test_a_pass_ends_after_its_time(monkeypatch):
    make_mail(), make_mail()
    monkeypatch.setattr(outbox, "SWEEP_SECONDS", -1)
    assert outbox.sweep() == 0
    monkeypatch.undo()
    assert outbox.sweep() == 2


@pytest.mark.django_db
def test_sweeping_twice_sends_once(capsys):
    make_mail(), make_mail()
    call_command("sweep_outbox")
    assert capsys.readouterr().out == "2 correos enviados\n"
    call_command("sweep_outbox")
    assert capsys.readouterr().out == "0 correos enviados\n"
    assert len(mail.outbox) == 2
    assert Heartbeat.objects.filter(name="sweep_outbox").exists()


# -- The waker ----------------------------------------------------------------------------------------


def broker(url: str) -> Celery:
    """A Celery application with our settings for a server, and this one."""
    app = Celery(set_as_current=False)
    app.conf.update(
        task_default_queue="waker",
        broker_write_url=url,  # `broker_url` would lose against the environment's CELERY_BROKER_URL
        broker_transport_options=live.CELERY_BROKER_TRANSPORT_OPTIONS,
        task_publish_retry=live.CELERY_TASK_PUBLISH_RETRY,
    )
    return app


def test_the_waker_calls_at_the_broker(monkeypatch):
    app = broker("memory://waker/")
    monkeypatch.setattr(waking, "current_app", app)
    with app.connection_for_write() as link:
        link.SimpleQueue("celery").clear()  # this broker is the whole suite's
    Waker(outbox.DELIVER_TASK).wake()
    with app.connection_for_write() as link:
        message = link.SimpleQueue("waker").get(timeout=1)
    assert message.headers["task"] == outbox.DELIVER_TASK
    assert message.payload[0] == []


def test_a_broker_that_is_down_costs_little_and_then_nothing(monkeypatch, caplog):
    app = broker("redis://127.0.0.1:1/0")
    monkeypatch.setattr(waking, "current_app", app)
    waker = Waker(outbox.DELIVER_TASK)
    before = monotonic()
    waker.wake()
    assert monotonic() - before < 5  # 6 s while the transport tried again by itself
    monkeypatch.setattr(waking, "current_app", None)  # not asked again
    waker.wake()
    assert caplog.text.count("the broker does not answer") == 1
    assert "Connection refused" in caplog.text


# -- Races -------------------------------------------------------------------------------------------


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_eight_deliverers_one_mail(settings, race_rounds):
    settings.EMAIL_BACKEND = f"{__name__}.CountingBackend"
    for _ in range(race_rounds):
        CountingBackend.took.clear()
        message = make_mail()
        results = race(*[partial(outbox.deliver, message.pk)] * 8)
        assert sorted(results) == [False] * 7 + [True]
        assert CountingBackend.took == [outbox.make_message_id(message.key)]
        assert (state(message).status, message.attempts) == (Status.SENT, 1)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_sweeps_at_once_share_the_mails(settings, race_rounds):
    settings.EMAIL_BACKEND = f"{__name__}.CountingBackend"
    for _ in range(race_rounds):
        CountingBackend.took.clear()
        keys = [make_mail().key for _ in range(10)]
        assert sum(race(*[outbox.sweep] * 4)) == 10
        assert sorted(CountingBackend.took) == sorted(map(outbox.make_message_id, keys))
