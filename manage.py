#!/usr/bin/env python
"""Django's command-line entry point."""

import gc
import importlib
import os
import sys

import mail_pipe

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "factureya.settings")
    if mail_pipe.LEAN_COMMANDS & set(sys.argv[1:2]):
        os.environ.update(mail_pipe.LEAN)
    if sys.argv[1:2] == [mail_pipe.COMMAND]:
        gc.disable()  # one mail, then the process ends: looking for garbage costs it a sixth
        sys.exit(mail_pipe.run(sys.argv))
    # Not at the top: a mail must not be returned because Django cannot be loaded while it is being upgraded.
    importlib.import_module("django.core.management").execute_from_command_line(sys.argv)
