"""Run `manage.py receive_email` for a mail server's pipe: it ends with 0 or 75, and tells the sender nothing of ours.

With 75 (EX_TEMPFAIL) the mail server keeps the mail and tries again; any other code returns the mail to its sender, and
no wrong setting of ours may do that. What a pipe prints goes into the reports that senders get, so all of it goes to
the system's log instead. It uses the standard library only and is loaded without the package, which loads Celery: a
broken installation returns no mail.
"""

import importlib
import os
import sys
import syslog

EX_TEMPFAIL = 75
COMMAND = "receive_email"
# Commands that take mail and show no page: they load no admin, and their threads keep a connection each.
LEAN_COMMANDS = {COMMAND, "receive_smtp"}
LEAN = {"PAGES": "off", "DATABASE_POOL": "off"}
HELP = {"--help", "-h", "--version"}
MAX_LOGGED = 100_000  # bytes


def run(arguments: list[str]) -> int:
    """Run `manage.py receive_email`, write its output to the system's log, and return its exit code (M6).

    The mail server may show what it reads to the sender of the mail. So after a failure it reads one fixed line. The
    standard output goes to the log too, unless an answer was asked for: --json or the help.
    """
    mail_server = os.dup(2)  # the standard error, which the mail server reads
    output = os.memfd_create(COMMAND) if hasattr(os, "memfd_create") else os.open(os.devnull, os.O_RDWR)
    wants_answer = bool((HELP | {"--json"}) & set(arguments))
    for stream in (2,) if wants_answer else (1, 2):  # 1: standard output, 2: standard error
        os.dup2(output, stream)  # never undone: Python may print until the process ends
    code = main(arguments)
    sys.stderr.flush()
    _log(os.pread(output, MAX_LOGGED, 0).decode(errors="replace"), code)
    if code:
        os.write(mail_server, f"{COMMAND}: try again later\n".encode())
    return code


def main(arguments: list[str]) -> int:
    """Run a Django command; return 0, or for any failure EX_TEMPFAIL, so that the mail server tries again later."""
    try:
        importlib.import_module("django.core.management").execute_from_command_line(arguments)
    except SystemExit as end:
        # A mail address like -h@… also makes argparse print the help and end with 0: no mail was read, so it failed.
        return 0 if end.code in {0, None} and HELP & set(arguments) else EX_TEMPFAIL
    except BaseException as error:
        sys.stderr.write(" ".join(f"{COMMAND}: {type(error).__name__}: {error}".split())[:500] + "\n")
        return EX_TEMPFAIL
    return 0


def _log(text: str, code: int) -> None:
    """Write the output of a command to the system's log of mail, line by line, as errors if its exit code is not 0."""
    syslog.openlog("factureya", syslog.LOG_PID, syslog.LOG_MAIL)
    for line in text.splitlines():
        syslog.syslog(syslog.LOG_ERR if code else syslog.LOG_INFO, line)
