"""kill -9 of web, worker and beat in turn while customers write over HTTP: what was acknowledged is kept and mailed.

Acknowledged means that the browser was redirected. Each client repeats a request that got no answer, with the same
one-time key, as a person does who presses the button again.
"""

import email
import http.client
import http.cookiejar
import itertools
import os
import random
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings

from factureya.core.mail import outbox
from factureya.testing.people import PASSWORD

CLIENTS, WRITES = 4, 50  # each: half new tickets, half replies; 200 in all
VICTIMS = ["web", "worker", "beat", "worker", "web", "beat", "worker"]
SETTLED = 60  # seconds for the last mail to leave
PEOPLE = f"""
from factureya.testing.people import make_agent, make_contact
from factureya.testing.tickets import make_ticket
from tickets import operations
agent = make_agent(email="agente@ejemplo.mx")
for n in range({CLIENTS}):
    ticket = make_ticket(requester=make_contact(email=f"cliente{{n}}@ejemplo.mx"), subject=f"Base {{n}}")
    operations.take(ticket.pk, agent=agent)
    print("number", ticket.number)
"""


@dataclass
class Portal:
    """A running `manage.py up` with a folder and a database of its own."""

    folder: Path
    database_url: str
    extra: dict[str, str]
    port: int = 0
    numbers: list[str] = field(default_factory=list)
    in_flight: set[str] = field(default_factory=set)  # keys of mails being sent when a worker was killed

    @property
    def site(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def environment(self) -> dict[str, str]:
        """The suite's environment, but with services that outlive a process, and short waits."""
        return {
            **os.environ,
            "VAR_DIR": str(self.folder),
            "DATABASE_URL": self.database_url,
            "CELERY_BROKER_URL": "filesystem://",
            "CACHE_URL": f"filecache://{self.folder}/cache",
            "OUTBOX_STUCK_SECONDS": "6",
            "SWEEP_OUTBOX_SECONDS": "2",
            "PYTHONWARNINGS": "default",
            **self.extra,
        }

    def manage(self, *argv: str) -> str:
        """Run a management command; what it printed."""
        done = subprocess.run(
            [sys.executable, "manage.py", *argv],
            cwd=settings.BASE_DIR,
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """Read the database past Django."""
        if self.database_url.startswith("sqlite"):
            path = self.database_url.removeprefix("sqlite:///")
            with closing(sqlite3.connect(path, timeout=20)) as link:
                return link.execute(statement).fetchall()
        with psycopg.connect(self.database_url) as link:
            return link.execute(statement).fetchall()

    @property
    def log(self) -> str:
        return (self.folder / "up.log").read_text()

    def started(self, name: str) -> list[int]:
        """Process ids of every start of a child, oldest first."""
        return [int(pid) for pid in re.findall(rf"^{name} +\| started, pid (\d+)$", self.log, re.MULTILINE)]

    def kill(self, name: str) -> None:
        """kill -9 the child's whole group; a worker preferably while it sends: those mails are noted."""
        pid = self.started(name)[-1]
        if name == "worker":
            give_up = time.monotonic() + 2
            while not self.sending() and time.monotonic() < give_up:
                pass
        os.killpg(pid, signal.SIGKILL)
        if name == "worker":
            self.in_flight |= self.sending()

    def sending(self) -> set[str]:
        """Keys of the mails that a worker has claimed."""
        return {key for (key,) in self.rows("SELECT key FROM core_outboxmessage WHERE status = 'sending'")}


class Client:
    """A logged-in customer with a browser that has no script."""

    def __init__(self, portal: Portal, who: str) -> None:
        self.portal = portal
        cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self.browser = urllib.request.build_opener(cookies, Stay())
        form = {"login": who, "password": PASSWORD}
        self.submit("/cuenta/ingresar/", "/cuenta/ingresar/", form, r"/(?!cuenta/ingresar/).*")

    def submit(self, page: str, action: str, fields: dict[str, str], lands: str) -> None:
        """Fill in the form of a page and send it until it is acknowledged: the browser is sent where it `lands`."""
        html = self.until_answered(page)[1]
        hidden = dict(re.findall(r'<input type="hidden" name="(csrfmiddlewaretoken|key)" value="([^"]+)"', html))
        status, text = self.until_answered(action, {**hidden, **fields})
        acknowledged = status == 302 and re.fullmatch(lands, text)
        assert acknowledged, f"{action} answered {status}: {text[:3000]}"

    def until_answered(self, path: str, data: dict[str, str] | None = None) -> tuple[int, str]:
        """Ask again while nobody answers, or the server says it cannot now; status, and body or Location."""
        body = urllib.parse.urlencode(data).encode() if data else None
        for _try in range(600):
            try:
                with self.browser.open(self.portal.site + path, body, timeout=30) as answer:
                    return answer.status, answer.read().decode()
            except urllib.error.HTTPError as answer:
                with answer:
                    if answer.code < 500:
                        return answer.code, answer.headers.get("Location") or answer.read().decode()
            except (OSError, http.client.HTTPException):  # killed before or while it answered
                pass  # refused, reset, or closed half-way
            time.sleep(0.1)
        raise AssertionError(f"nobody answered {path}")


class Stay(urllib.request.HTTPRedirectHandler):
    """A redirect is the acknowledgement: it is looked at, not followed."""

    def redirect_request(self, *_args: Any) -> None:
        return None


@pytest.mark.failure
@pytest.mark.clause("M6", "M10")
@pytest.mark.parametrize(
    "services",
    [
        pytest.param("files", marks=pytest.mark.once),
        pytest.param("servers", marks=[pytest.mark.postgres, pytest.mark.redis]),
    ],
)
def test_what_was_acknowledged_survives_kill_9(services, tmp_path, redis_url):
    with portal(services, tmp_path, redis_url) as running:
        marks = write_while_killing(running)
        wait_until(lambda: not unsent(running), SETTLED, "mails are still queued")
        assert_stored_once(running, marks)
        assert_mailed(running)
        assert_restarted(running)
        running.manage("verify_audit")


def write_while_killing(running: Portal) -> list[str]:
    """Let the clients write; kill the next process whenever another share of the writes is acknowledged."""
    done: list[str] = []
    failures: list[BaseException] = []

    def write(number: int) -> None:
        try:
            client = Client(running, f"cliente{number}@ejemplo.mx")
            for count in range(WRITES):
                mark = f"marca-{number}-{count:02d}."
                one_write(client, running.numbers[number], mark, count)
                done.append(mark)
        except BaseException as failure:
            failures.append(failure)
            raise

    threads = [threading.Thread(target=write, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    kill_in_turn(running, lambda: len(done), lambda: bool(failures))
    for thread in threads:
        thread.join(120)
    assert not failures, failures
    assert len(done) == CLIENTS * WRITES
    return done


def kill_in_turn(running: Portal, done: Callable[[], int], is_over: Callable[[], bool]) -> None:
    """The next victim dies at each further share of the writes, once it is back from its last end."""
    share = CLIENTS * WRITES // (len(VICTIMS) + 1)
    for turn, victim in enumerate(VICTIMS, start=1):
        starts = VICTIMS[:turn].count(victim)
        while not is_over() and (done() < turn * share or len(running.started(victim)) < starts):
            time.sleep(0.02)
        if not is_over():
            running.kill(victim)


def one_write(client: Client, number: str, mark: str, count: int) -> None:
    """A new ticket, or a reply to the ticket that an agent has."""
    if count % 2:
        page = f"/tickets/{number}/"
        client.submit(page, f"{page}informacion/", {"body": f"Respuesta {mark}"}, page)
    else:
        page = "/tickets/nuevo/"
        fields = {"subject": f"Falla {mark}", "category": "stamping", "impact": "3", "otro": "1"}
        fields |= {"description": "Falló.", "steps": "1. Timbrar."}
        client.submit(page, page, fields, r"/tickets/FY-[0-9A-Z-]+/creado/")


def assert_stored_once(running: Portal, marks: list[str]) -> None:
    """Every acknowledged write is there once, and nothing else is."""
    subjects = running.rows("SELECT subject FROM tickets_ticket WHERE subject LIKE 'Falla %'")
    bodies = running.rows("SELECT body FROM tickets_message WHERE body LIKE 'Respuesta %'")
    stored = Counter(text.split()[-1] for (text,) in itertools.chain(subjects, bodies))
    assert stored == Counter(marks)


def assert_mailed(running: Portal) -> None:
    """Every mail of the outbox is a file; a second copy only of what was in flight at a kill, recognisably."""
    rows = running.rows("SELECT key, status, kind FROM core_outboxmessage")
    kinds = Counter(kind for _, _, kind in rows)
    assert kinds["tickets/opened"] == CLIENTS + CLIENTS * WRITES / 2
    assert kinds["tickets/new_message"] == CLIENTS * WRITES / 2
    assert {status for _, status, _ in rows} == {"sent"}
    files = Counter(
        email.message_from_bytes(path.read_bytes())["Message-ID"] for path in (running.folder / "mail").glob("*.eml")
    )
    assert set(files) == {outbox.make_message_id(key) for key, _, _ in rows}
    repeated = {message_id for message_id, copies in files.items() if copies > 1}
    assert repeated <= {outbox.make_message_id(key) for key in running.in_flight}


def assert_restarted(running: Portal) -> None:
    """The supervisor brought each back, and the site is ready."""
    for name in ("web", "worker", "beat"):
        assert len(running.started(name)) == VICTIMS.count(name) + 1
        assert f"{name:<6} | ended with -9; again in 1 s" in running.log
    with urllib.request.urlopen(f"{running.site}/readyz", timeout=10) as answer:
        assert answer.status == 200


def unsent(running: Portal) -> list[tuple[Any, ...]]:
    return running.rows("SELECT 1 FROM core_outboxmessage WHERE status IN ('queued', 'sending') LIMIT 1")


@contextmanager
def portal(services: str, folder: Path, redis_url: str) -> Iterator[Portal]:
    """`manage.py up` on a migrated database with customers and an agent; stopped by TERM, which must exit 0."""
    with database(services, folder) as url:
        redis = redis_url.rpartition("/")[0]
        servers = {"CELERY_BROKER_URL": f"{redis}/14", "CACHE_URL": f"{redis}/13"}
        running = Portal(folder, url, servers if services == "servers" else {}, free_port())
        running.manage("prepare")
        running.numbers = re.findall(r"^number (.+)$", running.manage("shell", "-v0", "-c", PEOPLE), re.MULTILINE)
        running.manage("record_rows")  # an event for each company, whom no operation verified
        with (folder / "up.log").open("wb") as output:
            up = subprocess.Popen(
                [sys.executable, "manage.py", "up", "--bind", f"127.0.0.1:{running.port}"],
                cwd=settings.BASE_DIR,
                env=running.environment(),
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            wait_until(lambda: len(running.started("beat")) == 1, 30, "up did not start")
            yield running
        except BaseException:
            sys.stdout.write(running.log[-6000:])
            raise
        finally:
            up.terminate()
            code = up.wait(40)
        assert code == 0


@contextmanager
def database(services: str, folder: Path) -> Iterator[str]:
    """A database of this test's own: a file, or one on the server that the suite runs on."""
    if services == "files":
        yield f"sqlite:///{folder}/db.sqlite3"
        return
    url = urllib.parse.urlsplit(os.environ["DATABASE_URL"])
    name = f"failure_{os.getpid()}"
    server = url._replace(path="/postgres").geturl()
    with psycopg.connect(server, autocommit=True) as link:
        link.execute(f"CREATE DATABASE {name}")
        try:
            yield url._replace(path=f"/{name}").geturl()
        finally:
            link.execute(f"DROP DATABASE {name} WITH (FORCE)")


def free_port() -> int:
    """A port below those that the system hands out: while web is down nobody else is given it, and answers there."""
    while True:
        with socket.socket() as probe, suppress(OSError):
            port = random.randrange(20_000, 32_000)
            probe.bind(("127.0.0.1", port))
            return port


def wait_until(holds: Any, seconds: float, problem: str) -> None:
    """Look until it holds; fail with `problem` when the time is over."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, problem
        time.sleep(0.05)
