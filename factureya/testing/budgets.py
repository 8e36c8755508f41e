"""Budgets of queries: what a request sends to the database, and that it is no more for many rows than for few."""

import re
from collections.abc import Callable
from typing import Any

from factureya.testing.pages import statements

CAPPED_COUNT = re.compile(r"COUNT\(\*\) FROM \(SELECT .*? LIMIT \d+\)")


def statements_of(send: Callable[[], Any], status: int = 200) -> list[str]:
    """Return the statements of one request, session and user included, savepoints not; none of them skips rows."""
    with statements() as found:
        answer = send()
    assert answer.status_code == status
    assert not [text for text in found if "OFFSET" in text]
    return found


def capped_statements(send: Callable[[], Any], status: int = 200) -> list[str]:
    """Return the same, and require that none of them counts without a limit."""
    texts = statements_of(send, status)
    for text in texts:
        assert text.count("COUNT(") == len(CAPPED_COUNT.findall(text)), text
    return texts


def budget(few: list[str], many: list[str], most: int) -> None:
    """Require that both requests sent the same number of statements, within the budget."""
    assert len(few) == len(many), "\n".join(["few:", *few, "many:", *many])
    assert len(many) <= most, "\n".join(many)
