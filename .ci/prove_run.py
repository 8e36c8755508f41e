"""Prove `make run` as a newcomer meets it: a clean clone, one command, a page, a login, mail, and a clean stop.

Standard library alone. Prints what it saw; exits non-zero at the first thing that does not hold.
"""

import contextlib
import os
import random
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import prove_mail
from visitor import Visitor, require

ROOT = Path(__file__).resolve().parent.parent
INSTALL = 600  # seconds the first start may take, most of it the install
AGAIN = 15  # seconds a second start may take


def main() -> None:
    """Clone, run, look, stop, run again, stop."""
    with tempfile.TemporaryDirectory(prefix="factureya-run-") as folder:
        clone = Path(folder) / "clone"
        subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
        port = free_port()
        first = round_of(clone, port, INSTALL)
        mode = stat.S_IMODE((clone / ".env").stat().st_mode)
        require(mode == 0o600, f".env has mode {mode:o}")
        key = (clone / ".env").read_text()
        again = round_of(clone, port, AGAIN)
        require((clone / ".env").read_text() == key, ".env was rewritten")
        print(f"make run: {first:.1f} s with the install, {again:.1f} s again")
        up_alone(clone)


def round_of(clone: Path, port: int, limit: float) -> float:
    """One `make run`: the seconds to the first page, after which demo people read and write, and TERM ends it."""
    listener = free_port()
    log = clone.parent / "run.log"
    begin = time.monotonic()
    with log.open("wb") as output:
        run = subprocess.Popen(
            ["make", "run", f"PORT={port}"],
            cwd=clone,
            env=bare_environment(listener),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    site = f"http://localhost:{port}"
    try:
        wait_for_page(site, run, log, limit)
        seconds = time.monotonic() - begin
        require(f"{site}/" in log.read_text(), "the address was not printed")
        require("ana@demo.example" in log.read_text(), "the demo accounts were not printed")
        log_in(site)
        wait_for_line(log, "celery@", " ready.", "beat: Starting")
        prove_mail.prove(site, listener, clone / "var/mail")
    finally:
        end(run, log)
    text = log.read_text()
    for child in ("web", "worker", "beat", "mail"):
        require(re.search(rf"{child} +\| stopped \(0\)", text) is not None, f"{child} did not stop cleanly:\n{text}")
    require(refused(port), "something still listens")
    return seconds


def end(run: subprocess.Popen[bytes], log: Path) -> None:
    """TERM to all of it. What has not ended after 40 seconds is killed, each child by its own id, and is a failure."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(run.pid, signal.SIGTERM)
    try:
        run.wait(40)
    except subprocess.TimeoutExpired:
        for group in [run.pid, *map(int, re.findall(r"\| started, pid (\d+)$", log.read_text(), re.MULTILINE))]:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        sys.exit(f"make run: TERM did not stop it:\n{log.read_text()}")


def up_alone(clone: Path) -> None:
    """`manage.py up` by itself: exit code 0 on TERM, and how soon the first page came."""
    port = free_port()
    begin = time.monotonic()
    log = clone.parent / "up.log"
    with log.open("wb") as output:
        up = subprocess.Popen(
            [".venv/bin/python", "manage.py", "up", "--bind", f"127.0.0.1:{port}"],
            cwd=clone,
            env=bare_environment(free_port()),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    wait_for_page(f"http://localhost:{port}", up, log, AGAIN)
    seconds = time.monotonic() - begin
    up.terminate()
    code = up.wait(40)
    require(code == 0, f"manage.py up ended with {code}")
    print(f"manage.py up: first page after {seconds:.1f} s, exit 0 on TERM")


def log_in(site: str) -> None:
    """A demo customer logs in with the printed password and reads her tickets."""
    ana = Visitor(site, "ana@demo.example")
    page = ana.look("/tickets/")
    require(ana.url == f"{site}/tickets/", f"ana was sent to {ana.url}")
    require("FY-" in page, "ana has no tickets")


def wait_for_page(site: str, process: subprocess.Popen[bytes], log: Path, limit: float) -> None:
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        require(process.poll() is None, f"ended with {process.returncode}:\n{log.read_text()}")
        try:
            with urllib.request.urlopen(f"{site}/", timeout=5) as page:
                require(page.status == 200, f"the first page answers {page.status}")
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
    require(False, f"no page within {limit} s:\n{log.read_text()}")


def wait_for_line(log: Path, *parts: str) -> None:
    deadline = time.monotonic() + 30
    while not all(part in log.read_text() for part in parts):
        require(time.monotonic() < deadline, f"worker or beat did not come up:\n{log.read_text()}")
        time.sleep(0.1)


def bare_environment(listener: int) -> dict[str, str]:
    """A newcomer's shell: nothing of ours is set but the mail listener's port, which another program may have."""
    kept = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "PYENV"))}
    for name in ("PATH", "HOME", "LANG", "TMPDIR"):
        kept |= {name: os.environ[name]} if name in os.environ else {}
    return kept | {"MAIL_IN_LISTEN": f"127.0.0.1:{listener}"}


def refused(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def free_port() -> int:
    """A port below those that the system hands out: while web is down nobody else is given it, and answers there."""
    while True:
        with socket.socket() as probe, contextlib.suppress(OSError):
            port = random.randrange(20_000, 32_000)
            probe.bind(("127.0.0.1", port))
            return port


if __name__ == "__main__":
    require(shutil.which("make") is not None, "there is no make")
    main()
