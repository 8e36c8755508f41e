"""Run web, worker, beat and mail on one machine: `manage.py up`, without Redis or PostgreSQL unless they are set."""

import json
import os
import socket
import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection

from factureya.core import guard_install
from factureya.core.running import broker_files, supervisor

OTHERS_AFTER = 1.5  # seconds: the first page comes sooner when three processes don't load at once


class Command(BaseCommand):
    help = "Run web, worker, beat and the mail listener; restart what dies; stop all of it on TERM or INT (exit 0)."
    requires_system_checks: list[str] = []  # the children run them

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--bind", default="127.0.0.1:8000", metavar="HOST:PORT")

    def handle(self, *_args: Any, bind: str, **_options: Any) -> None:
        """Check the port and the database, make the folders, and replace this process with the supervisor."""
        require_free(bind)
        make_folders()
        if reason := guard_install.why_not_ready(connection):
            raise CommandError(reason)
        os.chdir(settings.BASE_DIR)
        script = str(Path(supervisor.__file__).resolve())
        os.execv(sys.executable, [sys.executable, "-I", script, json.dumps(list_child_processes(bind))])  # noqa: S606


def list_child_processes(bind: str) -> list[dict[str, Any]]:
    """Return name, arguments and delay of each process that the supervisor runs; `bind` is the web server's HOST:PORT.

    The web server does not log the URLs of requests, because they may contain signed links, which are secret.
    """
    web = f"gunicorn factureya.wsgi:application --bind {bind} --workers 1 --threads 8"
    web += " --graceful-timeout 15 --no-control-socket"
    worker = "celery -A factureya worker --pool threads --concurrency 4 --loglevel INFO"
    worker += " --without-gossip --without-mingle"
    beat = "celery -A factureya beat --loglevel INFO --pidfile="  # an empty name: no file
    python = [sys.executable, "-m"]
    processes: list[dict[str, Any]] = [
        {"name": "web", "argv": [*python, *web.split(), "--worker-tmp-dir", _find_heartbeat_folder()]},
        {"name": "worker", "argv": [*python, *worker.split()], "after": OTHERS_AFTER},
        {"name": "beat", "argv": [*python, *beat.split()], "after": OTHERS_AFTER},
    ]
    if settings.MAIL_IN_LISTEN:
        mail = [sys.executable, str(settings.BASE_DIR / "manage.py"), "receive_smtp"]
        processes.append({"name": "mail", "argv": mail, "after": OTHERS_AFTER})
    return processes


def make_folders() -> None:
    """Create the folders of VAR_DIR, for this user only, and delete the half-written messages of a killed run."""
    for name in ("", *"queue queue/messages queue/processed queue/control mail media".split()):
        (settings.VAR_DIR / name).mkdir(mode=0o700, parents=True, exist_ok=True)
    broker_files.remove_parts(settings.VAR_DIR / "queue/messages")


def require_free(bind: str) -> None:
    """Raise CommandError if `bind` is not HOST:PORT, or if we cannot listen there, before any process starts."""
    host, _, port = bind.rpartition(":")
    if not host or not port.isdecimal():
        raise CommandError(f"--bind takes HOST:PORT, not {bind}")
    try:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, int(port)))
    except (OSError, OverflowError) as error:
        raise CommandError(f"cannot listen on {bind}: {error}") from error


def _find_heartbeat_folder() -> str:
    """Return the folder where gunicorn's workers show that they live: one in memory if the machine has it."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else str(settings.VAR_DIR)  # noqa: S108
