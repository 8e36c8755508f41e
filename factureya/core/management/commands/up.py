"""`manage.py up`: web, worker and beat of one machine under one supervisor, without Redis or PostgreSQL."""

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import IO, Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

LONG_ENOUGH = 30  # seconds a child must live for its next start to come at once (1 s)
MAX_BACKOFF = 30  # seconds
GRACE = 20  # seconds between TERM and KILL
PACE = 0.5  # seconds between two looks at the children


@dataclass
class Child:
    """One supervised process, in a session of its own so that its whole group can be ended."""

    name: str
    argv: list[str]
    process: subprocess.Popen[str] | None = None
    started_at: float = 0.0
    due_at: float = 0.0
    backoff: float = field(default=0.5)

    def start(self) -> None:
        """Start it and copy what it prints, each line behind its name."""
        self.process = subprocess.Popen(
            [sys.executable, *self.argv],
            cwd=settings.BASE_DIR,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self.started_at = time.monotonic()
        threading.Thread(target=_copy, args=(self.name, self.process.stdout), daemon=True).start()
        say(self.name, f"started, pid {self.process.pid}")

    def look(self, now: float) -> None:
        """Start it when it is due; plan the next start when it died (1 s, doubling to 30 s if it dies young)."""
        if self.process is None:
            if now >= self.due_at:
                self.start()
        elif (code := self.process.poll()) is not None:
            self.kill()  # what it left in its group
            young = now - self.started_at < LONG_ENOUGH
            self.backoff = min(self.backoff * 2, MAX_BACKOFF) if young else 1.0
            self.process, self.due_at = None, now + self.backoff
            say(self.name, f"ended with {code}; again in {self.backoff:.0f} s")

    def signal(self, number: int) -> None:
        """Send a signal to the process itself, which ends its own children."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(number)

    def kill(self) -> None:
        """End whatever is left of its group."""
        if self.process:
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass  # nothing is left


class Command(BaseCommand):
    help = "Run web, worker and beat; restart what dies; stop all of it on TERM or INT (exit 0)."
    _stopping = False

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--bind", default="127.0.0.1:8000", metavar="HOST:PORT")

    def handle(self, *_args: Any, bind: str, **_options: Any) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        make_folders()
        children = [Child(name, argv) for name, argv in commands(bind).items()]
        while not self._stopping:
            for child in children:
                child.look(time.monotonic())
            time.sleep(PACE)
        stop(children)

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True


def commands(bind: str) -> dict[str, list[str]]:
    """What each child runs, as arguments of this Python.

    Threads, not processes, in web and worker: the whole of it fits in 350 MB. `--without-…`: one worker has nobody
    to gossip with, and the filesystem broker has no fan-out.
    """
    web = [
        "-m",
        "gunicorn",
        "factureya.wsgi:application",
        "--bind",
        bind,
        "--worker-tmp-dir",
        _memory_folder(),
    ]
    worker = [
        "-m",
        "celery",
        "-A",
        "factureya",
        "worker",
        "--pool",
        "threads",
        "--concurrency",
        "2",
    ]
    beat = ["-m", "celery", "-A", "factureya", "beat", "--pidfile", ""]
    return {
        "web": [
            *web,
            "--workers",
            "1",
            "--threads",
            "8",
            "--access-logfile",
            "-",
            "--graceful-timeout",
            "15",
        ],
        "worker": [*worker, "--without-gossip", "--without-mingle", "--loglevel", "INFO"],
        "beat": [
            *beat,
            "--schedule",
            str(settings.VAR_DIR / "celerybeat-schedule"),
            "--loglevel",
            "INFO",
        ],
    }


def make_folders() -> None:
    """Create what the embedded run writes to, readable by this user alone."""
    settings.VAR_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in ("queue/messages", "queue/processed", "queue/control", "mail", "media"):
        (settings.VAR_DIR / name).mkdir(mode=0o700, parents=True, exist_ok=True)


def stop(children: list[Child]) -> None:
    """Ask all to end (beat first, so that no new work comes), wait GRACE seconds together, then end them."""
    for child in reversed(children):
        child.signal(signal.SIGTERM)
    deadline = time.monotonic() + GRACE
    for child in children:
        if child.process is None:
            continue
        try:
            code = child.process.wait(max(0.0, deadline - time.monotonic()))
            say(child.name, f"stopped ({code})")
        except subprocess.TimeoutExpired:
            say(child.name, f"did not stop in {GRACE} s: killed")
        child.kill()


def say(name: str, text: str) -> None:
    """One line of the log, behind the name of who says it."""
    sys.stdout.write(f"{name:<6} | {text}\n")
    sys.stdout.flush()


def _copy(name: str, stream: IO[str]) -> None:
    for line in stream:
        say(name, line.rstrip("\n"))


def _memory_folder() -> str:
    """Where gunicorn keeps its heartbeat: in memory when the machine has such a folder."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else str(settings.VAR_DIR)  # noqa: S108
