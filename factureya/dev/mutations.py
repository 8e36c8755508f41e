"""Change important lines of the code one at a time, and show that a test turns red for each.

`python -m factureya.dev.mutations` reads mutations.toml beside this file. Each entry names a file, an old text that
stands in the file once, a new text that breaks a rule, and the tests that must notice. The change is made in a copy of
the tree, so an interrupted run leaves nothing behind. Arguments are words: only entries whose name has one are run.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

ROOT = Path(__file__).resolve().parents[2]
LIST = Path(__file__).with_suffix(".toml")
COPIES = 2
SECONDS_AT_MOST = 600
PYTEST = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-m", "not browser"]
_FAILED = re.compile(r"^(?:FAILED|ERROR) .*?([\w.]+::.+?)(?: - .*)?$", re.MULTILINE)


@dataclass(frozen=True)
class Mutation:
    """Hold one broken rule: the change of one file, and the tests that must turn red; or why no test can."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    equivalent: str = ""

    def problem(self, root: Path = ROOT) -> str:
        """Return what is wrong with the entry itself, or nothing: its text stands once, its tests exist."""
        path = root / self.file
        count = path.read_text("utf-8").count(self.old) if path.exists() else 0
        if count != 1:
            return f"{self.name}: the old text stands {count} times in {self.file}"
        absent = [test for test in self.tests if not (root / test.partition("::")[0]).exists()]
        return f"{self.name}: there is no {', '.join(absent)}" if absent else ""


def read_list() -> list[Mutation]:
    """Return the entries of mutations.toml."""
    entries = tomllib.loads(LIST.read_text("utf-8"))["mutation"]
    return [Mutation(**{**entry, "tests": tuple(entry["tests"])}) for entry in entries]


def main(words: list[str]) -> int:
    """Run the chosen mutations; return 0 when every one was noticed, or is marked as equivalent and was not."""
    chosen = [m for m in read_list() if not words or any(word in m.name for word in words)]
    if problems := list(filter(None, (mutation.problem() for mutation in chosen))):
        print("\n".join(problems))
        return 1
    with tempfile.TemporaryDirectory(prefix="factureya-mutations-") as folder:
        copies: SimpleQueue[Path] = SimpleQueue()
        for number in range(COPIES):
            copies.put(copy_tree(Path(folder) / str(number)))
        with ThreadPoolExecutor(COPIES) as pool:
            failures = sum(pool.map(lambda mutation: not run_in_turn(mutation, copies), chosen))
    print(f"{len(chosen) - failures} of {len(chosen)} mutations ended as the list says")
    return int(failures > 0)


def copy_tree(target: Path) -> Path:
    """Copy the sources to `target` and return it."""
    ignored = shutil.ignore_patterns(".git", ".venv", ".env", "var", "__pycache__", ".*_cache", "test-results")
    return Path(shutil.copytree(ROOT, target, ignore=ignored))


def run_in_turn(mutation: Mutation, copies: SimpleQueue[Path]) -> bool:
    """Run a mutation in a copy that nobody uses, and print how it went; True when it ended as the list says."""
    copy, begin = copies.get(), time.monotonic()
    try:
        red = find_red_test(mutation, copy)
    finally:
        copies.put(copy)
    is_right = bool(red) != bool(mutation.equivalent)
    verdict = "equivalent" if mutation.equivalent else "killed" if red else "SURVIVED"
    print(f"{verdict:<10} {time.monotonic() - begin:4.0f} s  {mutation.name}  {red}", flush=True)
    return is_right


def find_red_test(mutation: Mutation, copy: Path) -> str:
    """Apply a mutation in this copy, run its tests, take it back; return the first red test, or nothing."""
    path = copy / mutation.file
    text = path.read_text("utf-8")
    path.write_text(text.replace(mutation.old, mutation.new), "utf-8")
    try:
        done = subprocess.run(
            [*PYTEST, *mutation.tests],
            cwd=copy,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},  # no compiled file of the other text is read
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS_AT_MOST,
            check=False,
        )
    finally:
        path.write_text(text, "utf-8")
    if done.returncode not in (0, 1):  # 0 all passed, 1 some failed; else pytest could not run
        raise RuntimeError(f"{mutation.name}: pytest could not run\n{done.stdout}{done.stderr}")
    return (_FAILED.findall(done.stdout) or ["a test"])[0] if done.returncode else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
