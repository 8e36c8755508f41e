"""The list of mutations stays true to the code, and the runner tells a noticed change from one that survives."""

from pathlib import Path

import pytest

from factureya.dev import mutations
from factureya.dev.mutations import Mutation

pytestmark = pytest.mark.once

CODE = "LIMIT = 3\n"
TEST = "import code_of\n\ndef test_limit():\n    assert code_of.LIMIT == 3\n"


def test_every_entry_names_a_line_and_tests_that_exist():
    entries = mutations.read_list()
    assert len(entries) >= 48
    assert len({entry.name for entry in entries}) == len(entries)
    assert [problem for entry in entries if (problem := entry.problem())] == []
    assert [entry.name for entry in entries if entry.equivalent] == ["M21: count a refusal as an approval (database)"]


@pytest.mark.parametrize(("new", "red"), [("LIMIT = 4", "test_code.py::test_limit"), ("LIMIT = 2 + 1", "")])
def test_a_change_is_noticed_or_survives_and_is_taken_back(tmp_path: Path, monkeypatch, new: str, red: str):
    monkeypatch.delenv("DJANGO_SETTINGS_MODULE")
    (tmp_path / "code_of.py").write_text(CODE)
    (tmp_path / "test_code.py").write_text(TEST)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = browser\n")
    mutation = Mutation("a limit", "code_of.py", "LIMIT = 3", new, ("test_code.py",))
    assert mutation.problem(tmp_path) == ""
    assert mutations.find_red_test(mutation, tmp_path) == red
    assert (tmp_path / "code_of.py").read_text() == CODE


def test_an_entry_that_fits_no_line_says_so(tmp_path: Path):
    gone = Mutation("a limit", "code_of.py", "LIMIT = 3", "LIMIT = 4", ("test_code.py",))
    assert "stands 0 times" in gone.problem(tmp_path)
    (tmp_path / "code_of.py").write_text(CODE)
    assert "there is no test_code.py" in gone.problem(tmp_path)
