"""Processes that take mail and may be killed; `python -m factureya.testing.victim` loads the program once for all.

For each line of JSON on its input it forks one that runs the real command: `command` are its arguments, `port` that of
its database, `mail` a FIFO that is its standard input, `listen` the listener's port. It prints the pid at once, and
the exit code when the process has ended (-9: killed).
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import django

from factureya import pipe

if __name__ == "__main__":
    os.environ.update({"DJANGO_SETTINGS_MODULE": "factureya.settings"} | pipe.LEAN)
    django.setup()

from celery import current_app
from django.conf import settings
from django.core.management import execute_from_command_line
from django.core.validators import validate_email
from django.db import connection
from django.template import engines
from django.utils.module_loading import import_string

from factureya.core.mail import parse, smtp
from factureya.testing.mails import SUPPORT, mail
from factureya.testing.pg_relay import PLAIN


def warm() -> None:
    """Load what each process would load at its first mail; no connection is opened before a fork."""
    import_string(settings.MAIL_ROUTES[SUPPORT][0])
    parse.parse(mail())
    validate_email(SUPPORT)
    engines["mail"].get_template("tickets/opened.txt")
    smtp.parse_listen_address(settings.MAIL_IN_LISTEN)
    with current_app.connection_for_write() as link:
        link.SimpleQueue("warm").clear()


def serve() -> None:
    """Fork for every line until there is no more."""
    for line in sys.stdin:
        given = json.loads(line)
        if (pid := os.fork()) == 0:
            os._exit(live(given))
        say(pid)
        say(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def say(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


def live(given: dict[str, Any]) -> int:
    """Run one process, as `manage.py` does; return its exit code."""
    connection.settings_dict.update(HOST="127.0.0.1", PORT=given["port"], OPTIONS=PLAIN)
    argv = ["manage.py", *given["command"]]
    if argv[1] == pipe.COMMAND:
        with Path(given["mail"]).open() as sys.stdin:
            return pipe.main(argv)
    settings.MAIL_IN_LISTEN = f"127.0.0.1:{given['listen']}"
    execute_from_command_line(argv)
    return 0


if __name__ == "__main__":
    warm()
    serve()
