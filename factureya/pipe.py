"""`manage.py receive_email` for a mail server's pipe: whatever happens, it ends with 0 or 75 and no traceback.

Sendmail's and Postfix's word for «keep it and try again» is 75 (EX_TEMPFAIL); any other code returns the mail to its
sender, and a wrong setting must not do that. Standard library alone until Django is loaded inside the guard.
"""

import sys

from django.core.management import execute_from_command_line

EX_TEMPFAIL = 75
COMMAND = "receive_email"
# Commands that take mail and show no page: they load no admin, and their threads keep a connection each.
LEAN_COMMANDS = {COMMAND, "receive_smtp"}
LEAN = {"PAGES": "off", "DATABASE_POOL": "off"}


def main(arguments: list[str]) -> int:
    """Run the command; its exit code."""
    try:
        execute_from_command_line(arguments)
    except SystemExit as end:
        return 0 if end.code in {0, None} else EX_TEMPFAIL
    except BaseException as error:
        return refuse(error)
    return 0


def refuse(error: BaseException) -> int:
    """Say in one line, for the mail server's log, why the mail must come again."""
    said = " ".join(f"{type(error).__name__}: {error}".split())
    sys.stderr.write(f"{COMMAND}: {said[:500]}\n")
    return EX_TEMPFAIL
