"""What a process costs, measured from outside."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# A process's peak begins with that of the one that started it: pytest's own must not count.
MEASURE = """
import os, subprocess, sys
process = subprocess.Popen(sys.argv[1:])
_, status, used = os.wait4(process.pid, 0)
print(os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)
"""


@dataclass(frozen=True)
class Cost:
    """Hold seconds of processor, which a busy machine does not change, megabytes at the most, and what was printed."""

    seconds: float
    megabytes: float
    said: str


def cost(*arguments: str, raw: bytes, env: dict[str, str] | None = None) -> Cost:
    """Run a Python process with `raw` on its standard input; it must end with 0."""
    done = subprocess.run(
        [sys.executable, "-S", "-c", MEASURE, sys.executable, *arguments],
        input=raw,
        env=env,
        capture_output=True,
        timeout=60,
        check=True,
        cwd=ROOT,
    )
    *said, measured = done.stdout.decode().splitlines()
    code, seconds, megabytes = measured.split()
    assert code == "0", done.stderr
    return Cost(float(seconds), float(megabytes), " ".join(said))
