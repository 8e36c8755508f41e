"""Beat holds no truth: it starts whatever a crash left, and starves no job (finding reports 25; M15)."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.conf import settings

from factureya.celery import app
from factureya.core import clock
from factureya.core.management.commands import up
from factureya.core.running.beat import FreshScheduler

pytestmark = pytest.mark.clause("M15")


def beat_of(folder: Path) -> subprocess.Popen[str]:
    """Beat as `manage.py up` starts it."""
    up_folder, settings.VAR_DIR = settings.VAR_DIR, folder
    try:
        up.make_folders()
        argv = next(child["argv"] for child in up.list_child_processes("127.0.0.1:1") if child["name"] == "beat")
    finally:
        settings.VAR_DIR = up_folder
    return subprocess.Popen(
        argv,
        text=True,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        cwd=settings.BASE_DIR,
        env={**os.environ, "VAR_DIR": str(folder), "CELERY_BROKER_URL": "filesystem://", "LOG_LEVEL": "INFO"},
    )


def is_sent(beat: subprocess.Popen[str], job: str) -> tuple[bool, str]:
    """Whether it sends the job before it ends, and what it said."""
    said = ""
    assert beat.stderr is not None
    for line in beat.stderr:
        said += line
        if f"Sending due task {job} " in line:
            return True, said
    return False, said


@pytest.mark.once
@pytest.mark.parametrize("damage", ["empty", "cut", "garbage", "folder"])
def test_reports_25_beat_starts_whatever_lies_where_its_file_was(tmp_path, damage):
    """An empty, cut or foreign schedule file, or a folder of its name."""
    left = [tmp_path / f"celerybeat-schedule{end}" for end in ("", ".dat", ".dir", ".bak", ".db")]
    for path in left:
        if damage == "folder":
            path.mkdir()
        else:
            content = {"empty": b"", "cut": b"'entries', (0, 51", "garbage": os.urandom(999)}
            path.write_bytes(content[damage])
    beat = beat_of(tmp_path)
    try:
        sent, said = is_sent(beat, "close_unanswered")
    finally:
        beat.terminate()
        beat.communicate(timeout=20)
    assert sent, said


@pytest.mark.once
def test_every_job_is_due_when_beat_starts_and_then_at_its_period():
    """A beat that is started again each few minutes starves no hourly job."""
    scheduler = FreshScheduler(app, lazy=False)
    jobs: dict[str, Any] = scheduler.schedule
    assert set(app.conf.beat_schedule) <= set(jobs)
    assert all(job.is_due().is_due for job in jobs.values())
    sent = {name: next(job) for name, job in jobs.items()}
    assert not any(job.is_due().is_due for job in sent.values())
    with time_machine.travel(clock.now() + timedelta(hours=1, seconds=1)):
        assert sent["purge_orphans"].is_due().is_due


@pytest.mark.once
def test_the_commands_name_no_file_of_beats():
    """None is written, none can be damaged."""
    for name in ("docs/operations.md", "compose.yaml", "factureya/core/management/commands/up.py"):
        assert "--schedule" not in (Path(settings.BASE_DIR) / name).read_text()
    assert [sys.executable, "-m", "celery"] == up.list_child_processes("127.0.0.1:1")[2]["argv"][:3]
