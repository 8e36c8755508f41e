"""The documents for engineers name files, settings and tests that exist."""

import re
from itertools import chain
from pathlib import Path

import pytest
from django.conf import settings

pytestmark = pytest.mark.once

ROOT = Path(settings.BASE_DIR)
DOCUMENTS = ["CONTRIBUTING.md", "README.md", *(f"docs/{name}.md" for name in ("architecture", "how-to", "operations"))]
ROOMS = ("accounts", "change_requests", "docs", "factureya", "static", "templates", "tickets")
PATH = re.compile(rf"(?:{'|'.join(ROOMS)})/[\w./-]*(?![\w<*…-])")
# Named in the row of Django's and allauth's own settings.
BY_DJANGO = (
    *("ACCOUNT_", "AUTH", "CACHES", "CSRF_FAILURE_VIEW", "EMAIL_BACKEND", "LOGGING", "MFA_", "MIDDLEWARE"),
    *("PASSWORD_HASHERS", "ROOT_URLCONF", "TEMPLATES", "WSGI"),
)


def names_in(document: str) -> list[str]:
    """Return what the document writes as code or as a link; a name with a placeholder such as <kind> is left out."""
    text = (ROOT / document).read_text("utf-8")
    spans = chain(re.findall(r"`([^`\n]+)`", text), re.findall(r"\]\(([^)#]+)", text))
    return [span for span in spans if "<" not in span]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_path_that_a_document_names_exists(document: str):
    paths = {path for span in names_in(document) for path in [span.split()[0]] if PATH.fullmatch(path)}
    assert [path for path in sorted(paths) if not (ROOT / path).exists()] == []


def test_every_setting_that_names_code_is_a_hook_in_the_architecture():
    """A text in our settings that is the dotted name of a function of an app is listed under «Hooks by string»."""
    source = (ROOT / "factureya" / "settings.py").read_text("utf-8")
    page = (
        (ROOT / "docs" / "architecture.md").read_text("utf-8").partition("## Hooks by string")[2].partition("\n## ")[0]
    )
    named = re.compile(r"[\"'](?:accounts|tickets|change_requests|factureya)\.[\w.]+[\"']")
    setting, missing = "", set()
    for line in source.splitlines():
        setting = match[1] if (match := re.match(r"\s{0,4}([A-Z][A-Z_]+)\s*[=\[]", line)) else setting
        if named.search(line.partition("#")[0]) and setting not in page and not setting.startswith(BY_DJANGO):
            missing.add(setting)
    assert missing == set()
