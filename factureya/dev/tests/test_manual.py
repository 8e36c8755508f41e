"""docs/manual.md is read from the sources: what is named where, and nothing that does not exist."""

import json
from pathlib import Path

import pytest
from django.conf import settings as real_settings
from django.core.management import CommandError, call_command

from factureya.dev.management.commands import manual

pytestmark = pytest.mark.once

CODE = '''
# Keep the house (M10).
def close():
    """Close (M12, M15–M16)."""

def _wait():
    """Wait (M14)."""
'''
TESTS = """
import pytest
pytestmark = [pytest.mark.django_db, pytest.mark.clause("M15")]

@pytest.mark.clause("M12", "M16")
def test_one():
    refused_by("status_is_known", "no_such_constraint")

def test_two():
    refused_by("ticket_closed_is_final")

def helper(): ...
"""


@pytest.fixture
def root(tmp_path: Path, settings) -> Path:
    for folder in ("docs", "factureya/oversight", "tickets/operations", "tickets/tests"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "tickets" / "operations" / "house.py").write_text(CODE)
    (tmp_path / "tickets" / "house.py").write_text(CODE)
    (tmp_path / "tickets" / "tests" / "test_house.py").write_text(TESTS)
    settings.BASE_DIR = tmp_path
    return tmp_path


@pytest.mark.parametrize(
    ("text", "clauses"),
    [
        ("(M15)", ["M15"]),
        ("(M12–M14, M26)", ["M12", "M13", "M14", "M26"]),
        ("M1-3", ["M1", "M2", "M3"]),
        ("M150, RM2, 40M3", []),
    ],
)
def test_clauses_in_a_text(text: str, clauses: list[str]):
    assert list(manual.clauses_in(text)) == clauses


def lines_of(clause: str, page: str) -> list[str]:
    """Return the listed lines of one clause."""
    section = page.partition(f"## {clause} ")[2].partition("\n## ")[0]
    return [line for line in section.splitlines() if line.startswith("- ")]


def test_each_clause_lists_its_operations_constraints_and_tests(root: Path):
    page = manual.render(manual.read_clauses(root))
    operation, tests = "- Operations: T.close", "- Tests (2): **T** house 2"
    assert lines_of("M15", page) == [operation, "- Constraints: ticket_closed_is_final, +1", tests]
    assert lines_of("M12", page)[1:] == ["- Constraints: status_is_known", "- Tests (1): **T** house"]
    assert lines_of("M16", page) == [operation, "- Constraints: +1", "- Tests (1): **T** house"]
    assert lines_of("M10", page) == ["- Modules: tickets/house.py", "- Tests (0): none yet"]
    assert lines_of("M14", page) == ["- Modules: tickets/house.py", "- Tests (0): none yet"]
    assert lines_of("M17", page) == ["- Tests (0): none yet"]


def test_the_board_s_file_names_each_test(root: Path):
    tests = json.loads(manual.render_tests(manual.read_clauses(root)))
    assert tests["M15"] == {"tickets/tests/test_house.py": ["test_one", "test_two"]}
    assert tests["M16"] == {"tickets/tests/test_house.py": ["test_one"]}
    assert tests["M33"] == {}


def test_the_files_of_one_folder_stand_together(root: Path):
    (root / "tickets" / "tests" / "test_yard.py").write_text(TESTS)
    (root / "tickets" / "operations" / "tests").mkdir()
    (root / "tickets" / "operations" / "tests" / "test_operations_roof.py").write_text(TESTS)
    tests = lines_of("M15", manual.render(manual.read_clauses(root)))[-1]
    assert tests == "- Tests (6): **T** house 2, yard 2; operations: roof 2"


def test_names_with_the_same_first_words_are_folded():
    names = ["a_b_c", "a_b_d", "a_b_e", "a_f", "a_g", "h_i", "h_j"]
    assert manual._fold(names, "_") == ["a_{b_{c,d,e},f,g}", "h_i", "h_j"]
    assert manual._fold(names[:3], "_") == ["a_b_{c,d,e}"]
    assert manual._fold(["one_long_table_no_delete", "one_long_table_no_update"], "_") == [
        "one_long_table_no_{delete,update}"
    ]


def test_the_page_stays_short():
    assert len((real_settings.BASE_DIR / "docs" / "manual.md").read_bytes()) <= 30_000


def test_a_clause_that_does_not_exist_is_refused(root: Path):
    (root / "tickets" / "tests" / "test_house.py").write_text(TESTS.replace("M16", "M61"))
    with pytest.raises(CommandError, match="do not exist: M61"):
        manual.render(manual.read_clauses(root))


def test_check_fails_until_the_page_is_written(root: Path, capsys):
    with pytest.raises(CommandError, match="is old"):
        call_command("manual", check=True)
    call_command("manual")
    assert "docs/manual.md" in capsys.readouterr().out
    call_command("manual", check=True)
    (root / "tickets" / "house.py").write_text("# M33")
    with pytest.raises(CommandError, match="is old"):
        call_command("manual", check=True)
