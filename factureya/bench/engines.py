"""Where the bench measures: scratch databases on both engines, worker processes on them, and their removal."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import redis
from django.conf import settings
from psycopg import sql as names

POSTGRESQL = os.environ.get("TEST_DATABASE_URL", "postgres://factureya:factureya@127.0.0.1:5432/factureya")
REDIS = os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379/14")
LABELS = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}


@dataclass
class Place:
    """Hold a worker on its own database of so many tickets, or of so many formal requests that wait."""

    engine: str
    size: int
    process: "subprocess.Popen[str]"
    # For other processes on this database.
    environment: dict[str, str] = field(default_factory=dict)

    def send(self, *command: Any) -> None:
        """Send a command without waiting for the answer."""
        assert self.process.stdin is not None  # opened below
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()

    def answer(self) -> Any:
        """Wait for the answer and return it."""
        assert self.process.stdout is not None  # opened below
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the worker of {self.engine} of size {self.size} died")
        return json.loads(line)

    def ask(self, *command: Any) -> Any:
        """Send a command, wait for the answer and return it."""
        self.send(*command)
        return self.answer()


def missing_service() -> str:
    """Return why PostgreSQL cannot be measured here; empty when it can."""
    try:
        with psycopg.connect(POSTGRESQL, connect_timeout=3, dbname="postgres"):
            redis.Redis.from_url(REDIS, socket_connect_timeout=3).ping()
    except (psycopg.OperationalError, redis.RedisError) as error:
        return str(error).strip().splitlines()[0]
    return ""


@contextmanager
def places(engines: list[str], sizes: list[int], folder: Path, label: str = "") -> Iterator[list[Place]]:
    """Start a worker for each engine and size, and remove everything at the end; `label` tells databases apart."""
    with ExitStack() as stack:
        found = [stack.enter_context(_place(engine, size, folder, label)) for engine in engines for size in sizes]
        yield found


@contextmanager
def _place(engine: str, size: int, folder: Path, label: str) -> Iterator[Place]:
    """Yield a database of this size with a process that measures on it; end both afterwards."""
    with database(engine, f"{label}{size}", folder) as url:
        broker = {"CELERY_BROKER_URL": REDIS} if engine == "postgresql" else {}
        env = environment(folder, DATABASE_URL=url, **broker)
        process = subprocess.Popen(
            [sys.executable, "manage.py", "bench", "--worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=settings.BASE_DIR,
            env=env,
        )
        try:
            yield Place(engine, size, process, env)
        finally:
            process.communicate()


def environment(folder: Path, **more: str) -> dict[str, str]:
    """Return the environment of a scratch installation: no `.env`, and everything it writes under `folder`."""
    return {
        **{name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}},
        "ENV_FILE": "",
        "VAR_DIR": str(folder),
        "SECRET_KEY": "bench-only-" + "x" * 50,
        "DEBUG": "off",
        "HTTPS": "off",
        "STAFF_MFA_REQUIRED": "off",
        "DEMO": "on",
        "SITE_URL": "http://localhost",
        "LOG_LEVEL": "ERROR",
        **more,
    }


@contextmanager
def database(engine: str, label: str, folder: Path) -> Iterator[str]:
    """Make an empty database, give its URL, and remove it at the end."""
    name = f"factureya_bench_{os.getpid()}_{label}"
    if engine == "sqlite":
        yield f"sqlite:///{folder}/{name}.sqlite3"  # removed with the folder
        return
    with psycopg.connect(POSTGRESQL, dbname="postgres", autocommit=True) as server:
        server.execute(names.SQL("CREATE DATABASE {}").format(names.Identifier(name)))
        try:
            yield urlunsplit(urlsplit(POSTGRESQL)._replace(path=f"/{name}"))
        finally:
            server.execute(names.SQL("DROP DATABASE {} WITH (FORCE)").format(names.Identifier(name)))
            redis.Redis.from_url(REDIS).delete("celery")  # bells that nobody hears
