"""How soon `make run` shows a page, and how much memory all of it holds at rest."""

import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError

from django.conf import settings

from factureya.bench.engines import environment

REST = 20.0  # seconds until everything has settled
PATIENCE = 60.0
MEGABYTE = 1024  # /proc speaks of kB


@dataclass(frozen=True)
class Start:
    """Hold seconds to the first page on an empty folder and on one with data, and the memory of all processes in MB."""

    first: float
    again: float
    rss: float
    pss: float
    processes: int


def measure(folder: Path) -> Start:
    """Start twice in an empty folder, as `make run` does after the install."""
    first, _ = _once(folder, rest=0.0)
    again, tree = _once(folder, rest=REST)
    rss, pss = sum(memory[0] for memory in tree), sum(memory[1] for memory in tree)
    return Start(first, again, rss / MEGABYTE, pss / MEGABYTE, len(tree))


def _once(folder: Path, *, rest: float) -> tuple[float, list[tuple[int, int]]]:
    """Start everything once; return the seconds to the first page and the memory."""
    port = _free_port()
    env = environment(folder, SITE_URL=f"http://localhost:{port}")
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "manage.py", "prepare"], cwd=settings.BASE_DIR, env=env, check=True, stdout=subprocess.DEVNULL
    )
    process = subprocess.Popen(
        [sys.executable, "manage.py", "up", "--bind", f"127.0.0.1:{port}"],
        cwd=settings.BASE_DIR,
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for_page(f"http://127.0.0.1:{port}/")
        seconds = time.perf_counter() - start
        time.sleep(rest)
        return seconds, [_memory(pid) for pid in _tree(process.pid)] if rest else []
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=PATIENCE)


def _free_port() -> int:
    """Return a port that no program uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _wait_for_page(url: str) -> None:
    """Wait until the page answers 200. Raises RuntimeError after PATIENCE seconds."""
    end = time.perf_counter() + PATIENCE
    while time.perf_counter() < end:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - our own address
                if answer.status == 200:
                    return
        except (URLError, OSError):
            time.sleep(0.05)
    raise RuntimeError(f"no page at {url} within {PATIENCE:.0f} s")


def _tree(pid: int) -> Iterator[int]:
    """Return the process and all below it."""
    yield pid
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield from _tree(int(child))


def _memory(pid: int) -> tuple[int, int]:
    """Return resident and proportional set size in kB."""
    found = {"Rss": 0, "Pss": 0}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        name, _, value = line.partition(":")
        if name in found:
            found[name] = int(value.split()[0])
    return found["Rss"], found["Pss"]
