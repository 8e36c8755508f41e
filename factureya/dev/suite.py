"""Run `make test`: the suite on SQLite, and again on PostgreSQL with Redis when they are reachable.

What needs a service that is not there is left out and named in the last lines; with REQUIRE_SERVICES=1 it fails.
Further arguments go to pytest.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from factureya.testing import mail_servers

ROOT = Path(__file__).resolve().parents[2]
DATABASE_URL = os.environ.get("TEST_DATABASE_URL", "postgres://factureya:factureya@127.0.0.1:5432/factureya")
REDIS_URL = os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379/15")
# On the second engine: all but what no engine changes. Browser tests run once.
SECOND = "not once and not browser and not mailserver"


def main() -> int:
    """Run what can be run; return 0 when all of it passed and nothing is missing that must be there."""
    missing = [name for name, found in services().items() if not found]
    required = os.environ.get("REQUIRE_SERVICES") == "1"
    if required and missing:
        print("REQUIRE_SERVICES=1, but there is no " + ", no ".join(missing))
        return 1
    said = [run("SQLite", "not postgres", {})]
    if not any("PostgreSQL" in name for name in missing):
        both = "PostgreSQL" if any("Redis" in name for name in missing) else "PostgreSQL and Redis"
        said.append(run(both, SECOND, {"DATABASE_URL": DATABASE_URL}))
    print("\n" + "\n".join(line for line, _ in said))
    print("left out: " + ("; ".join(missing) or "nothing"))
    return max(code for _, code in said)


def run(name: str, marks: str, extra: dict[str, str]) -> tuple[str, int]:
    """Run pytest once; return a line that says how it went, and its exit code."""
    print(f"\n== {name} ==", flush=True)
    # One order of sets in all workers of xdist, or they collect tests in different orders and refuse to begin.
    environment = {k: v for k, v in os.environ.items() if k != "DATABASE_URL"} | {"PYTHONHASHSEED": "0"} | extra
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    parallel = ["-n", str(min(cores, 4))] if cores > 1 else []
    begin = time.monotonic()
    argv = [sys.executable, "-m", "pytest", "-q", *parallel, "-m", marks, *sys.argv[1:]]
    code = subprocess.run(argv, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, check=False).returncode
    outcome = "passed" if code == 0 else f"FAILED (pytest's exit code {code})"
    return f"{name}: {outcome} in {time.monotonic() - begin:.0f} s", code


def services() -> dict[str, bool]:
    """Return what tests may need, in the words of "left out: …", and whether it is there."""
    address = urlsplit(DATABASE_URL)
    redis = urlsplit(REDIS_URL)
    return {
        f"PostgreSQL at {address.hostname}:{address.port or 5432} (TEST_DATABASE_URL)": has_postgresql(),
        f"Redis at {redis.hostname}:{redis.port or 6379} (TEST_REDIS_URL)": has_redis(),
        "Chromium (browser tests)": any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))),
        "root, Postfix and Dovecot (mailserver tests)": not mail_servers.absent(),
    }


def has_postgresql() -> bool:
    """Return whether a test database can be made there."""
    server = urlsplit(DATABASE_URL)._replace(path="/postgres").geturl()
    try:
        with psycopg.connect(server, connect_timeout=2) as link:
            may = link.execute("SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()
    except psycopg.Error:
        return False
    return may == (True,)


def has_redis() -> bool:
    """Return whether something listens there."""
    address = urlsplit(REDIS_URL)
    try:
        socket.create_connection((address.hostname or "127.0.0.1", address.port or 6379), 2).close()
    except OSError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
