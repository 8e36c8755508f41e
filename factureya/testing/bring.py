"""A mail server's process for tests: brings the mail of stdin TIMES times from each of THREADS threads at once.

`python -m factureya.testing.bring THREADS TIMES`; prints the dispositions as one JSON list.
"""

import json
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "factureya.settings")
django.setup()

from django.db import connection  # noqa: E402

from factureya.core.mail import intake  # noqa: E402


def bring(threads: int, times: int) -> list[str]:
    """Bring the mail of stdin from all threads, and return what became of each delivery."""
    raw = sys.stdin.buffer.read()
    barrier = threading.Barrier(threads)

    def work(_number: int) -> list[str]:
        barrier.wait(timeout=30)
        try:
            return [intake.receive(raw, source="pipe").disposition for _ in range(times)]
        finally:
            connection.close()

    with ThreadPoolExecutor(threads) as pool:
        return [disposition for said in pool.map(work, range(threads), timeout=120) for disposition in said]


if __name__ == "__main__":
    sys.stdout.write(json.dumps(bring(int(sys.argv[1]), int(sys.argv[2]))))
