"""Keep processes running: start each, restart what dies, stop all of them on TERM or INT with exit 0.

It needs the standard library only and is run by its path (`manage.py up` replaces itself with it), so that it takes
little memory. Its input is one JSON list of {name, argv, after}.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from types import FrameType
from typing import IO

STABLE_SECONDS = 30.0  # seconds a child must live for its next start to come after 1 s
MAX_BACKOFF = 30.0  # seconds
GRACE = 20.0  # seconds between TERM and KILL
LOOK_SECONDS = 0.2  # seconds between two looks at the children


@dataclass
class Child:
    """Run one process in a session of its own, so that its whole group can be ended; start it after `after` seconds."""

    name: str
    argv: list[str]
    after: float = 0.0
    process: subprocess.Popen[str] | None = None
    started_at: float = 0.0
    due_at: float = 0.0
    backoff: float = 0.5

    def keep_running(self, now: float) -> None:
        """Start this child process if that is due, or plan its next start if it died.

        The next start comes 1 s later. For a child that dies within STABLE_SECONDS of each start the wait doubles each
        time, up to MAX_BACKOFF.
        """
        if self.process is None:
            if now >= self.due_at:
                self.start(now)
        elif (exit_code := self.process.poll()) is not None:
            self.kill()  # ends the processes that it left in its group
            was_stable = now - self.started_at >= STABLE_SECONDS
            self.backoff = 1.0 if was_stable else min(self.backoff * 2, MAX_BACKOFF)
            self.process, self.due_at = None, now + self.backoff
            say(self.name, f"ended with {exit_code}; again in {self.backoff:.0f} s")

    def start(self, now: float) -> None:
        """Start this child process, and a thread that copies each line that it prints into our log."""
        self.process = subprocess.Popen(
            self.argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self.started_at = now
        threading.Thread(target=_copy_output, args=(self.name, self.process.stdout), daemon=True).start()
        say(self.name, f"started, pid {self.process.pid}")

    def kill(self) -> None:
        """End every process that is left in the group of this child, with KILL."""
        if self.process:
            with suppress(ProcessLookupError):  # nothing is left
                os.killpg(self.process.pid, signal.SIGKILL)


class Supervisor:
    """Run the children until TERM or INT."""

    def __init__(self, children: list[Child]) -> None:
        self.children = children
        # A plain flag: an Event's lock, taken by the handler while the loop holds it, would never be given back.
        self._stopping = False

    def run(self) -> None:
        """Start the child processes and restart those that die; after TERM or INT end all of them and return."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        begin = time.monotonic()
        for child in self.children:
            child.due_at = begin + child.after
        while not self._stopping:
            for child in self.children:
                child.keep_running(time.monotonic())
            time.sleep(LOOK_SECONDS)
        self._end_children()

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        """Remember that TERM or INT came."""
        self._stopping = True

    def _end_children(self) -> None:
        """Ask all child processes to end, wait at most GRACE seconds in all, and kill what is left."""
        for child in self.children:
            if child.process and child.process.poll() is None:
                child.process.terminate()  # each child ends its own children
        deadline = time.monotonic() + GRACE
        for child in self.children:
            if child.process is None:
                continue
            try:
                exit_code = child.process.wait(max(0.0, deadline - time.monotonic()))
                say(child.name, f"stopped ({exit_code})")
            except subprocess.TimeoutExpired:
                say(child.name, f"did not stop in {GRACE:.0f} s: killed")
            child.kill()


def say(name: str, text: str) -> None:
    """Write one line of the log with the child's name in front; if nobody reads the log any more, drop the line."""
    with suppress(OSError):
        sys.stdout.write(f"{name:<6} | {text}\n")
        sys.stdout.flush()


def _copy_output(name: str, stream: IO[str]) -> None:
    """Copy each line that a child process prints into our log, until its output ends."""
    with stream:
        for line in stream:
            say(name, line.rstrip("\n"))


if __name__ == "__main__":
    Supervisor([Child(**child) for child in json.loads(sys.argv[1])]).run()
