"""A real Postfix, set as docs/operations.md says to the letter (only paths and ports differ), by LMTP and by pipe (M6).

The blocks are read out of the docs. What a customer's mail server does is played by the same Postfix: two domains
whose every mailbox is unknown or full, and one that a server of the test takes.
"""

import os
import shutil
import smtplib
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection

from factureya.testing import mail_servers
from factureya.testing.mail_servers import USER, Postfix, documented
from factureya.testing.mails import mail, multipart
from factureya.testing.people import make_contact, own_provider
from factureya.testing.smtp_server import Mood, Server

pytestmark = [
    pytest.mark.mailserver,
    pytest.mark.once,
    pytest.mark.clause("M6"),
    pytest.mark.django_db(transaction=True),
    pytest.mark.xdist_group("mailserver"),
]
SUPPORT, DESK = "soporte@factureya.com", "mesadecontrol@factureya.com"
# What delivers the customers' mail: one has no such mailbox (EX_NOUSER), the other cannot write to it (EX_CANTCREAT).
CUSTOMERS = f"""\
nobody unix - n n - - pipe user={USER} argv=/bin/sh -c {{exit 67}}
full unix - n n - - pipe user={USER} argv=/bin/sh -c {{exit 73}}
"""
MANAGE = str(settings.BASE_DIR / "manage.py")


@dataclass
class Office:
    """The program with its database in a folder of its own, behind a Postfix that is set as documented."""

    folder: Path
    way: str
    listen: int
    outside: Server
    server: Postfix = field(init=False)
    running: subprocess.Popen[bytes] | None = None

    @property
    def python(self) -> list[str]:
        python = mail_servers.unprivileged_python()
        assert python is not None, f"{USER} can run no Python that has our packages"
        return ["env", f"ENV_FILE={self.folder}/env", *python[1:]]

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.folder / "db.sqlite3", timeout=20)) as opened:
            return opened.execute(statement).fetchall()

    def start(self) -> None:
        """Start what the way in needs: the listener, as the user of the service."""
        if self.way == "lmtp":
            self.running = subprocess.Popen(
                [*self.python, MANAGE, "receive_smtp"],
                stdin=subprocess.DEVNULL,
                cwd="/",
                user=USER,
                group="nogroup",
                extra_groups=[],
                env=clean(),
            )
            mail_servers.wait_until(lambda: mail_servers.answers(self.listen), 30, lambda: "no listener")

    def stop(self) -> None:
        if self.running:
            self.running.terminate()
            self.running.wait(20)
            self.running = None

    def send(self, raw: bytes, *to: str, sender: str = "ana@ejemplo.mx", options: Any = ()) -> None:
        with smtplib.SMTP("127.0.0.1", self.server.port, timeout=30) as outside:
            outside.sendmail(sender, list(to), raw, rcpt_options=list(options))

    def sweep(self) -> None:
        """Send our own mails, through the same Postfix."""
        done = subprocess.run(
            [*self.python, MANAGE, "sweep_outbox"],
            cwd="/",
            user=USER,
            group="nogroup",
            extra_groups=[],
            env=clean() | {"EMAIL_URL": f"smtp://127.0.0.1:{self.server.port}"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    def dispositions(self) -> list[str]:
        return [said for (said,) in self.rows("SELECT disposition FROM core_inboundmessage ORDER BY id")]


def clean() -> dict[str, str]:
    """An environment without the suite's own settings: the program reads its `.env`, as on a server."""
    return {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}


@contextmanager
def office(way: str) -> Iterator[Office]:
    outside = Server(Mood.TAKES)
    with mail_servers.open_folder("office") as folder:
        made = Office(folder, way, mail_servers.free_port(), outside)
        with closing(sqlite3.connect(folder / "db.sqlite3")) as copy:
            connection.connection.backup(copy)
        (folder / "env").write_text(
            f"SECRET_KEY={settings.SECRET_KEY}\nVAR_DIR={folder}\nMAIL_IN_REQUIRE_VERDICT=off\nHTTPS=off\n"
            f"MAIL_IN_LISTEN=127.0.0.1:{made.listen}\nCELERY_BROKER_URL=memory://\nMAIL_ANSWERS_PER_SENDER=1000\n"
            f"DATABASE_URL=sqlite:///{folder}/db.sqlite3\nSITE_URL=http://localhost\n"
        )
        for path in (folder, *folder.iterdir()):
            shutil.chown(path, USER, "nogroup")
        with mail_servers.postfix(**configuration(made)) as made.server:
            made.start()
            try:
                yield made
            finally:
                made.stop()
                outside.end()


def configuration(made: Office) -> dict[str, Any]:
    """The documented blocks with our paths and ports, and the customers' domains."""
    main = documented("# /etc/postfix/main.cf").replace("/etc/postfix/", "{conf}/")
    transport = documented(f"# /etc/postfix/factureya-transport, by {made.way.replace('lmtp', 'LMTP')}")
    customers = f"ejemplo.mx nobody:\nlleno.example full:\nfuera.example smtp:[127.0.0.1]:{made.outside.port}\n"
    master = documented("# /etc/postfix/master.cf, by pipe")
    master = master.replace("/opt/factureya/.venv/bin/python", " ".join(made.python))
    master = master.replace("/opt/factureya", str(settings.BASE_DIR)).replace("user=factureya", f"user={USER}")
    return {
        "main": main,
        "master": CUSTOMERS + (master if made.way == "pipe" else ""),
        "maps": {
            "factureya-recipients": documented("# /etc/postfix/factureya-recipients"),
            "factureya-transport": transport.replace(":8025", f":{made.listen}") + customers,
        },
    }


@pytest.fixture(params=["lmtp", "pipe"])
def running(request: Any) -> Iterator[Office]:
    own_provider()
    for address in ("ana@ejemplo.mx", "luis@lleno.example", "eva@fuera.example"):
        make_contact(email=address)
    with office(request.param) as made:
        yield made


def test_servers_b1_h1_both_addresses_one_entry_and_a_reply_joins_its_ticket(running):
    running.send(mail(From="eva@fuera.example"), SUPPORT, DESK, sender="eva@fuera.example")
    running.server.wait_until_empty()
    assert running.dispositions() == ["accept-new"]
    running.sweep()
    running.server.wait_until_empty()
    ours = [message_from_bytes(raw, policy=policy.default) for raw in running.outside.took]
    (reply_to,) = [mail["Reply-To"].addresses[0].addr_spec for mail in ours if mail["Reply-To"]]
    assert "+" in reply_to
    reply = mail("Sigue igual", From="eva@fuera.example", Message_ID="<2@x>", Subject="Re: otra cosa")
    running.send(reply, reply_to, sender="eva@fuera.example")
    running.server.wait_until_empty()
    assert running.dispositions() == ["accept-new", "accept-reply"]
    assert len(running.rows("SELECT id FROM tickets_ticket")) == 1
    assert "status=bounced" not in running.server.log


def test_real_bounces_come_back_and_mark_the_mail(running):
    """Unknown user and mailbox full, written by Postfix itself; and a mail from nobody is a robot's (H2)."""
    running.send(mail(Message_ID="<1@x>"), SUPPORT)
    running.send(mail(From="luis@lleno.example", Message_ID="<2@x>"), SUPPORT)
    running.server.wait_until_empty()
    running.sweep()
    running.server.wait_for("status=bounced", count=2)
    running.server.wait_until_empty()
    marked = running.rows("SELECT count(*) FROM core_outboxmessage WHERE bounced_at IS NOT NULL")
    assert marked == [(2,)]
    running.send(mail("Gracias por escribirnos", Message_ID="<3@x>"), SUPPORT, sender="")
    running.server.wait_until_empty()
    assert running.dispositions()[-1] == "ignore-auto"


def test_a_burst_is_as_many_entries_and_none_is_returned(running):
    count = 100 if running.way == "lmtp" else 20  # a process for each takes its time; the measured rate is in the docs
    picture = b"Content-Type: application/octet-stream; name=a.bin\r\n\r\n" + b"x" * 50_000
    with smtplib.SMTP("127.0.0.1", running.server.port, timeout=30) as outside:
        for number in range(count):
            raw = multipart(
                "Content-Type: text/plain\n\nhola\n",
                picture,
                Message_ID=f"<{number}@x>",
                Subject=f"n {number}",
            )
            outside.sendmail("ana@ejemplo.mx", [SUPPORT], raw)
    running.server.wait_until_empty(60)
    assert running.dispositions() == ["accept-new"] * count
    assert "status=bounced" not in running.server.log


def test_servers_h8_a_delivery_report_holds_no_line_of_ours(running):
    """A stranger, a registered person and a mail that repeats itself get the same report, but for the addresses."""
    for number in range(2):
        raw = mail(From="eva@fuera.example", Message_ID=f"<{number}@x>")
        running.send(raw, SUPPORT, sender="x@fuera.example", options=["NOTIFY=SUCCESS"])
    running.server.wait_until_empty()
    mail_servers.wait_until(lambda: len(running.outside.took) == 2, 20, lambda: running.server.log)
    for report in running.outside.took:
        text = report.decode()
        assert "Action: delivered" in text or "Action: relayed" in text
        for word in (
            "INFO",
            "WARNING",
            "tickets",
            "core.",
            "ejemplo.mx",
            "sqlite",
            "Traceback",
            USER,
        ):
            assert word not in text


def test_while_the_service_is_stopped_mail_waits_and_comes_once(running):
    """By pipe the database is gone; what the mail server is told names nothing of ours."""
    database = running.folder / "db.sqlite3"
    running.stop()
    if running.way == "pipe":
        running.folder.joinpath("env").rename(running.folder / "away")
    running.send(mail(), SUPPORT)
    log = running.server.wait_for("status=deferred")
    assert "status=bounced" not in log
    assert str(database) not in log
    if running.way == "pipe":
        assert "receive_email: try again later" in log
        running.folder.joinpath("away").rename(running.folder / "env")
    running.start()
    running.server.run("postqueue", "-f")
    running.server.wait_until_empty()
    assert running.dispositions() == ["accept-new"]


def test_servers_b2_a_mail_server_that_is_set_to_smtp_is_served_too(running):
    if running.way == "pipe":
        pytest.skip("there is no listener")
    transport = running.server.folder / "conf" / "factureya-transport"
    transport.write_text(transport.read_text().replace("lmtp:inet:127.0.0.1:", "smtp:[127.0.0.1]:"))
    running.server.run("postmap", f"hash:{transport}")
    running.server.run("postfix", "reload")
    running.send(mail(), SUPPORT, DESK)
    running.server.wait_until_empty()
    assert "relay=127.0.0.1[127.0.0.1]" in running.server.log
    assert running.dispositions() == ["accept-new"]


def test_a_large_mail_passes(running):
    """24 MB are a ticket; Postfix' own limit of 10 MB is the one that the docs lift."""
    body = ("x" * 76 + "\r\n") * (24 * 1024 * 1024 // 78)
    running.send(mail(body.replace("\r\n", "\n")), SUPPORT)
    running.server.wait_until_empty(60)
    assert running.dispositions()[0] in {"accept-new", "reject-malformed"}
    assert "status=sent" in running.server.log
