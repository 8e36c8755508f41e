"""Polling a mailbox: UIDs remembered, \\Seen only after the commit, INTERNALDATE believed (M6, M15)."""

from collections.abc import Iterator
from datetime import timedelta
from imaplib import IMAP4
from typing import Any

import pytest
import time_machine
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError

from factureya.core import clock, tasks
from factureya.core.mail import imap, intake, mailbox
from factureya.core.mail.intake import Outcome
from factureya.core.models import Heartbeat, InboundMessage, MailFolder
from factureya.testing.imap_server import RECEIVED_AT, Mailbox, Server
from factureya.testing.mails import mail

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M6")]


TAKEN_OVER = RECEIVED_AT - timedelta(hours=1)  # the first poll
OLD = RECEIVED_AT - timedelta(days=500)


def accept(_inbound: InboundMessage, _mail: Any) -> Any:
    return lambda: Outcome("accept-new")


def fail(_inbound: InboundMessage, _mail: Any) -> Any:
    raise ValueError("mal")


@pytest.fixture
def box(settings: Any) -> Iterator[Mailbox]:
    """A mailbox with an old mail that somebody read and a new one, an hour before the new one's date."""
    served = Mailbox()
    served.add(mail("leído", Message_ID="<viejo@x>"), OLD, is_seen=True)
    served.add(mail("uno", Message_ID="<uno@x>"))
    server = Server(served)
    settings.MAIL_IN_IMAP_URL = server.url
    settings.MAIL_ROUTES = {settings.SUPPORT_EMAIL: [f"{__name__}.accept"]}
    with time_machine.travel(TAKEN_OVER, tick=True):
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
    assert (kept.source, kept.received_at) == ("imap", RECEIVED_AT)
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
    box.add(mail("dos", Message_ID="<dos@x>"), is_seen=True)
    box.date_first = False
    assert tasks.fetch_mail() == 1
    assert texts() == ["uno", "dos"]
    assert {m.received_at for m in InboundMessage.objects.all()} == {RECEIVED_AT}


def test_an_empty_mailbox_and_one_that_was_all_read(box):
    for kept in (box.mails, box.seen, box.dates):
        kept.clear()
    assert tasks.fetch_mail() == 0
    box.add(mail("primero"))
    assert tasks.fetch_mail() == 1
    MailFolder.objects.all().delete()
    box.seen.update(box.mails)
    assert tasks.fetch_mail() == 0
    box.add(mail("segundo", Message_ID="<segundo@x>"))
    assert tasks.fetch_mail() == 1
    assert texts() == ["primero", "segundo"]


def test_a_rebuilt_mailbox_is_read_again_and_nothing_is_doubled(box, caplog):
    tasks.fetch_mail()
    box.rebuild()
    box.add(mail("dos", Message_ID="<dos@x>"))
    assert tasks.fetch_mail() == 2  # «uno» again, a duplicate, and «dos»
    assert texts() == ["uno", "dos"]
    assert MailFolder.objects.get().uid_validity == 8
    assert "the mailbox was rebuilt" in caplog.text
    assert tasks.fetch_mail() == 0


def test_nothing_is_seen_or_remembered_before_it_is_committed(box, monkeypatch):
    monkeypatch.setattr(intake, "keep", lambda *_a, **_k: (_ for _ in ()).throw(OperationalError("no hay base")))
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
    assert (kept.disposition, kept.reason, kept.sender) == ("reject-malformed", "limits", "ana@ejemplo.mx")
    assert "uno" not in texts()


@pytest.mark.parametrize("when", ["vanished", "vanishing"])
def test_a_mail_that_somebody_removed_is_passed_over(box, when):
    getattr(box, when).add(12)
    box.add(mail("dos", Message_ID="<dos@x>"))
    assert tasks.fetch_mail() == 2
    assert texts() == ["dos"]


def test_a_mail_that_somebody_else_marked_as_deleted_stays(box):
    box.add(mail("dos", Message_ID="<dos@x>"))
    assert tasks.fetch_mail() == 2
    assert not [command for command in box.asked if "EXPUNGE" in command]


def test_a_mailbox_that_takes_no_marks_is_read_all_the_same(box, caplog):
    box.is_read_only = True
    box.add(mail("dos", Message_ID="<dos@x>"))
    assert tasks.fetch_mail() == 2
    assert texts() == ["uno", "dos"]
    assert "could not be marked as seen" in caplog.text
    assert not InboundMessage.objects.filter(disposition="").exists()


# -- H3: the first poll takes what nobody had read, and nothing that somebody had -------------------------


def test_h3_one_unread_among_the_old_makes_no_ticket_of_the_read_ones(box):
    box.seen = {12}
    box.mails.clear()
    box.add(mail("viejo sin leer", Message_ID="<sin@x>"), OLD)
    for n in range(20):
        box.add(mail(f"leído {n}", Message_ID=f"<l{n}@x>"), OLD + timedelta(days=n), is_seen=True)
    assert tasks.fetch_mail() == 1
    assert texts() == ["viejo sin leer"]
    box.add(mail("nuevo", Message_ID="<nuevo@x>"))
    assert tasks.fetch_mail() == 1
    assert texts() == ["viejo sin leer", "nuevo"]


def test_h3_the_highest_uid_may_be_the_unread_one(box):
    box.add(mail("leído también", Message_ID="<t@x>"), OLD, is_seen=True)
    box.add(mail("último", Message_ID="<u@x>"), OLD)
    assert tasks.fetch_mail() == 2
    assert texts() == ["uno", "último"]
    assert tasks.fetch_mail() == 0


def test_h3_whoever_reads_while_the_first_poll_is_cut_ten_times_loses_nothing(box):
    for n in range(30):
        box.add(mail(f"sin leer {n}", Message_ID=f"<n{n}@x>"), OLD)
        box.add(mail(f"leído {n}", Message_ID=f"<r{n}@x>"), OLD, is_seen=True)
    for cut in range(10):
        box.cut_at = len(box.asked) + 9 + cut % 5
        tasks.fetch_mail()
        assert MailFolder.objects.get().read_until is None
    box.seen.update(box.mails)  # somebody opens them all in the meantime
    box.cut_at = 0
    tasks.fetch_mail()
    assert sorted(texts()) == sorted(["uno", *(f"sin leer {n}" for n in range(30))])
    assert MailFolder.objects.get().wanted == []


def test_h3_an_old_mail_that_is_moved_back_is_no_ticket_unless_nobody_had_read_it(box):
    tasks.fetch_mail()
    box.add(mail("respondido en otro buzón", Message_ID="<a@x>"), OLD, is_seen=True)
    box.add(mail("de no deseados, sin leer", Message_ID="<b@x>"), OLD)
    box.mails[15] = box.mails[12]  # ours: taken out and put back
    box.seen.add(15)
    tasks.fetch_mail()
    assert texts() == ["uno", "de no deseados, sin leer"]


def test_h3_a_new_mail_is_taken_though_the_clock_of_its_server_is_slow(box):
    """Whoever reads it within the minute: by its date it came before the first poll."""
    tasks.fetch_mail()
    for before in (timedelta(milliseconds=1), timedelta(minutes=50)):
        box.add(mail(f"{before}", Message_ID=f"<{before.seconds}@x>"), TAKEN_OVER - before, is_seen=True)
    tasks.fetch_mail()
    assert len(texts()) == 3


@pytest.mark.parametrize("received", ["", "sin fecha", "from a by b; 99 Foo 2026 99:99", "x; "])
def test_a_field_received_without_a_date_says_nothing(box, received):
    tasks.fetch_mail()
    raw = b"Received: %s\r\n" % received.encode() + mail("dos", Message_ID="<dos@x>")
    box.add(raw, is_seen=True)
    tasks.fetch_mail()
    assert texts() == ["uno", "dos"]


# -- H4: a changed UIDVALIDITY makes no ticket of what the first poll left alone --------------------------


@pytest.mark.parametrize("keeps_flags", [True, False])
def test_h4_a_rebuilt_mailbox_makes_no_ticket_of_the_old_mails(box, keeps_flags):
    for n in range(20):
        box.add(mail(f"leído {n}", Message_ID=f"<l{n}@x>"), OLD + timedelta(days=n), is_seen=True)
    tasks.fetch_mail()
    for _ in range(2):
        box.rebuild(keeps_flags=keeps_flags)
        tasks.fetch_mail()
        assert texts() == ["uno"]


def test_h4_dates_that_the_rebuilding_lost_are_read_in_the_field_received(box):
    line = b"Received: from mx.example (mx.example [192.0.2.1])\r\n\tby imap.example; "
    box.add(line + b"Tue, 7 Jan 2025 10:00:00 -0600\r\n" + mail("v", Message_ID="<v@x>"), is_seen=True)
    box.add(line + b"Tue, 24 Mar 2026 18:00:00\r\n" + mail("dos", Message_ID="<dos@x>"))
    del box.mails[11]
    tasks.fetch_mail()
    box.rebuild(keeps_flags=False, moment=RECEIVED_AT)
    tasks.fetch_mail()
    assert texts() == ["uno", "dos"]


def test_h4_a_mailbox_that_is_rebuilt_during_the_first_poll_loses_nothing(box):
    for n in range(5):
        box.add(mail(f"sin leer {n}", Message_ID=f"<n{n}@x>"), OLD)
    box.cut_at = len(box.asked) + 12
    tasks.fetch_mail()
    assert 0 < InboundMessage.objects.count() < 6
    for _ in range(2):
        box.rebuild()
        box.cut_at = len(box.asked) + 12
        tasks.fetch_mail()
    box.cut_at = 0
    tasks.fetch_mail()
    assert sorted(texts()) == sorted(["uno", *(f"sin leer {n}" for n in range(5))])


def test_h4_many_mails_are_asked_for_their_dates_in_parts(box, monkeypatch):
    monkeypatch.setattr(imap, "ASKED_AT_ONCE", 2)
    tasks.fetch_mail()
    for n in range(5):
        box.add(mail(f"nuevo {n}", Message_ID=f"<n{n}@x>"))
    box.rebuild()
    assert tasks.fetch_mail() == 6
    assert texts() == ["uno", *(f"nuevo {n}" for n in range(5))]


def test_h4_two_passes_at_once_do_not_mix_the_numbers_of_two_lives_of_a_mailbox(box, monkeypatch):
    real = intake.keep

    def rebuilt_meanwhile(*args, **options):
        MailFolder.objects.update(uid_validity=8, last_uid=0)
        return real(*args, **options)

    monkeypatch.setattr(intake, "keep", rebuilt_meanwhile)
    assert tasks.fetch_mail() == 1
    folder = MailFolder.objects.get()
    assert (folder.uid_validity, folder.last_uid, folder.read_until) == (8, 0, None)


@pytest.mark.parametrize("limit", ["PASS_MAILS", "PASS_SECONDS"])
def test_a_pass_ends_in_time_and_does_not_claim_to_have_read_all(box, monkeypatch, limit):
    box.add(mail("dos", Message_ID="<dos@x>"))
    monkeypatch.setattr(imap, limit, 1 if limit == "PASS_MAILS" else -1.0)
    assert tasks.fetch_mail() == (1 if limit == "PASS_MAILS" else 0)
    assert MailFolder.objects.get().read_until is None
    monkeypatch.undo()
    tasks.fetch_mail()
    assert texts() == ["uno", "dos"]


@pytest.mark.parametrize(
    "url",
    ["imap://soporte:falsa@127.0.0.1:{port}/", "imap://soporte:secreto@127.0.0.1:1/", "pop3://x", "imaps://", "nada"],
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
        imap.fetch()


def test_without_a_mailbox_nothing_is_polled(settings):
    settings.MAIL_IN_IMAP_URL = ""
    assert tasks.fetch_mail() == 0
    assert mailbox.get_mailbox_name() == ""
    with pytest.raises(ImproperlyConfigured):
        imap.fetch()


def test_the_sweep_says_that_it_ran():
    assert tasks.sweep_inbound() == 0
    assert Heartbeat.objects.filter(name="sweep_inbound").exists()
