#!/usr/bin/env python
"""Django's command-line entry point."""

import gc
import os
import sys

from django.core.management import execute_from_command_line

from factureya import pipe

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "factureya.settings")
    if pipe.LEAN_COMMANDS & set(sys.argv[1:2]):
        os.environ.update(pipe.LEAN)
    if sys.argv[1:2] == [pipe.COMMAND]:
        gc.disable()  # one mail, then the process ends: looking for garbage costs it a sixth
        sys.exit(pipe.main(sys.argv))
    execute_from_command_line(sys.argv)
