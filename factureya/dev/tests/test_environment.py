"""What the environment promises: no key no start, every variable explained, the `.env` of `make run`."""

import os
import re
import stat
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from django.conf import settings

from factureya import bootstrap

ROOT = Path(settings.BASE_DIR)
VARIABLE = re.compile(r"#?([A-Z_]+)=")
EXAMPLE = (ROOT / ".env.example").read_text()


def start(tmp_path: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Load the settings in a process of their own with nothing but these variables."""
    return subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "ENV_FILE": "", "VAR_DIR": str(tmp_path), **variables},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.once
def test_no_key_no_start(tmp_path):
    refused = start(tmp_path)
    assert refused.returncode != 0
    assert "SECRET_KEY" in refused.stderr
    assert start(tmp_path, SECRET_KEY="x" * 50).returncode == 0


@pytest.mark.once
def test_a_copy_of_the_example_starts_once_it_has_a_key(tmp_path):
    copy = tmp_path / ".env"
    copy.write_text(EXAMPLE.replace("SECRET_KEY=\n", f"SECRET_KEY={'x' * 50}\n", 1))
    started = start(tmp_path, ENV_FILE=str(copy))
    assert started.returncode == 0, started.stderr


@pytest.mark.once
@pytest.mark.parametrize("pool", ["on", "off"])
def test_what_the_address_of_the_database_asks_for_holds(tmp_path, pool):
    """Brother of finding A7: `sslmode=verify-full` was dropped without a word."""
    url = "postgres://u:p@db.example/fy?sslmode=verify-full"
    loaded = subprocess.run(
        [sys.executable, "-c", "from factureya import settings as s; print(s.DATABASES)"],
        cwd=ROOT,
        env={"ENV_FILE": "", "SECRET_KEY": "x" * 50, "DATABASE_URL": url, "DATABASE_POOL": pool},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "'sslmode': 'verify-full'" in loaded.stdout
    assert "'pool'" in loaded.stdout or "'connect_timeout'" in loaded.stdout


def test_every_variable_is_explained():
    source = (ROOT / "factureya/settings.py").read_text()
    read = set(re.findall(r'\benv(?:\.\w+)?\(\s*"([A-Z_]+)"', source))
    named = set()
    for before, line in pairwise(EXAMPLE.splitlines()):
        if variable := VARIABLE.match(line):
            assert before.startswith("# ") or VARIABLE.match(before), line
            named.add(variable[1])
    assert read <= named


@pytest.fixture
def env_file(tmp_path, monkeypatch):
    path = tmp_path / ".env"
    monkeypatch.setattr(bootstrap, "ENV_FILE", path)
    return path


def test_make_run_writes_an_env_for_this_user_alone(env_file, capsys):
    bootstrap.main(8123)
    assert stat.S_IMODE(env_file.stat().st_mode) == 0o600
    values = dict(line.split("=", 1) for line in env_file.read_text().splitlines() if "=" in line)
    assert len(values.pop("SECRET_KEY")) >= 50
    assert len(values.pop("FACTOR_KEYS")) >= 50
    assert values == {
        "DEBUG": "off",
        "HTTPS": "off",
        "STAFF_MFA_REQUIRED": "off",
        "MAIL_IN_REQUIRE_VERDICT": "off",
        "ALLOWED_HOSTS": "localhost,127.0.0.1",
        "SITE_URL": "http://localhost:8123",
        "DEMO": "on",
    }
    assert "SECRET_KEY" in capsys.readouterr().out


def test_an_env_that_is_there_is_kept_and_follows_the_port(env_file):
    bootstrap.main(8000)
    first = env_file.read_text()
    bootstrap.main(8000)
    assert env_file.read_text() == first
    bootstrap.main(9000)
    assert env_file.read_text() == first.replace(":8000", ":9000")
    env_file.write_text("SITE_URL=https://soporte.factureya.com\n")
    bootstrap.main(9000)
    assert env_file.read_text() == "SITE_URL=https://soporte.factureya.com\n"
