"""`manage.py up` keeps its children running and stops them all. The whole of it is proved in test_failure.py."""

import signal
import socket
import sys
import time

import pytest
from django.core.management import CommandError, call_command

from factureya.core.management.commands import up
from factureya.core.running import supervisor
from factureya.core.running.supervisor import Child, Supervisor

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


def dead(code: int = 1) -> Child:
    child = Child("x", [sys.executable, "-c", f"raise SystemExit({code})"])
    child.start(time.monotonic())
    assert child.process is not None
    child.process.wait(10)
    return child


def test_a_child_that_dies_young_waits_longer_each_time(capsys):
    child, waits = dead(), []
    for _round in range(7):
        now = child.started_at + 1
        child.keep_running(now)
        waits.append(child.due_at - now)
        assert child.process is None
        child.start(now)
        child.process.wait(10)
    # A difference of two large floats: exact only where the machine has been up for a short time.
    assert waits == pytest.approx([1, 2, 4, 8, 16, 30, 30])
    child.keep_running(child.started_at + supervisor.STABLE_SECONDS)
    assert child.backoff == pytest.approx(1)
    assert "x      | ended with 1; again in 30 s" in capsys.readouterr().out


def test_a_child_starts_when_it_is_due():
    child = Child("x", SLEEP, due_at=10.0)
    child.keep_running(9.9)
    assert child.process is None
    child.keep_running(10.0)
    assert child.process is not None
    child.kill()
    assert child.process.wait(10) == -signal.SIGKILL


def test_term_stops_all_and_one_that_will_not_is_killed(monkeypatch, capsys):
    ignore = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True)"
    deaf = [sys.executable, "-c", f"{ignore}; time.sleep(60)"]
    monkeypatch.setattr(supervisor, "GRACE", 1.0)
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # pytest keeps its own handlers
    group = Supervisor([Child("good", SLEEP), Child("deaf", deaf), Child("late", SLEEP, after=99)])
    stop = StopWhenSaid("deaf   | ready", capsys)
    monkeypatch.setattr(group, "_stopping", stop)
    group.run()
    codes = [child.process and child.process.wait(5) for child in group.children]
    assert codes == [-signal.SIGTERM, -signal.SIGKILL, None]
    assert "deaf   | did not stop in 1 s: killed" in capsys.readouterr().out


def test_a_port_that_is_taken_is_said_before_anything_starts(monkeypatch):
    monkeypatch.setattr(up.os, "execv", lambda *_: pytest.fail("started"))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(CommandError, match="cannot listen on"):
            call_command("up", bind=f"127.0.0.1:{taken.getsockname()[1]}")
    for malformed in ("8000", "localhost", "localhost:http"):
        with pytest.raises(CommandError, match="takes HOST:PORT"):
            call_command("up", bind=malformed)


def test_the_children_are_web_worker_beat_and_mail(settings):
    argv = {child["name"]: child["argv"] for child in up.children("127.0.0.1:8000")}
    assert list(argv) == ["web", "worker", "beat", "mail"]
    settings.MAIL_IN_LISTEN = ""
    assert "mail" not in [child["name"] for child in up.children("127.0.0.1:8000")]
    assert {"gunicorn", "127.0.0.1:8000"} <= set(argv["web"])


class StopWhenSaid:
    """Stands for the flag that a signal sets: true once a line was printed."""

    def __init__(self, line: str, capsys: pytest.CaptureFixture[str]) -> None:
        self.line, self.capsys, self.printed, self.give_up = line, capsys, "", time.monotonic() + 20

    def __bool__(self) -> bool:
        self.printed += self.capsys.readouterr().out
        return self.line in self.printed or time.monotonic() > self.give_up
