"""The image of production ships no tests, bench, test help or tooling, and works without them."""

import os
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest
from django.conf import settings

pytestmark = pytest.mark.once

ROOT = Path(settings.BASE_DIR)
LEFT_OUT = [line for line in (ROOT / ".dockerignore").read_text().split("\n") if line and not line.startswith("#")]


def left_out(folder: str, names: list[str]) -> set[str]:
    """Return the names of this folder that `.dockerignore` leaves out of the image."""
    paths = {name: str((Path(folder) / name).relative_to(ROOT)) for name in names}
    return {
        name
        for name, path in paths.items()
        for pattern in LEFT_OUT
        if fnmatch(name if pattern.startswith("**/") else path, pattern.removeprefix("**/"))
    }


@pytest.fixture(scope="module")
def image(tmp_path_factory) -> Path:
    """Return a folder with the files that `COPY . .` of the Dockerfile copies."""
    return Path(shutil.copytree(ROOT, tmp_path_factory.mktemp("image") / "app", ignore=left_out))


def run(image: Path, *arguments: str) -> str:
    """Run manage.py in the image as production does; return what it prints."""
    names = ("PATH", "LANG", "HOME")
    variables = {name: os.environ[name] for name in names if name in os.environ}
    variables |= {"ENV_FILE": "", "SECRET_KEY": "x" * 50, "VAR_DIR": str(image.parent / "var")}
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments], cwd=image, env=variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_image_ships_the_product_and_the_demo_alone(image: Path):
    rooms = {path.name for path in (image / "factureya").iterdir() if path.is_dir()} - {"__pycache__"}
    assert rooms == {"core", "portal", "oversight", "demo"}
    assert not [*image.rglob("tests"), *image.rglob("test_*.py"), *image.rglob("conftest.py")]
    assert not {"docs", "pytest.ini", ".ci", ".git", ".env", "var"} & {path.name for path in image.iterdir()}


def test_the_product_works_without_what_the_image_leaves_out(image: Path):
    assert "no issues" in run(image, "check")
    run(image, "migrate", "--verbosity", "0")
    assert "no issues" in run(image, "check", "--database", "default")
    assert "bench" not in run(image, "help", "--commands").split()
