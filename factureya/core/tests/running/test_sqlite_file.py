"""Many processes on one SQLite file, a connection per request: none loses sight of the others.

With `mmap_size` SQLite 3.40 unlinks the -wal and -shm of a database that another process has open: that process reads
`disk I/O error` from then on, until it ends.
"""

import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
from django.conf import settings

PROCESSES, THREADS, ROUNDS = 3, 4, 300
VISITOR = f"""
import random, sqlite3, sys, threading, time
path, init = sys.argv[1:]
failures = []

def visit():
    for _ in range({ROUNDS}):
        try:
            link = sqlite3.connect(path, timeout=60, isolation_level=None)
            for pragma in filter(None, init.split(";")):
                link.execute(pragma)
            link.execute("SELECT count(*) FROM visit").fetchone()
            link.execute("BEGIN IMMEDIATE")
            link.execute("INSERT INTO visit (words) VALUES (?)", ("x" * random.randrange(3000),))
            link.execute("COMMIT")
            link.close()
        except sqlite3.Error as failure:
            failures.append(f"{{failure}} {{failure.sqlite_errorname}}")
            return
        time.sleep(random.random() * 0.02)

threads = [threading.Thread(target=visit) for _ in range({THREADS})]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
sys.stderr.write("; ".join(failures))
"""


@pytest.mark.failure
@pytest.mark.once
@pytest.mark.clause("M6", "M10")
def test_connections_that_come_and_go_in_many_processes_read_what_others_wrote(tmp_path):
    init = settings.DATABASES["default"]["OPTIONS"]["init_command"]
    path = str(tmp_path / "db.sqlite3")
    with closing(sqlite3.connect(path)) as link:
        link.executescript(init)
        link.execute("CREATE TABLE visit (id integer PRIMARY KEY, words text)")
    visitors = [
        subprocess.Popen([sys.executable, "-c", VISITOR, path, init], stderr=subprocess.PIPE, text=True)
        for _ in range(PROCESSES)
    ]
    assert [visitor.communicate(timeout=120)[1] for visitor in visitors] == [""] * PROCESSES
    with closing(sqlite3.connect(path)) as link:
        assert link.execute("SELECT count(*) FROM visit").fetchone() == (PROCESSES * THREADS * ROUNDS,)
        assert link.execute("PRAGMA integrity_check").fetchone() == ("ok",)
