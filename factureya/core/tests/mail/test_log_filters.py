"""No signed link is in the log (M16)."""

import logging

import pytest
from django.core import signing

from factureya.core.mail.own_links import WithoutTokens


def said(*message: str) -> str:
    record = logging.LogRecord("django.request", logging.WARNING, "", 0, message[0], message[1:], None)
    assert WithoutTokens().filter(record)
    return record.getMessage()


@pytest.mark.clause("M8", "M16")
@pytest.mark.parametrize("path", ["/solicitudes/clave/", "/solicitudes/confirmar/", "/enlace/"])
def test_the_log_of_a_refusal_names_the_page_and_not_the_token(path: str):
    token = signing.dumps({"user": 7, "folio": "SA-0000-0000"})
    assert said("%s: %s", "Too Many Requests", f"{path}{token}/") == f"Too Many Requests: {path}…/"


@pytest.mark.parametrize("text", ["Not Found: /control/SC-8WFK-BXAW/", "GET /tickets/FY-0000-0000/ 200"])
def test_what_is_no_token_stays(text: str):
    assert said(text) == text


def test_the_console_has_the_filter(settings):
    assert settings.LOGGING["handlers"]["console"]["filters"] == ["tokens", "halves"]
