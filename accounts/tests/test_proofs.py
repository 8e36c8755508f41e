"""How an act was authenticated, as its event keeps it (M26)."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from django.test import RequestFactory
from time_machine import travel

from accounts.models import UNPROVEN, Method, Proof
from accounts.sign_in import backends
from accounts.sign_in.allauth_internal import reauthenticate_by_password, record_authentication
from accounts.web import proofs
from factureya.testing.people import make_staff

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M26")]
AT = datetime(2026, 11, 23, 16, 0, tzinfo=UTC)


def web_request(user: Any) -> HttpRequest:
    """Make a request of this person, from an address, with a session."""
    request = RequestFactory().post("/", REMOTE_ADDR="192.0.2.7")
    request.user, request.session = user, {}  # type: ignore[assignment]
    return request


def sign_in(request: HttpRequest, *methods: str) -> None:
    for method in methods:
        record_authentication(request, request.user, method)  # type: ignore[arg-type]


def test_a_proof_is_written_without_secrets():
    assert Proof(Method.PASSWORD, True, AT, "192.0.2.7").as_data() == {
        "method": "password",
        "factor": True,
        "at": "2026-11-23T16:00:00+00:00",
        "ip": "192.0.2.7",
    }
    assert UNPROVEN.as_data() == {"method": "none", "factor": False, "at": "", "ip": ""}


def test_a_stranger_has_only_an_address():
    assert proofs.read_proof(web_request(AnonymousUser())) == Proof(Method.NONE, ip="192.0.2.7")


def test_a_session_tells_when_it_began_and_whether_a_factor_was_given():
    request = web_request(make_staff())
    assert proofs.read_proof(request) == Proof(Method.SESSION, ip="192.0.2.7")  # no record of the sign-in
    with travel(AT, tick=False):
        sign_in(request, "password")
        assert proofs.read_proof(request) == Proof(Method.SESSION, False, AT, "192.0.2.7")
        sign_in(request, "mfa")
        assert proofs.read_proof(request) == Proof(Method.SESSION, True, AT, "192.0.2.7")


def test_a_password_typed_again_counts_for_five_minutes():
    request = web_request(make_staff())
    with travel(AT, tick=False):
        sign_in(request, "password", "mfa")
    later = AT.replace(hour=18)
    with travel(later, tick=False):
        reauthenticate_by_password(request)
        assert backends.is_password_fresh(request)
        assert proofs.read_proof(request) == Proof(Method.PASSWORD, True, later, "192.0.2.7")
    with travel(later.replace(minute=6), tick=False):
        assert not backends.is_password_fresh(request)
        assert proofs.read_proof(request) == Proof(Method.SESSION, True, AT, "192.0.2.7")


def test_a_link_and_a_code_are_used_now():
    request = web_request(AnonymousUser())
    with travel(AT, tick=False):
        assert proofs.read_link_proof(request) == Proof(Method.LINK, False, AT, "192.0.2.7")
        assert proofs.read_code_proof(request) == Proof(Method.CODE, False, AT, "192.0.2.7")
