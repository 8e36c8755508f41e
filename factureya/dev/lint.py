"""Run `make check`: lint, types, contracts, templates, migrations and the deploy check; each failure is shown."""

import os
import secrets
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from factureya.dev import environment

LONGEST_TEMPLATE_LINE = 160
BIN = Path(sys.executable).parent
ROOT = Path(__file__).resolve().parents[2]
MANAGE = [sys.executable, "manage.py"]
DEPLOYED = {"HTTPS": "on", "STAFF_MFA_REQUIRED": "on", "SECRET_KEY": secrets.token_urlsafe(50)}


def checks() -> dict[str, list[str]]:
    """Return every check by name, the slowest first."""
    templates = [str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("templates/**/*.html"))]
    return {
        "types": [str(BIN / "mypy")],
        "deploy check": [*MANAGE, "check", "--deploy", "--fail-level", "WARNING"],
        "migrations": [*MANAGE, "makemigrations", "--check", "--dry-run"],
        "templates": [str(BIN / "djlint"), *"--lint --quiet --configuration .djlintrc templates".split()],
        "template lines": [sys.executable, "-m", "factureya.dev.lint", "lines"],
        "template format": [str(BIN / "djade"), "--target-version", "5.2", "--check", *templates],
        "guards": [*MANAGE, "check", "--database", "default", "--fail-level", "WARNING"],
        "manual": [*MANAGE, "manual", "--check"],
        "contracts": [str(BIN / "lint-imports"), "--config", ".importlinter"],
        "lint": [str(BIN / "ruff"), "check", "."],
        "format": [str(BIN / "ruff"), "format", "--check", "."],
    }


def main() -> int:
    """Run the checks two at a time; return 0 when all passed."""
    with ThreadPoolExecutor(2) as pool:
        return max(pool.map(run, checks().items()))


def run(check: tuple[str, list[str]]) -> int:
    """Run one check and print how it went, with its output only when it failed; return its exit code."""
    name, argv = check
    begin = time.monotonic()
    if name == "guards" and not (ROOT / ".env").exists():
        print(f"{name:<16} left out: no .env, so no database of a developer's")
        return 0
    variables = dict(environment.OUTSIDE if name == "guards" else os.environ)
    if name == "deploy check":
        variables |= DEPLOYED
        del variables["DJANGO_ALLOW_ASYNC_UNSAFE"]  # which browser tests need
    done = subprocess.run(
        argv, cwd=ROOT, env=variables, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    verdict = f"{name:<16} {'ok' if done.returncode == 0 else 'FAILED'} ({time.monotonic() - begin:.0f} s)"
    print(verdict if done.returncode == 0 else f"{verdict}\n{done.stdout}{done.stderr}", flush=True)
    return int(done.returncode != 0)


def long_template_lines() -> list[str]:
    """Return path, number and length of each line of a template that is longer than LONGEST_TEMPLATE_LINE."""
    return [
        f"{path.relative_to(ROOT)}:{number}: {len(line)} characters"
        for path in sorted(path for path in ROOT.glob("templates/**/*") if path.is_file())
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if len(line) > LONGEST_TEMPLATE_LINE
    ]


if __name__ == "__main__":
    if sys.argv[1:] == ["lines"]:
        sys.exit("\n".join(long_template_lines()) or 0)
    assert environment.VAR_DIR  # importing it took `.env` and `var/` out of the environment
    sys.exit(main())
