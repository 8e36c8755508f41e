#!/usr/bin/env python
"""Run one of Django's commands or ours."""

import gc
import importlib
import os
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType


def load_pipe() -> ModuleType:
    """Load factureya/pipe.py alone. Its package loads Celery, and mail must not bounce if Celery is broken."""
    spec = spec_from_file_location("pipe", Path(__file__).resolve().parent / "factureya" / "pipe.py")
    assert spec
    assert spec.loader
    pipe = module_from_spec(spec)
    spec.loader.exec_module(pipe)
    return pipe


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "factureya.settings")
    pipe = load_pipe()
    if pipe.LEAN_COMMANDS & set(sys.argv[1:2]):
        os.environ.update(pipe.LEAN)
    if sys.argv[1:2] == [pipe.COMMAND]:
        gc.disable()  # one mail, then the process ends: looking for garbage costs it a sixth
        sys.exit(pipe.run(sys.argv))
    # Not at the top: a mail must not be returned because Django cannot be loaded while it is upgraded.
    importlib.import_module("django.core.management").execute_from_command_line(sys.argv)
