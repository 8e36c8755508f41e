"""`manage.py receive_email` for a mail server's pipe: it ends with 0 or 75, and tells the sender nothing of ours.

Sendmail's and Postfix's word for «keep it and try again» is 75 (EX_TEMPFAIL); any other code returns the mail to its
sender, and no setting of ours that is wrong may do that. What a pipe prints goes into the reports that senders get
(`NOTIFY=SUCCESS`, «delayed»), so all of it goes to the system's log instead; a call that can never work is found there.
Standard library alone, and loaded without the package, which loads Celery: a broken installation returns no mail.
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
    """Run the command as the whole of this process, whose output is closed to the mail server; its exit code (M6)."""
    told = os.dup(2)
    said = os.memfd_create(COMMAND) if hasattr(os, "memfd_create") else os.open(os.devnull, os.O_RDWR)
    is_asked = bool((HELP | {"--json"}) & set(arguments))
    for stream in (2,) if is_asked else (1, 2):
        os.dup2(said, stream)  # for good: what Python says while it ends is no one's business either
    code = main(arguments)
    sys.stderr.flush()
    _log(os.pread(said, MAX_LOGGED, 0).decode(errors="replace"), code)
    if code:
        os.write(told, f"{COMMAND}: try again later\n".encode())
    return code


def main(arguments: list[str]) -> int:
    """Run the command; its exit code."""
    try:
        importlib.import_module("django.core.management").execute_from_command_line(arguments)
    except SystemExit as end:
        # To an address like -h@… argparse prints its help, and takes no mail.
        is_asked = bool(HELP & set(arguments))
        return 0 if end.code in {0, None} and is_asked else EX_TEMPFAIL
    except BaseException as error:
        sys.stderr.write(" ".join(f"{COMMAND}: {type(error).__name__}: {error}".split())[:500] + "\n")
        return EX_TEMPFAIL
    return 0


def _log(said: str, code: int) -> None:
    """Write what the command said to the system's log, under the facility of mail."""
    syslog.openlog("factureya", syslog.LOG_PID, syslog.LOG_MAIL)
    for line in said.splitlines():
        syslog.syslog(syslog.LOG_ERR if code else syslog.LOG_INFO, line)
