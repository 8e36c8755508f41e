"""A real Postfix, set as docs/operations.md says to the letter (only paths and ports differ), by LMTP and by pipe (M6).

The blocks are read out of the docs. What a customer's mail server does is played by the same Postfix: two domains
whose every mailbox is unknown or full, and one that a server of the test takes. The tests of a way share one
Postfix and one database, on the engine of the suite, so each looks only at what came since it began.
"""

import os
import re
import shutil
import smtplib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection

from factureya.core.tests.running.test_failure import Portal, database
from factureya.testing import mail_servers
from factureya.testing.mail_servers import USER, Postfix, documented
from factureya.testing.mails import mail, multipart
from factureya.testing.smtp_server import Mood, Server

pytestmark = [pytest.mark.mailserver, pytest.mark.once, pytest.mark.clause("M6"), pytest.mark.xdist_group("mailserver")]
SUPPORT, DESK = "soporte@factureya.com", "mesadecontrol@factureya.com"
# What delivers the customers' mail: one has no such mailbox (EX_NOUSER), the other cannot write to it (EX_CANTCREAT).
CUSTOMERS = f"""\
nobody unix - n n - - pipe user={USER} argv=/bin/sh -c {{exit 67}}
full unix - n n - - pipe user={USER} argv=/bin/sh -c {{exit 73}}
"""
MANAGE = str(settings.BASE_DIR / "manage.py")
UNKNOWN, FULL, EVA = "ana@ejemplo.mx", "luis@lleno.example", "eva@fuera.example"
PEOPLE = f"""
from factureya.testing.people import make_contact, own_provider
own_provider()
for address in {(UNKNOWN, FULL, EVA)}:
    make_contact(email=address)
"""
BURST = 100
_serial = count(1)


@dataclass
class Office:
    """The program with its database in a folder of its own, behind a Postfix that is set as documented."""

    folder: Path
    way: str
    listen: int
    outside: Server
    portal: Portal
    server: Postfix = field(init=False)
    running: subprocess.Popen[bytes] | None = None
    before: int = 0  # the newest mail when the test began

    @property
    def python(self) -> list[str]:
        python = mail_servers.unprivileged_python()
        assert python is not None, f"{USER} can run no Python that has our packages"
        return ["env", f"ENV_FILE={self.folder}/env", *python[1:]]

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

    def send(self, raw: bytes, *to: str, sender: str = EVA, options: Any = ()) -> None:
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
        statement = f"SELECT disposition FROM core_inboundmessage WHERE id > {self.before} ORDER BY id"
        return [said for (said,) in self.portal.rows(statement)]

    def begin(self) -> None:
        """Forget what the tests before this one did."""
        (((newest,),)) = self.portal.rows("SELECT coalesce(max(id), 0) FROM core_inboundmessage")
        self.before = newest
        self.outside.took.clear()
        self.server.forget()


def clean() -> dict[str, str]:
    """An environment without the suite's own settings: the program reads its `.env`, as on a server."""
    return {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}


@pytest.fixture(scope="module", autouse=True)
def _as_the_service_runs():
    """Leave these tests out, and say why, where an unprivileged user cannot run the program."""
    if reason := mail_servers.why_not_as_user(settings.BASE_DIR):
        pytest.skip(reason)


@pytest.fixture(scope="module")
def portal() -> Iterator[Portal]:
    """A database with our people, in a folder that the user of the service can write to."""
    assert mail_servers.unprivileged_python(), f"{USER} can run no Python that has our packages"
    services = "files" if connection.vendor == "sqlite" else "servers"
    with mail_servers.open_folder("office") as folder, database(services, folder) as url:
        made = Portal(folder, url, {})
        made.manage("migrate", "-v0")
        made.manage("shell", "-v0", "-c", PEOPLE)
        yield made


@pytest.fixture(scope="module", params=["lmtp", "pipe"])
def office(request: Any, portal: Portal) -> Iterator[Office]:
    """A Postfix set for one way in, with what that way needs."""
    outside, folder = Server(Mood.TAKES), portal.folder
    made = Office(folder, request.param, mail_servers.free_port(), outside, portal)
    (folder / "env").write_text(
        f"SECRET_KEY={settings.SECRET_KEY}\nVAR_DIR={folder}\nMAIL_IN_REQUIRE_VERDICT=off\nHTTPS=off\n"
        f"MAIL_IN_LISTEN=127.0.0.1:{made.listen}\nCELERY_BROKER_URL=memory://\nMAIL_ANSWERS_PER_SENDER=1000\n"
        f"DATABASE_URL={portal.database_url}\nSITE_URL=http://localhost\n"
    )
    for path in (folder, *folder.rglob("*")):
        shutil.chown(path, USER, "nogroup")
    with mail_servers.postfix(**configuration(made)) as made.server:
        made.start()
        try:
            yield made
        finally:
            made.stop()
            outside.end()


@pytest.fixture
def running(office: Office) -> Office:
    office.begin()
    return office


def letter(body: str = "Buenas tardes", sender: str = EVA, **headers: Any) -> bytes:
    """A mail that none before it was like."""
    number = next(_serial)
    given = {"From": sender, "Message_ID": f"<{number}@x>", "Subject": f"Asunto {number}"}
    return mail(body, **given | headers)


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


def test_servers_b1_h1_both_addresses_one_entry_and_a_reply_joins_its_ticket(running):
    subject = f"Primero {running.way}"
    running.send(letter(Subject=subject), SUPPORT, DESK)
    running.server.wait_until_empty()
    assert running.dispositions() == ["accept-new"]
    running.sweep()
    running.server.wait_until_empty()
    ours = [message_from_bytes(raw, policy=policy.default) for raw in running.outside.took]
    (answer,) = [one for one in ours if one["Reply-To"] and subject in one["Subject"]]
    reply_to = answer["Reply-To"].addresses[0].addr_spec
    assert "+" in reply_to
    running.send(letter("Sigue igual", Subject="Re: otra cosa"), reply_to)
    running.server.wait_until_empty()
    assert running.dispositions() == ["accept-new", "accept-reply"]
    tickets = running.portal.rows(f"SELECT DISTINCT about FROM core_inboundmessage WHERE id > {running.before}")
    assert len(tickets) == 1
    assert "status=bounced" not in running.server.log


def test_real_bounces_come_back_and_mark_the_mail(running):
    """Unknown user and mailbox full, written by Postfix itself; and a mail from nobody is a robot's (H2)."""
    for person in (UNKNOWN, FULL):
        running.send(letter(sender=person), SUPPORT, sender=person)
    running.server.wait_until_empty()
    running.sweep()
    running.server.wait_for("status=bounced", count=2)
    running.server.wait_until_empty()
    marked = running.portal.rows(
        "SELECT about, bounced_at FROM core_outboxmessage "
        f"WHERE about IN (SELECT about FROM core_inboundmessage WHERE id > {running.before})"
    )
    assert len(marked) == 2
    assert all(bounced_at for _, bounced_at in marked)
    running.send(letter("Gracias por escribirnos"), SUPPORT, sender="")
    running.server.wait_until_empty()
    assert running.dispositions()[-1] == "ignore-auto"


def test_a_burst_is_as_many_entries_and_none_is_returned(running):
    picture = b"Content-Type: application/octet-stream; name=a.bin\r\n\r\n" + b"x" * 50_000
    with smtplib.SMTP("127.0.0.1", running.server.port, timeout=30) as outside:
        for number in range(BURST):
            raw = multipart(
                "Content-Type: text/plain\n\nhola\n",
                picture,
                From=EVA,
                Message_ID=f"<{running.way}-{number}@x>",
                Subject=f"n {number} {running.way}",
            )
            outside.sendmail(EVA, [SUPPORT], raw)
    running.server.wait_until_empty(180)  # by pipe a process for each
    assert running.dispositions() == ["accept-new"] * BURST
    assert "status=bounced" not in running.server.log


def test_servers_h8_a_delivery_report_holds_no_line_of_ours(running):
    """A stranger, a registered person and a mail that repeats itself get the same report, but for the addresses."""
    known = letter(Date="Mon, 24 Nov 2025 10:00:00 -0600")
    for raw in (known, letter(sender="nadie@fuera.example"), known):
        running.send(raw, SUPPORT, sender="x@fuera.example", options=["NOTIFY=SUCCESS"])
        running.server.wait_until_empty()
    mail_servers.wait_until(lambda: len(running.outside.took) == 3, 20, lambda: running.server.log)
    assert running.dispositions() == ["accept-new", "reject-unregistered"]
    reports = [message_from_bytes(raw, policy=policy.default) for raw in running.outside.took]
    said = [
        re.sub(r"(?im)^.*(queue-id|arrival-date).*$", "", part.as_string())
        for report in reports
        for part in report.iter_parts()
        if part.get_content_type() == "message/delivery-status"
    ]
    assert len(said) == 3
    assert len(set(said)) == 1
    for raw in running.outside.took:
        text = raw.decode()
        assert "Action: delivered" in text or "Action: relayed" in text
        for word in ("INFO", "WARNING", "tickets", "core.", "ejemplo.mx", "sqlite", "Traceback", USER):
            assert word not in text


def test_while_the_service_is_stopped_mail_waits_and_comes_once(running):
    """By pipe the settings are gone; what the mail server is told names nothing of ours."""
    running.stop()
    if running.way == "pipe":
        running.folder.joinpath("env").rename(running.folder / "away")
    running.send(letter(), SUPPORT)
    log = running.server.wait_for("status=deferred")
    assert "status=bounced" not in log
    assert str(running.folder / "db") not in log
    assert "postgres" not in log
    if running.way == "pipe":
        assert "receive_email: try again later" in log
        running.folder.joinpath("away").rename(running.folder / "env")
    running.start()
    running.server.run("postqueue", "-f")
    running.server.wait_until_empty()
    assert running.dispositions() == ["accept-new"]


def test_a_mail_beyond_postfix_own_limit_is_a_ticket(running):
    """12 MB: the 10 MB that Postfix takes by itself are lifted by the docs."""
    body = ("x" * 70 + "\n") * (12 * 1024 * 1024 // 72)
    running.send(letter(body), SUPPORT)
    running.server.wait_until_empty(60)
    assert running.dispositions() == ["accept-new"]


@pytest.mark.parametrize("office", ["lmtp"], indirect=True)
def test_servers_b2_a_mail_server_that_is_set_to_smtp_is_served_too(running):
    transport = running.server.folder / "conf" / "factureya-transport"
    before = transport.read_text()
    by_smtp = before.replace("lmtp:inet:127.0.0.1:", "smtp:[127.0.0.1]:")
    try:
        for text in (by_smtp, before):
            transport.write_text(text)
            running.server.run("postmap", f"hash:{transport}")
            running.server.run("postfix", "reload")
            running.send(letter(), SUPPORT, DESK)
            running.server.wait_until_empty()
    finally:
        transport.write_text(before)
        running.server.run("postmap", f"hash:{transport}")
    assert "/smtp[" in running.server.log
    assert "/lmtp[" in running.server.log
    assert running.dispositions() == ["accept-new"] * 2
