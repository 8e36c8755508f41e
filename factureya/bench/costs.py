"""What `receive_email` costs as a process: an ordinary mail, and the three hostile ones of the issue (M6)."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

from django.conf import settings

from factureya.bench import sample_mails

# A process's peak begins with that of the one that started it: this small one must stand between.
MEASURE = """
import os, subprocess, sys, time
start = time.perf_counter()
process = subprocess.Popen(sys.argv[1:])
_, status, used = os.wait4(process.pid, 0)
seconds, work = time.perf_counter() - start, used.ru_utime + used.ru_stime
print(os.waitstatus_to_exitcode(status), seconds, used.ru_maxrss / 1024, work)
"""
MEGABYTES_25 = 25 * 1024 * 1024
ORDINARY, LARGE, PARTS, DEEP = "an ordinary mail", "25 MB", "10,000 parts", "1,000 deep"
TIMES = {ORDINARY: 7, LARGE: 3, PARTS: 3, DEEP: 3}


@dataclass(frozen=True)
class Cost:
    """Hold the cost of one process: seconds by the clock, megabytes at the most (peak RSS), seconds of processor."""

    seconds: float
    megabytes: float
    work: float


def measure(environment: dict[str, str]) -> dict[str, list[Cost]]:
    """Run each kind of mail a few times, each time another mail, and return the costs."""
    makes: dict[str, Callable[[int], bytes]] = {ORDINARY: _ordinary, LARGE: _large, PARTS: _parts, DEEP: _deep}
    return {what: [_cost(make(number), environment) for number in range(TIMES[what])] for what, make in makes.items()}


def _cost(raw: bytes, environment: dict[str, str]) -> Cost:
    """Run `receive_email` on one mail as a process, and return what it cost."""
    argv = [sys.executable, "-S", "-c", MEASURE, sys.executable, "manage.py", "receive_email"]
    done = subprocess.run(
        argv, input=raw, env=environment, cwd=settings.BASE_DIR, capture_output=True, timeout=60, check=True
    )
    code, *measured = done.stdout.decode().split()
    if code != "0":
        raise RuntimeError(f"receive_email ended with {code}: {done.stderr.decode()[-500:]}")
    return Cost(*map(float, measured))


def _head(number: int, what: str, content_type: str) -> bytes:
    """Return the head of a mail that is proven and whose sender is the first contact of the load."""
    return (
        f"Authentication-Results: {sample_mails.AUTHSERV}; dmarc=pass header.from=carga.example\r\n"
        f"From: contacto0@carga.example\r\nTo: {settings.SUPPORT_EMAIL}\r\nSubject: Costo de {what} {number}\r\n"
        f"Message-ID: <{what}.{number}@carga.example>\r\nMIME-Version: 1.0\r\n{content_type}\r\n"
    ).encode()


def _ordinary(number: int) -> bytes:
    """Return an ordinary mail of a few lines."""
    head = _head(number, "ordinary", "Content-Type: text/plain; charset=utf-8\r\n")
    return head + "\r\n".join(sample_mails.WORDS).encode()


def _large(number: int) -> bytes:
    """Return a mail of 25 MB, which is one file in base64."""
    kind = "Content-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: base64\r\n"
    head, line = _head(number, "large", kind), b"QUJD" * 19 + b"\r\n"
    return head + line * ((MEGABYTES_25 - len(head)) // len(line))


def _parts(number: int) -> bytes:
    """Return a mail of 10,000 parts."""
    head = _head(number, "parts", "Content-Type: multipart/mixed; boundary=b\r\n")
    return head + b"--b\r\n\r\nhola\r\n" * 10_000 + b"--b--\r\n"


def _deep(number: int) -> bytes:
    """Return a mail of 1,000 parts, each inside the one before."""
    head = _head(number, "deep", "Content-Type: multipart/mixed; boundary=b0\r\n")
    return head + b"".join(
        b"--b%d\r\nContent-Type: multipart/mixed; boundary=b%d\r\n\r\n" % (depth, depth + 1) for depth in range(1_000)
    )
