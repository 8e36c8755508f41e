"""The bench itself runs: a small round on SQLite, in scratch databases of its own."""

import subprocess
import sys

import pytest
from django.conf import settings

pytestmark = pytest.mark.once


def test_a_small_round_prints_every_table():
    small = (
        "--only pages requests mail audit --sizes 60 --requests 2 --engines sqlite --rounds 1 --no-peer "
        "--mail-rounds 1 --mail-batch 20"
    )
    argv = [sys.executable, "manage.py", "bench", *small.split()]
    done = subprocess.run(argv, cwd=settings.BASE_DIR, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "| SQLite | 60 |" in done.stdout
    assert "## The closing sweep (M15)" in done.stdout
    for page in ("submit", "approve", "execute", "approval page", "inbox"):
        assert f"| SQLite | {page} |" in done.stdout
    for what in ("bare insert", "one subject", "verify"):
        assert f"| SQLite | {what} |" in done.stdout
    assert "**The peer was left out**: not wanted" in done.stdout
