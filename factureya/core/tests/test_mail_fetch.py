"""Polling a mailbox: UIDs remembered, \\Seen only after the commit, INTERNALDATE believed (M6, M15)."""

from collections.abc import Iterator
from datetime import UTC, datetime
from imaplib import IMAP4
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError

from factureya.core import clock, intake, mail_fetch, mailbox, tasks
from factureya.core.intake import Outcome
from factureya.core.models import Heartbeat, InboundMessage, MailFolder
from factureya.core.tests.imap_server import Mailbox, Server
from factureya.core.tests.mails import mail

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M6")]


def accept(_inbound: InboundMessage, _mail: Any) -> Any:
    return lambda: Outcome("accept-new")


def fail(_inbound: InboundMessage, _mail: Any) -> Any:
    raise ValueError("mal")


@pytest.fixture
def box(settings: Any) -> Iterator[Mailbox]:
    """A mailbox with two mails, one of which somebody read."""
    served = Mailbox()
    served.seen.add(served.add(mail("leído", Message_ID="<viejo@x>")))
    served.add(mail("uno", Message_ID="<uno@x>"))
    server = Server(served)
    settings.MAIL_IN_IMAP_URL = server.url
    settings.MAIL_ROUTES = {settings.SUPPORT_EMAIL: [f"{__name__}.accept"]}
    yield served
    server.shutdown()
    server.server_close()


def texts() -> list[str]:
    return [m.raw.rpartition(b"\r\n")[2].decode() for m in InboundMessage.objects.order_by("pk")]


@pytest.mark.clause("M15")
def test_what_nobody_read_is_kept_with_the_date_of_its_server(box):
    before = clock.now()
    assert tasks.fetch_mail() == 1
    kept = InboundMessage.objects.get()
    assert (kept.source, kept.received_at) == ("imap", datetime(2026, 3, 24, 18, tzinfo=UTC))
    assert (kept.disposition, kept.raw) == ("accept-new", box.mails[12])
    assert box.seen == {11, 12}
    folder = MailFolder.objects.get()
    assert (folder.name, folder.last_uid) == ("soporte@factureya.com@127.0.0.1/INBOX", 12)
    assert folder.read_until is not None
    assert folder.read_until >= before
    assert "secreto" not in str(folder)


def test_the_next_pass_takes_what_is_new_whoever_read_it(box):
    tasks.fetch_mail()
    assert tasks.fetch_mail() == 0
    box.seen.add(box.add(mail("dos", Message_ID="<dos@x>")))
    box.date_first = False
    assert tasks.fetch_mail() == 1
    assert texts() == ["uno", "dos"]
    assert {m.received_at for m in InboundMessage.objects.all()} == {
        datetime(2026, 3, 24, 18, tzinfo=UTC)
    }


def test_an_empty_mailbox_and_one_that_was_all_read(box):
    box.mails.clear()
    assert tasks.fetch_mail() == 0
    box.add(mail("primero"))
    assert tasks.fetch_mail() == 1
    MailFolder.objects.all().delete()
    box.seen.update(box.mails)
    assert tasks.fetch_mail() == 0
    assert MailFolder.objects.get().last_uid == max(box.mails)


def test_a_rebuilt_mailbox_is_read_again_and_nothing_is_doubled(box):
    tasks.fetch_mail()
    box.uid_validity = 8
    assert tasks.fetch_mail() == 2
    assert texts() == ["uno", "leído"]
    assert MailFolder.objects.get().uid_validity == 8


def test_nothing_is_seen_or_remembered_before_it_is_committed(box, monkeypatch):
    monkeypatch.setattr(
        intake, "keep", lambda *_a, **_k: (_ for _ in ()).throw(OperationalError("no hay base"))
    )
    assert tasks.fetch_mail() == 0
    assert box.seen == {11}
    assert MailFolder.objects.get().read_until is None
    monkeypatch.undo()
    assert tasks.fetch_mail() == 1
    assert box.seen == {11, 12}


def test_a_mail_that_fails_does_not_stop_the_next(box, settings):
    settings.MAIL_ROUTES = {settings.SUPPORT_EMAIL: [f"{__name__}.fail"]}
    box.add(mail("dos", Message_ID="<dos@x>"))
    assert tasks.fetch_mail() == 2
    assert {m.disposition for m in InboundMessage.objects.all()} == {""}


def test_of_a_mail_that_is_too_large_the_head_is_kept(box):
    box.sizes[12] = intake.MAX_KEPT + 1
    assert tasks.fetch_mail() == 1
    kept = InboundMessage.objects.get()
    assert (kept.disposition, kept.reason, kept.sender) == (
        "reject-malformed",
        "limits",
        "ana@ejemplo.mx",
    )
    assert "uno" not in texts()


def test_a_mail_that_somebody_removed_is_passed_over(box):
    box.vanished.add(12)
    box.add(mail("dos", Message_ID="<dos@x>"))
    assert tasks.fetch_mail() == 2
    assert texts() == ["dos"]


@pytest.mark.parametrize("limit", ["PASS_MAILS", "PASS_SECONDS"])
def test_a_pass_ends_in_time_and_does_not_claim_to_have_read_all(box, monkeypatch, limit):
    box.add(mail("dos", Message_ID="<dos@x>"))
    monkeypatch.setattr(mail_fetch, limit, 1 if limit == "PASS_MAILS" else -1.0)
    assert tasks.fetch_mail() == (1 if limit == "PASS_MAILS" else 0)
    assert MailFolder.objects.get().read_until is None
    monkeypatch.undo()
    tasks.fetch_mail()
    assert texts() == ["uno", "dos"]


@pytest.mark.parametrize(
    "url",
    [
        "imap://soporte:falsa@127.0.0.1:{port}/",
        "imap://soporte:secreto@127.0.0.1:1/",
        "pop3://x",
        "imaps://",
        "nada",
    ],
)
def test_a_server_that_refuses_is_met_again(box, settings, url, caplog):
    port = settings.MAIL_IN_IMAP_URL.rpartition(":")[2].partition("/")[0]
    settings.MAIL_IN_IMAP_URL = url.format(port=port)
    assert tasks.fetch_mail() == 0
    assert "the mailbox was not read" in caplog.text
    assert "falsa" not in caplog.text
    assert not InboundMessage.objects.exists()


def test_a_fetch_that_is_refused_is_an_error(box, monkeypatch):
    real = IMAP4.uid
    monkeypatch.setattr(IMAP4, "uid", lambda *a: ("NO", [b""]) if a[1] == "FETCH" else real(*a))
    with pytest.raises(IMAP4.error, match="UID FETCH 12: NO"):
        mail_fetch.fetch()


def test_without_a_mailbox_nothing_is_polled(settings):
    settings.MAIL_IN_IMAP_URL = ""
    assert tasks.fetch_mail() == 0
    assert mailbox.name() == ""
    with pytest.raises(ImproperlyConfigured):
        mail_fetch.fetch()


def test_the_sweep_says_that_it_ran():
    assert tasks.sweep_inbound() == 0
    assert Heartbeat.objects.filter(name="sweep_inbound").exists()
