"""A process with limits: what it may not do, and what the caller gets when it fails (M17)."""

from pathlib import Path
from typing import Any

import pytest

from factureya.core.running import limited
from factureya.core.running.limited import Limits, NotRun, Stopped, run_limited

pytestmark = [pytest.mark.once, pytest.mark.clause("M17")]
LIMITS = Limits(max_memory=300 * 1024 * 1024, processor_seconds=1, total_seconds=60)  # a busy machine is slow


@pytest.fixture
def run(tmp_path: Path) -> Any:
    def run_code(code: str, content: bytes = b"", *arguments: str, limits: Limits = LIMITS) -> bytes:
        script = tmp_path / "script.py"
        script.write_text(code)
        return run_limited(script, content, *arguments, limits=limits)

    return run_code


def test_it_gets_its_input_and_its_arguments(run: Any):
    code = "import sys; sys.stdout.buffer.write(sys.stdin.buffer.read()[::-1] + sys.argv[1].encode())"
    assert run(code, b"abc", "x") == b"cbax"


def test_it_has_no_environment_and_not_our_folder(run: Any, monkeypatch: Any):
    monkeypatch.setenv("SECRET_KEY", "secreta")
    names = run("import os, sys; print(list(os.environ), sys.path)").decode()
    assert "SECRET_KEY" not in names
    assert str(Path(__file__).parents[4]) + "'" not in names


@pytest.mark.parametrize(
    "code",
    [
        "import socket; socket.create_connection(('127.0.0.1', 9))",
        "import socket; socket.getaddrinfo('localhost', 80)",
        "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9/')",
        "import subprocess; subprocess.run(['true'])",
        "import os; os.system('true')",
        "import os; os.fork()",
        "open('/tmp/no-se-escribe', 'w')",
        "import os; os.open('/tmp/no-se-escribe', os.O_CREAT | os.O_RDWR)",
        "1 / 0",
        "while True: pass",
        "len(b'x' * 10**9)",
    ],
)
def test_what_it_may_not_do_ends_it(run: Any, code: str):
    with pytest.raises(Stopped):
        run(code)
    assert not Path("/tmp/no-se-escribe").exists()


def test_no_process_at_all(run: Any, monkeypatch: Any):
    monkeypatch.setattr(limited.sys, "executable", "/no/hay/python")
    with pytest.raises(NotRun, match="FileNotFoundError"):
        run("print(1)")


def test_no_room_for_another_process(run: Any, monkeypatch: Any):
    def refuse(*_arguments: Any, **_options: Any) -> None:
        raise BlockingIOError("fork: Resource temporarily unavailable")

    monkeypatch.setattr(limited.subprocess, "run", refuse)
    with pytest.raises(NotRun, match="BlockingIOError"):
        run("print(1)")


@pytest.mark.parametrize(
    "code",
    [
        "import time; time.sleep(30)",
        "import un_modulo_que_no_esta",
        "open('/no/hay/datos')",
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
        "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
    ],
)
def test_what_the_machine_did_not_let_it_do_is_told_apart(run: Any, code: str):
    """A slow machine, a deploy that lacks a package, a process ended by the system: no limit of ours was reached."""
    with pytest.raises(NotRun):
        run(code, limits=Limits(max_memory=300 * 1024 * 1024, processor_seconds=5, total_seconds=3))
