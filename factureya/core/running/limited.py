"""Run a script of ours on bytes from outside in a process with limits: no network, no other process, no file written.

A parser fed by strangers may loop, grow or be taken over; then only this process is. It is two things in one file: what
the caller imports, and the program of the child, which needs the standard library only and is run by its path.
"""

import os
import resource
import runpy
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_FORBIDDEN_EVENTS = ("socket.", "subprocess.", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "os.system")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
# How a process ends that is not to blame: it lacked one of our modules or files (EX_TEMPFAIL of sysexits.h), or another
# process ended it, as a deploy does, or a system that is short of memory.
_LACKED_MODULE = 75
_ENDED_FROM_OUTSIDE = (-signal.SIGINT, -signal.SIGTERM, -signal.SIGKILL)


class Stopped(Exception):
    """Report that a process with limits gave no answer: its own limit or error ended it, and would end it again."""


class NotRun(Exception):
    """Report that a process with limits gave no answer now: the machine is to blame, so another try may succeed."""


@dataclass(frozen=True)
class Limits:
    """Hold what a process may take: bytes of memory, seconds of processor time, and seconds from start to end."""

    max_memory: int
    processor_seconds: int
    total_seconds: float


def run_limited(script: Path, content: bytes, *arguments: str, limits: Limits) -> bytes:
    """Run a Python script in a process with limits, with `content` as its input, and return what it printed.

    The script sees the installed packages and the files beside it, but no other module of ours and not our environment.
    Raises Stopped if it failed or took more memory or processor time than it may. Raises NotRun if it did not start,
    lacked a module, was ended by another process, or had no answer after `total_seconds`, as on a busy machine.
    """
    # -I: no environment, no folder of ours in the path. -B: no .pyc files.
    numbers = (str(limits.max_memory), str(limits.processor_seconds))
    command = [sys.executable, "-I", "-B", __file__, *numbers, str(script), *arguments]
    try:
        done = subprocess.run(
            command, input=content, capture_output=True, timeout=limits.total_seconds, check=False, env={}
        )
    except (subprocess.TimeoutExpired, OSError) as error:
        raise NotRun(type(error).__name__) from error
    if done.returncode in (_LACKED_MODULE, *_ENDED_FROM_OUTSIDE):
        raise NotRun(f"it ended with {done.returncode}")
    if done.returncode:
        raise Stopped(f"it ended with {done.returncode}")
    return done.stdout


def _run_script(max_memory: int, processor_seconds: int, script: str, arguments: Sequence[str]) -> None:
    """Set the limits of this process, and then run the script in it with these arguments."""
    _set_limits(max_memory, processor_seconds)
    sys.addaudithook(_refuse_event)
    sys.argv = [script, *arguments]
    sys.path.insert(0, str(Path(script).parent))
    try:
        runpy.run_path(script, run_name="__main__")
    except (ImportError, FileNotFoundError) as error:
        sys.stderr.write(str(error))
        sys.exit(_LACKED_MODULE)


def _set_limits(max_memory: int, processor_seconds: int) -> None:
    """Limit the memory and processor time of this process until its end, and let it write no files."""
    for limit, maximum, hard_maximum in (
        (resource.RLIMIT_AS, max_memory, max_memory),
        # A second more: so SIGXCPU ends it, and SIGKILL always comes from another process.
        (resource.RLIMIT_CPU, processor_seconds, processor_seconds + 1),
        (resource.RLIMIT_FSIZE, 0, 0),
        (resource.RLIMIT_CORE, 0, 0),
    ):
        with suppress(ValueError, OSError):  # a lower limit is set already, or the system (macOS) lacks it
            resource.setrlimit(limit, (maximum, hard_maximum))


def _refuse_event(event: str, arguments: tuple[Any, ...]) -> None:
    """Raise PermissionError when Python is about to use the network, start a process or open a file to write it."""
    if event.startswith(_FORBIDDEN_EVENTS) or (event == "open" and (arguments[2] or 0) & _WRITING):  # [2]: its flags
        raise PermissionError(event)


if __name__ == "__main__":
    _run_script(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:])
