"""Every verb of the code has its words in Spanish (M26)."""

import ast
import re
from pathlib import Path

import pytest
from django.conf import settings

from factureya.core.models import InboundMessage
from factureya.oversight import verbs
from factureya.oversight.verbs import WORDS, Group

PACKAGES = ("accounts", "change_requests", "factureya", "tickets")
NOT_THE_PRODUCT = {"tests", "testing", "bench", "dev", "demo", "migrations", "oversight"}
FAMILIES = {verb.partition(".")[0] for verb in WORDS}
VERB = re.compile(r"[a-z_]+\.[a-z_]+")
# Names that look like verbs: a logger, a file, a function that is found by its name.
NOT_VERBS = {"mail.log", "request.user", "outbox.lock", "guards.lock", "grant.act_", "ticket.charge_"}
RECORDERS = {"record", "record_first", "record_in_log"}


def find_verbs(path: Path) -> set[str]:
    """Return the verbs that a file names: the first argument of what records, and texts of a known family."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in RECORDERS and isinstance(node.args[0].value, str):
                found.add(node.args[0].value)
        text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
        if VERB.fullmatch(text) and text.partition(".")[0] in FAMILIES:
            found.add(text)
    return found - NOT_VERBS


@pytest.mark.clause("M26")
def test_every_verb_of_the_code_has_words() -> None:
    files = [path for package in PACKAGES for path in (settings.BASE_DIR / package).rglob("*.py")]
    product = [path for path in files if NOT_THE_PRODUCT.isdisjoint(path.relative_to(settings.BASE_DIR).parts)]
    verbs_of_code = set().union(*(find_verbs(path) for path in product))
    verbs_of_code |= {f"mail.{resolution}" for resolution in InboundMessage.Resolution.values}
    assert len(verbs_of_code) > 80
    assert not verbs_of_code - set(WORDS), "say in oversight/verbs.py what these verbs mean"


@pytest.mark.clause("M26")
def test_each_group_has_verbs_and_each_text_is_a_sentence_about_somebody() -> None:
    for group in Group:
        assert verbs.list_verbs(group)
    for verb, words in WORDS.items():
        assert words.text[0].isupper(), verb
        assert not words.text.endswith("."), verb


@pytest.mark.clause("M26")
def test_a_verb_quotes_its_reason_on_one_line_and_shortens_it() -> None:
    told = verbs.describe("request.rejected", {"reason": "No  coincide\nla constancia"})
    assert told == "Rechazó: «No coincide la constancia»"
    assert verbs.describe("request.rejected", {}) == "Rechazó"
    assert verbs.describe("request.rejected", {"reason": ["lista"]}) == "Rechazó"
    assert len(verbs.describe("request.rejected", {"reason": "x" * 500})) < 140
    assert verbs.describe("older.verb", {"reason": "x"}) == "older.verb"
