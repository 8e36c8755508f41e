"""docs/manual.md is read from the sources: what is named where, and nothing that does not exist."""

from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from factureya.dev.management.commands import manual

pytestmark = pytest.mark.once

CODE = '''
"""The house (M10)."""

# Also M17.
def close():
    """Close (M12, M15–M16)."""

class Ticket:
    """A ticket."""

    def wait(self):
        """Wait (M14)."""
'''
TESTS = """
import pytest
pytestmark = [pytest.mark.django_db, pytest.mark.clause("M15")]

@pytest.mark.clause("M12", "M16")
def test_one(): ...

def test_two(): ...

def helper(): ...
"""


@pytest.fixture
def root(tmp_path: Path, settings) -> Path:
    (tmp_path / "tickets" / "tests").mkdir(parents=True)
    (tmp_path / "docs").mkdir()
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


def test_each_clause_lists_its_code_and_its_tests(root: Path):
    page = manual.render(root)
    house = "[tickets/house.py](../tickets/house.py)"
    proof = "[tickets/tests/test_house.py](../tickets/tests/test_house.py)"
    assert f"- {house}: `close`\n\n**Tests**\n\n- {proof}: `test_one`, `test_two`" in page.partition("## M15")[2]
    assert f"- {house}: `close`\n\n**Tests**\n\n- {proof}: `test_one`\n" in page.partition("## M16")[2]
    assert "| M10 | A tracking number at any time, from the portal | 1 | – |" in page
    assert "| M14 | En espera: Factureya answered and waits for authorization or detail | 1 | – |" in page
    assert "| M17 | Detailed description, screenshots, steps to reproduce | 1 | – |" in page


def test_a_clause_that_does_not_exist_is_refused(root: Path):
    (root / "tickets" / "tests" / "test_house.py").write_text(TESTS.replace("M16", "M61"))
    with pytest.raises(CommandError, match="no clause M61"):
        manual.render(root)


def test_check_fails_until_the_page_is_written(root: Path, capsys):
    with pytest.raises(CommandError, match="is old"):
        call_command("manual", check=True)
    call_command("manual")
    assert "docs/manual.md" in capsys.readouterr().out
    call_command("manual", check=True)
    (root / "tickets" / "house.py").write_text("")
    with pytest.raises(CommandError, match="is old"):
        call_command("manual", check=True)
