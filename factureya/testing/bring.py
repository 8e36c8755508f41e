"""A mail server's process for tests: brings the mail of stdin TIMES times from each of THREADS threads at once.

`python -m factureya.testing.bring THREADS TIMES`; prints the dispositions as one JSON list.
"""

import json
import os
import sys
import threading

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "factureya.settings")
django.setup()

from django.db import connection  # noqa: E402

from factureya.core.mail import intake  # noqa: E402


def bring(threads: int, times: int) -> list[str]:
    """What became of each delivery."""
    raw, said = sys.stdin.buffer.read(), []
    barrier = threading.Barrier(threads)

    def work() -> None:
        barrier.wait(timeout=30)
        try:
            said.extend(intake.receive(raw, source="pipe").disposition for _ in range(times))
        finally:
            connection.close()

    running = [threading.Thread(target=work) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join(timeout=120)
    return said


if __name__ == "__main__":
    sys.stdout.write(json.dumps(bring(int(sys.argv[1]), int(sys.argv[2]))))
