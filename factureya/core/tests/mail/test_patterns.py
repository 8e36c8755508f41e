"""No regular expression of the product takes time that grows with the square of what it is given (A1, M6).

Every pattern is found by walking the modules, so a new one is covered without a list. Each is fed 400,000 characters
of every sign that occurs in it, and combinations of them, in the ways in which the product calls it.
"""

import ast
import importlib
import pkgutil
import re
from collections import deque
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path
from re import _parser as parser  # type: ignore[attr-defined]  # what a pattern consists of, as the library reads it
from time import process_time
from typing import Any

import pytest

import accounts
import change_requests
import factureya
import tickets

pytestmark = [pytest.mark.once, pytest.mark.clause("M6")]
LENGTH = 400_000
MAX_SECONDS = 0.5  # of one call; a pattern that is linear takes a tenth of it
SHORTER = 40_000  # characters, of the many combinations; the square of it takes a second
MAX_SECONDS_SHORTER = 0.5
METHODS = ("match", "fullmatch", "search", "sub", "findall", "finditer", "split")
NOT_OURS = (
    ".tests",
    ".migrations",
    ".demo",
    ".bench",
    "factureya.testing",
    "factureya.dev",
    ".management.commands.bench",
    ".management.commands.manual",
)
ROOT = Path(__file__).resolve().parents[3]


def modules() -> Iterator[Any]:
    """Every module of the product; what only tests, the demo and measurements use meets nothing from outside."""
    for package in (accounts, change_requests, factureya, tickets):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            is_left_out = any(part in f"{found.name}." for part in (f"{name}." for name in NOT_OURS))
            if not is_left_out and not found.name.endswith((".wsgi", ".bootstrap")):
                yield importlib.import_module(found.name)


def patterns_in(value: Any) -> Iterator[re.Pattern[Any]]:
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, dict):
        yield from (pattern for inner in value.values() for pattern in patterns_in(inner))
    elif isinstance(value, (list, tuple)):
        yield from (pattern for inner in value for pattern in patterns_in(inner))


def calls(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """(name, method) of each call on a name, as in `FORWARD.match(…)` and `CLOSING[name].search(…)`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in METHODS:
            target = node.value.value if isinstance(node.value, ast.Subscript) else node.value
            if isinstance(target, ast.Name):
                yield target.id, node.attr


def literals(tree: ast.AST) -> Iterator[tuple[re.Pattern[Any], str]]:
    """Each `re.sub("…", …)` with the pattern written in the call."""
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
            continue
        is_re = isinstance(node.func.value, ast.Name) and node.func.value.id == "re"
        if is_re and node.func.attr in METHODS and isinstance(node.args[0], ast.Constant):
            flags = re.IGNORECASE if "IGNORECASE" in ast.dump(node) else 0
            yield re.compile(node.args[0].value, flags), node.func.attr


def found() -> dict[str, tuple[re.Pattern[Any], set[str]]]:
    """Every pattern of the product by where it stands, and how it is called; the careful guess is `search`."""
    every: dict[str, tuple[re.Pattern[Any], set[str]]] = {}
    for module in modules():
        tree = ast.parse(Path(str(module.__file__)).read_text())
        called: dict[str, set[str]] = {}
        for name, method in calls(tree):
            called.setdefault(name, set()).add(method)
        for name, value in vars(module).items():
            for number, pattern in enumerate(patterns_in(value)):
                key = f"{module.__name__}.{name}.{number}"
                every[key] = (pattern, called.get(name, {"search"}))
        for number, (pattern, method) in enumerate(literals(tree)):
            every[f"{module.__name__}.{number}"] = (pattern, {method})
    return every


PATTERNS = found()


def signs(parsed: Any) -> Iterator[str]:
    """The characters that stand in a pattern, and one of each class of them."""
    for item in parsed:
        if isinstance(item, parser.SubPattern | list):
            yield from signs(item)
        elif isinstance(item, tuple):
            yield from signs_of(*item) if hasattr(item[0], "name") else signs(item)


def signs_of(kind: Any, value: Any) -> Iterator[str]:
    """The characters of one element of a parsed pattern."""
    if kind.name in {"LITERAL", "NOT_LITERAL"}:
        yield chr(value)
    elif kind.name == "RANGE":
        yield from map(chr, value)
    elif kind.name == "CATEGORY":
        yield {"SPACE": " ", "DIGIT": "1", "WORD": "a"}[str(value).rpartition("_")[2]]
    elif kind.name == "ANY":
        yield "x"
    elif isinstance(value, parser.SubPattern | list | tuple):
        yield from signs(value)


def text_of(pattern: re.Pattern[Any]) -> str:
    written = pattern.pattern
    return written if isinstance(written, str) else written.decode("latin-1")


def all_signs(pattern: re.Pattern[Any]) -> list[str]:
    flags = pattern.flags & ~re.UNICODE if isinstance(pattern.pattern, bytes) else pattern.flags
    return list(dict.fromkeys(signs(parser.parse(text_of(pattern), flags))))


def hostile(pattern: re.Pattern[Any]) -> Iterator[tuple[str, float]]:
    """Long texts and the seconds they may take: each sign alone, each two, and each behind a beginning.

    With an end that fits nothing, because only a refusal makes a pattern go back and try again.
    """
    every = all_signs(pattern)
    for sign in every:  # first, so that a bad one is found out before the longer text takes hours
        yield sign * SHORTER + "\0", MAX_SECONDS_SHORTER
    for sign in every:
        yield sign * LENGTH, MAX_SECONDS
        yield sign * LENGTH + "\0", MAX_SECONDS
    special = [sign for sign in every if not sign.isalnum()][:9] + [s for s in every if s.isalnum()][:3]
    for two in permutations(dict.fromkeys([*special, " ", "x"]), 2):
        yield "".join(two) * (SHORTER // 2) + "\0", MAX_SECONDS_SHORTER
    beginnings = re.findall(r"[a-záéíóúñ]{2,}", text_of(pattern).replace("\\", " "))[:6]
    for start in dict.fromkeys([*beginnings, "=?a?q?", "El 5 de a <a@"]):
        yield f"{start} " * (SHORTER // (len(start) + 1)), MAX_SECONDS_SHORTER
        for sign in dict.fromkeys([*special, " "]):
            yield start + sign * SHORTER + "\0", MAX_SECONDS_SHORTER


def run(pattern: re.Pattern[Any], method: str, text: str) -> None:
    given: Any = text if isinstance(pattern.pattern, str) else text.encode("utf-8", "replace")
    call = getattr(pattern, method)
    if method == "sub":
        call("" if isinstance(given, str) else b"", given)
    elif method == "finditer":
        deque(call(given), maxlen=0)  # kept, they would make Python collect the garbage of the whole suite
    else:
        call(given)


def seconds(pattern: re.Pattern[Any], method: str, text: str) -> float:
    begin = process_time()
    run(pattern, method, text)
    return process_time() - begin


@pytest.mark.parametrize("name", PATTERNS)
def test_a1_every_pattern_is_linear(name: str):
    pattern, methods = PATTERNS[name]
    for text, most in hostile(pattern):
        for method in methods:
            spent = seconds(pattern, method, text)
            assert spent < most, (name, method, text[:40], spent)


@pytest.mark.parametrize(
    "bad",
    [
        r"^[\s*_-]*-{2,}\s*(?:mensaje original)\s*-{2,}$",
        r".{4,300}<[^\s<>]+@[^\s<>]+>\s*:$",
        r"^\s*(?:re\s*(?:\[\d+\])?\s*:\s*)+",
    ],
)
def test_what_it_feeds_finds_a_pattern_out_that_is_not_linear(bad: str):
    """Three that the product had; fed what is shorter, because the longer would take hours."""
    pattern = re.compile(bad)
    shorter = (text for text, most in hostile(pattern) if most == MAX_SECONDS_SHORTER)
    assert any(seconds(pattern, "match", text) > MAX_SECONDS_SHORTER for text in shorter)


def test_the_walk_finds_them():
    assert len(PATTERNS) > 50
    for name in (
        "factureya.core.mail.replies.SAID.0",
        "tickets.threads._REPLY_PREFIXES.0",
        "factureya.core.mail.html_text.TAG.0",
    ):
        assert name in PATTERNS
