"""Polling a real Dovecot as docs/operations.md says: first poll, UIDVALIDITY, certificate, cuts (A7, H3, H4; M6)."""

import contextlib
import os
import re
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from factureya.core import clock, tasks
from factureya.core.mail import health
from factureya.core.mail.intake import Outcome
from factureya.core.models import InboundMessage, MailFolder
from factureya.testing import mail_servers
from factureya.testing.certificates import Authority
from factureya.testing.mail_servers import Dovecot
from factureya.testing.mails import mail
from factureya.testing.pg_relay import Listener

pytestmark = [pytest.mark.mailserver, pytest.mark.clause("M6"), pytest.mark.django_db]
DOCS = mail_servers.DOCS
CUTS = 10


def accept(_inbound: InboundMessage, _mail: Any) -> Any:
    """Every mail becomes something: what is counted here is which of them."""
    return lambda: Outcome("accept-new")


class Relay(Listener):
    """Passes bytes on to `port`, and cuts each connection after `at` bytes of the server's; 0: never."""

    def __init__(self, port: int) -> None:
        self.target, self.at, self.cuts = port, 0, 0
        super().__init__()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self.target)) as server:
            up = threading.Thread(target=self._pass, args=(client, server, 0), daemon=True)
            up.start()
            self._pass(server, client, self.at)
            up.join(5)

    def _pass(self, source: socket.socket, sink: socket.socket, most: int) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while data := source.recv(2048):
                passed += len(data)
                if most and passed > most:
                    self.cuts += 1
                    break
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


class Box:
    """The files of the mailbox, as the mail server writes them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._number = folder, 0
        for name in ("", "cur", "new", "tmp"):
            (folder / name).mkdir(exist_ok=True)
            self._give(folder / name)

    def put(self, name: str, date: datetime, *, is_read: bool = False) -> None:
        """A mail with its date, as INTERNALDATE and in Received."""
        self._number += 1
        received = f"Received: from mx.example by mail.example; {format_datetime(date)}\r\n"
        raw = received.encode() + mail(name, Message_ID=f"<{name}@x>", Subject=name)
        place = "cur" if is_read else "new"
        flags = ":2,S" if is_read else ""
        path = self.folder / place / f"{int(date.timestamp())}.M{self._number}P1.mail{flags}"
        path.write_bytes(raw)
        os.utime(path, (date.timestamp(), date.timestamp()))
        self._give(path)

    def rebuild(self, *, moment: float = 0) -> None:
        """Lose Dovecot's lists, and all dates where `moment` is given, as a careless copy does."""
        for path in [*self.folder.glob("dovecot-uidlist*"), *self.folder.glob("dovecot.index*")]:
            path.unlink()
        for path in [*self.folder.glob("cur/*"), *self.folder.glob("new/*")] if moment else []:
            os.utime(path, (moment, moment))

    @staticmethod
    def _give(path: Path) -> None:
        shutil.chown(path, mail_servers.USER, "nogroup")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def server(authority: Authority) -> Iterator[Dovecot]:
    """A Dovecot with the mailbox soporte, by TLS alone, proven by our own authority."""
    proof = authority.server("127.0.0.1")
    tls = f"ssl = required\nssl_cert = <{proof.chain}\nssl_key = <{proof.key}\n"
    with mail_servers.dovecot(users={"soporte": "clave"}, extra=tls, is_tls=True) as running:
        yield running


@pytest.fixture
def box(server: Dovecot) -> Box:
    return Box(server.maildir("soporte"))


@pytest.fixture
def poll(settings: Any, monkeypatch: Any, authority: Authority, server: Dovecot) -> Iterator[Any]:
    """One pass as beat asks for it, through a relay that can cut; the names of the mails that were kept."""
    relay = Relay(server.imaps)
    (address,) = set(re.findall(r"`MAIL_IN_IMAP_URL=(imaps://\S+PASSWORD\S+)`", DOCS.read_text()))
    address = address.replace("PASSWORD", "clave")
    settings.MAIL_IN_IMAP_URL = address.replace("mail.factureya.com", f"127.0.0.1:{relay.port}")
    settings.MAIL_ROUTES = {settings.SUPPORT_EMAIL: [f"{__name__}.accept"]}
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))

    def poll_once(cut_after: int = 0) -> list[str]:
        relay.at = cut_after
        tasks.fetch_mail()
        return sorted(InboundMessage.objects.values_list("subject", flat=True))

    poll_once.relay = relay  # type: ignore[attr-defined]
    yield poll_once
    relay.close()


def test_h3_h4_a_mailbox_of_years_cut_and_rebuilt(box: Box, poll: Callable[..., list[str]]) -> None:
    """Fifty read mails and an old unread one; then ten cuts; then new UIDs, twice: each mail is one entry."""
    long_ago = datetime(2025, 1, 7, 16, tzinfo=UTC)
    for day in range(50):
        box.put(f"leido{day}", long_ago + timedelta(days=day), is_read=True)
    box.put("boletin", long_ago + timedelta(days=20, hours=1))
    assert poll() == ["boletin"]
    names = ["boletin"]
    for n in range(60):
        box.put(name := f"nuevo{n:02}", clock.now(), is_read=n % 7 == 3)
        names.append(name)
    for cut in range(CUTS):
        poll(5000 + 700 * (cut % 4))
    assert poll.relay.cuts == CUTS  # type: ignore[attr-defined]
    assert poll() == sorted(names)
    validity = MailFolder.objects.get().uid_validity
    for moment in (0, time.time()):
        box.rebuild(moment=moment)
        box.put(name := f"tras{len(names)}", clock.now())
        names.append(name)
        assert poll() == sorted(names)
        assert MailFolder.objects.get().uid_validity != validity
    assert not InboundMessage.objects.exclude(disposition="accept-new").exists()
    assert health.check_fetch()["fetch_mail"].ok


def test_h3_h4_a_first_poll_that_is_cut_and_a_mailbox_that_is_rebuilt_in_it(
    box: Box, poll: Callable[..., list[str]]
) -> None:
    """What nobody had read is taken whole; nothing of what somebody had."""
    long_ago = datetime(2025, 1, 7, 16, tzinfo=UTC)
    wanted = []
    for day in range(30):
        box.put(f"leido{day}", long_ago + timedelta(days=day), is_read=True)
        box.put(name := f"sin{day:02}", long_ago + timedelta(days=day, hours=1))
        wanted.append(name)
    poll(16000)
    assert 0 < InboundMessage.objects.count() < len(wanted)
    assert MailFolder.objects.get().read_until is None
    box.rebuild()
    poll(16000)
    assert poll() == sorted(wanted)
    assert MailFolder.objects.get().wanted == []


def test_a7_dovecot_of_an_authority_nobody_trusts_hears_no_password(
    box: Box, poll: Callable[..., list[str]], server: Dovecot, monkeypatch: Any, caplog: Any
) -> None:
    box.put("uno", clock.now())
    monkeypatch.delenv("SSL_CERT_FILE")
    assert poll() == []
    assert "BadCertificate: 127.0.0.1: " in caplog.text
    assert not health.check_fetch()["mail_certificate"].ok
    assert "Login" not in server.log
