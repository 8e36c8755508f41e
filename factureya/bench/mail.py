"""Mails per second through the listener, beside django-helpdesk taking the same mails; what one mail costs (M6).

Ours: `manage.py receive_smtp`, one process, given the mails by SMTP on a few connections as a mail server would.
The peer: its own intake, one process, in a scratch venv. Both on databases of as many tickets, in turns.
"""

import os
import smtplib
import socket
import subprocess
import sys
import time
import venv
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings

from factureya.bench import costs, sample_mails
from factureya.bench.costs import Cost
from factureya.bench.engines import Place, database, environment
from factureya.bench.sample_mails import Seed

HERE = Path(__file__).resolve().parent
CONNECTIONS = 4  # that our mail server opens at once
PATIENCE = 30.0
INSTALL_SECONDS = 300
Key = tuple[str, int]  # engine and size


@dataclass
class MailFindings:
    """Hold mails per second by place, a number for each round, and what one mail costs as a process."""

    ours: dict[Key, list[float]] = field(default_factory=dict)
    peer: dict[Key, list[float]] = field(default_factory=dict)
    work: dict[tuple[Key, str], list[float]] = field(default_factory=dict)  # processor ms a mail
    costs: dict[tuple[str, str], list[Cost]] = field(default_factory=dict)  # engine, what
    left_out: str = ""  # why there is no peer
    batch: int = 0

    def note(self, who: str, key: Key, rate: float, work: float) -> None:
        """Add one more round of `ours` or of the `peer`."""
        rates = self.ours if who == "ours" else self.peer
        rates.setdefault(key, []).append(rate)
        self.work.setdefault((key, who), []).append(work)


@dataclass
class Side:
    """Hold one of the two at a place: the tickets that wait for its replies, and how it takes a batch."""

    seeds: list[Seed]
    place: Place
    pid: int  # of the process that takes them
    port: int = 0  # ours
    box: Path | None = None  # the peer's

    def take(self, batch: Sequence[sample_mails.PlannedMail]) -> tuple[float, float]:
        """Take a batch; return mails per second, and the process's own milliseconds of processor for one mail."""
        raw = [sample_mails.write(planned, self.seeds) for planned in batch]
        before = _processor_seconds(self.pid)
        seconds = _send(raw, self.port) if self.box is None else self._poll(raw, self.box)
        work = _processor_seconds(self.pid) - before
        return len(raw) / seconds, 1000 * work / len(raw)

    def _poll(self, raw: Sequence[bytes], box: Path) -> float:
        """Put the batch into the peer's mailbox, let the peer take it in, and return the seconds."""
        for number, each in enumerate(raw):
            (box / f"{number:05d}.eml").write_bytes(each)
        return float(self.place.ask("take"))


@dataclass
class Station:
    """Hold a place with its senders, our listener, and the peer where there is one."""

    place: Place
    senders: list[str]
    ours: Side
    peer: Side | None

    def take(self, first: int, batch: int) -> Iterator[tuple[str, tuple[float, float]]]:
        """Let both take the same batch, one after the other; yield who, and what `Side.take` says."""
        mails = sample_mails.plan(first, batch, self.senders)
        yield "ours", self.ours.take(mails)
        if self.peer:
            yield "peer", self.peer.take(mails)


def measure(
    places: Sequence[Place], folder: Path, *, rounds: int, batch: int, python: Path | None, say: Any
) -> MailFindings:
    """Measure at every place in turn; `python` is that of the peer's venv, None without a peer.

    The first round is not counted: it loads templates and plans. Raises RuntimeError when a mail did not become what
    it must.
    """
    found, mails = MailFindings(batch=batch), (rounds + 1) * batch
    with ExitStack() as stack:
        stations = []
        for place in places:
            say(f"correo, {place.engine} con {place.size} tickets")
            stations.append(stack.enter_context(_station(place, folder, mails, python)))
        for number in range(rounds + 1):
            for station in stations:
                for who, (rate, work) in station.take(number * batch, batch):
                    if number:
                        found.note(who, _key(station.place), rate, work)
        for station in stations:
            _check(station.ours, station.peer, mails)
    for place in {place.engine: place for place in reversed(places)}.values():
        say(f"correo, lo que cuesta un proceso con {place.engine}")
        spent = costs.measure(_environment(place))
        found.costs |= {(place.engine, what): each for what, each in spent.items()}
    return found


def install(folder: Path) -> Path:
    """Return the Python of a venv with django-helpdesk, made if absent. Raise RuntimeError with the reason."""
    python = folder / "bin" / "python"
    done = folder / "installed"
    if done.exists():
        return python
    wanted = str(HERE / "helpdesk-requirements.txt")
    try:
        venv.create(folder, with_pip=True)
        pip = subprocess.run(
            [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", wanted],
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as slow:
        raise RuntimeError(f"not installed within {INSTALL_SECONDS} s") from slow
    except (OSError, subprocess.CalledProcessError) as error:
        raise RuntimeError(str(error)) from error
    if pip.returncode:
        raise RuntimeError((pip.stderr.strip().splitlines() or ["pip failed"])[-1])
    done.touch()
    return python


@contextmanager
def _station(place: Place, folder: Path, mails: int, python: Path | None) -> Iterator[Station]:
    """Prepare a place for so many mails."""
    senders: list[str] = place.ask("mail_senders")
    replies = [senders[turn % len(senders)] for turn in range(mails // 2)]
    seeds = [_seed(each) for each in place.ask("mail_seeds", replies)]
    with ExitStack() as stack:
        pid, port = stack.enter_context(_listener(place))
        ours = Side(seeds, place, pid, port=port)
        peer = stack.enter_context(_peer(place, folder, replies, python)) if python else None
        yield Station(place, senders, ours, peer)


@contextmanager
def _listener(place: Place) -> Iterator[tuple[int, int]]:
    """Start our listener as a process of its own, and give its process id and port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "manage.py", "receive_smtp"],
        cwd=settings.BASE_DIR,
        env=_environment(place, MAIL_IN_LISTEN=f"127.0.0.1:{port}"),
    )
    try:
        _wait_for(port)
        yield process.pid, port
    finally:
        process.terminate()
        process.wait(PATIENCE)


@contextmanager
def _peer(place: Place, folder: Path, replies: list[str], python: Path) -> Iterator[Side]:
    """Start django-helpdesk on a database of its own, with as many tickets."""
    scratch = folder / f"helpdesk-{place.engine}-{place.size}"
    scratch.mkdir()
    with database(place.engine, f"helpdesk_{place.size}", scratch) as url:
        process = subprocess.Popen(
            [str(python), str(HERE / "helpdesk_peer.py"), url, str(scratch)],
            cwd=scratch,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(scratch),
        )
        peer = Place(place.engine, place.size, process)
        try:
            entries = int(place.ask("entries"))
            peer.ask("prepare", place.size, entries)
            seeds = [_seed(each) for each in peer.ask("seeds", replies)]
            yield Side(seeds, peer, process.pid, box=scratch / "box")
        finally:
            process.communicate()


def _send(mails: Sequence[bytes], port: int) -> float:
    """Give the mails to the listener on CONNECTIONS connections; return the seconds until the last 250."""
    shares = [mails[first::CONNECTIONS] for first in range(CONNECTIONS)]
    clients = [smtplib.SMTP("127.0.0.1", port, timeout=PATIENCE) for _ in shares]
    try:
        for client in clients:
            client.ehlo()
        with ThreadPoolExecutor(CONNECTIONS) as threads:
            start = time.perf_counter()
            list(threads.map(_send_share, clients, shares))
            return time.perf_counter() - start
    finally:
        for client in clients:
            client.close()


def _send_share(client: smtplib.SMTP, mails: Sequence[bytes]) -> None:
    for raw in mails:
        client.sendmail("bench@carga.example", [settings.SUPPORT_EMAIL], raw)


def _check(ours: Side, peer: Side | None, mails: int) -> None:
    """Check that every mail became what it must: half new tickets, half replies, files kept, answers queued."""
    wanted = {"accept-new": mails // 2, "accept-reply": mails // 2}
    said = ours.place.ask("mail_outcome")
    files = sum(planned.has_image for planned in sample_mails.plan(0, mails, ["a@b.example"]))
    if said != wanted | {"files": files, "acknowledged": mails // 2, "told the agent": mails // 2}:
        raise RuntimeError(f"of {mails} mails at {_key(ours.place)}: {said}")
    if peer is None:
        return
    taken = peer.place.ask("outcome")
    # It stores HTML as a file too, and tells the agent and the sender of every reply.
    if (taken["tickets"], taken["messages"]) != (mails // 2, mails) or taken["mails"] < mails:
        raise RuntimeError(f"of {mails} mails the peer made {taken}")


def _environment(place: Place, **more: str) -> dict[str, str]:
    return {**place.environment, "MAIL_TRUSTED_AUTHSERV": sample_mails.AUTHSERV, **more}


def _seed(said: dict[str, Any]) -> Seed:
    return Seed(said["sender"], said["tag"], tuple(said["references"]))


def _key(place: Place) -> Key:
    return place.engine, place.size


def _processor_seconds(pid: int) -> float:
    """Return the seconds of processor that a process has used, its threads included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _wait_for(port: int) -> None:
    """Wait until a program listens at the port. Raises RuntimeError after PATIENCE seconds."""
    until = time.perf_counter() + PATIENCE
    while time.perf_counter() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"no listener on port {port} within {PATIENCE:.0f} s")
