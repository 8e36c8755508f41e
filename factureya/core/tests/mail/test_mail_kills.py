"""The process that takes a mail is killed (-9) at every statement, before and after: then exactly one entry (M6)."""

import json
import os
import signal
import smtplib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.conf import settings
from django.db import connection

from factureya.core import audit, clock
from factureya.core.mail import intake
from factureya.core.models import InboundMessage, OutboxMessage
from factureya.core.tests.mail.test_mail_ways import answers, free_port
from factureya.testing.mails import ANA, SUPPORT, mail
from factureya.testing.people import make_contact, own_provider
from factureya.testing.pg_relay import Relay
from tickets.models import Message, Ticket

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True), pytest.mark.clause("M6")]
KEPT, AGAIN, NOTHING = "kept", "again", "nothing"  # 0 or 250; 75 or 451; killed


class Victims:
    """Starts processes that take mail; see victim.py."""

    def __init__(self, folder: Path) -> None:
        self.fifo = folder / "correo"
        os.mkfifo(self.fifo)
        at = connection.settings_dict
        environment = {
            **os.environ,
            "DATABASE_URL": f"postgres://{at['USER']}:{at['PASSWORD']}@{at['HOST']}:{at['PORT']}/{at['NAME']}",
            "MEDIA_ROOT": str(folder),
            "MAIL_IN_REQUIRE_VERDICT": "off",
            "MAIL_ANSWERS_PER_SENDER": "1000",
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "factureya.testing.victim"],
            env=environment,
            cwd=settings.BASE_DIR,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def start(self, port: int, relay: Relay | None, *command: str, **given: Any) -> int:
        """A process with its database at the port, perhaps behind a relay, which will kill it; its pid."""
        assert self.process.stdin is not None
        line = {"command": command, "port": port, "mail": str(self.fifo), **given}
        self.process.stdin.write(json.dumps(line) + "\n")
        self.process.stdin.flush()
        pid = self.said()
        if relay:
            relay.victim = pid
        return pid

    def said(self) -> int:
        assert self.process.stdout is not None
        return int(self.process.stdout.readline())

    def by_pipe(self, port: int, raw: bytes, relay: Relay | None = None) -> str:
        """Bring a mail to `receive_email`; what it said."""
        self.start(port, relay, "receive_email", "--to", SUPPORT)
        self.fifo.write_bytes(raw)
        return {0: KEPT, 75: AGAIN, -signal.SIGKILL: NOTHING}[self.said()]

    def by_listener(self, port: int, raw: bytes, relay: Relay | None = None) -> str:
        """Bring a mail to `receive_smtp`; what it said."""
        listen = free_port()
        pid = self.start(port, relay, "receive_smtp", listen=listen)
        while not answers(listen):
            time.sleep(0.01)
        try:
            with smtplib.SMTP("127.0.0.1", listen, timeout=20) as server:
                server.sendmail("ana@ejemplo.mx", [SUPPORT], raw)
            said = KEPT
        except smtplib.SMTPDataError as error:
            said = {451: AGAIN}[error.smtp_code]
        except smtplib.SMTPServerDisconnected:
            assert self.said() == -signal.SIGKILL
            return NOTHING
        os.kill(pid, signal.SIGTERM)
        assert self.said() == 0
        return said

    def end(self) -> None:
        self.process.communicate(timeout=20)
        assert self.process.returncode == 0


both_ways = pytest.mark.parametrize("way", [Victims.by_pipe, Victims.by_listener], ids=["pipe", "listener"])


@pytest.fixture
def victims(tmp_path: Path) -> Iterator[Victims]:
    victims = Victims(tmp_path)
    yield victims
    victims.end()


@pytest.fixture
def port() -> int:
    """Where PostgreSQL really is; Ana is registered there."""
    own_provider()
    make_contact(email="ana@ejemplo.mx")
    return int(connection.settings_dict["PORT"])


def letter(number: int) -> bytes:
    return mail(f"Cuerpo {number}", From=ANA, Subject=f"Problema {number}", Message_ID=f"<{number}@x>")


def hold(count: int) -> None:
    """So many mails are so many entries, each with one acknowledgement."""
    assert [m.disposition for m in InboundMessage.objects.order_by("pk")] == ["accept-new"] * count
    assert Ticket.objects.count() == Message.objects.count() == count
    assert OutboxMessage.objects.filter(kind="tickets/opened").count() == count


@pytest.mark.parametrize("is_after", [False, True], ids=["before", "after"])
@both_ways
def test_killed_at_every_statement(victims: Victims, port: int, way: Any, is_after: bool):
    at, said = 0, NOTHING
    while said == NOTHING:
        at += 1
        relay = Relay("127.0.0.1", port, at=at, is_after=is_after, steps=True)
        said = way(victims, relay.port, letter(at), relay)
        relay.close()
        assert (said, relay.has_cut) in {(NOTHING, True), (KEPT, False)}
        if said == NOTHING:  # its server comes again
            assert way(victims, port, letter(at)) == KEPT
        hold(at)
    assert at > 20
    with time_machine.travel(clock.now().timestamp() + 60):
        assert intake.sweep() == 0
    assert list(audit.find_flaws()) == []


@both_ways
def test_while_the_database_is_down_the_mail_stays_with_its_server(victims: Victims, port: int, way: Any):
    assert way(victims, 1, letter(1)) == AGAIN
    assert way(victims, 1, letter(1)) == AGAIN
    assert way(victims, port, letter(1)) == KEPT
    hold(1)
