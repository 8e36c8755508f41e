"""The password again within five minutes (M21)."""

from datetime import timedelta

import pytest
import time_machine
from allauth.account.authentication import get_authentication_records
from allauth.core.context import request_context
from django.contrib.sessions.backends.db import SessionStore
from django.test import RequestFactory
from django.urls import reverse

from accounts.models import Office
from accounts.sign_in import backends
from factureya.core.clock import now
from factureya.testing.people import PASSWORD, make_staff

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M21")]


@pytest.fixture
def request_of_elsa(rf: RequestFactory):
    request = rf.post("/control/")
    request.user = make_staff(Office.SECURITY_OFFICER)
    request.session = SessionStore()
    with request_context(request):
        yield request


def test_it_holds_for_five_minutes_and_no_more(request_of_elsa):
    assert not backends.is_password_fresh(request_of_elsa)
    start = now()
    with time_machine.travel(start, tick=False):
        assert backends.confirm_password(request_of_elsa, PASSWORD) == ""
        assert backends.is_password_fresh(request_of_elsa)
    with time_machine.travel(start + timedelta(seconds=299), tick=False):
        assert backends.is_password_fresh(request_of_elsa)
    with time_machine.travel(start + timedelta(seconds=300), tick=False):
        assert not backends.is_password_fresh(request_of_elsa)


def test_a_wrong_or_absent_password_and_too_many_of_them(request_of_elsa):
    assert backends.confirm_password(request_of_elsa, "") == backends.MISSING
    assert backends.confirm_password(request_of_elsa, "otra") == backends.WRONG
    said = {backends.confirm_password(request_of_elsa, "otra") for _ in range(10)}
    assert backends.TOO_MANY in said
    assert backends.confirm_password(request_of_elsa, PASSWORD) == backends.TOO_MANY
    assert not backends.is_password_fresh(request_of_elsa)


def test_signing_in_by_the_form_is_not_the_password_again(client, rf):
    """House, mutation of `reauthenticated`: the same password a moment ago, and yet it is asked for."""
    elsa = make_staff(Office.SECURITY_OFFICER)
    signed_in = client.post(reverse("account_login"), {"login": elsa.email, "password": PASSWORD})
    assert signed_in.status_code == 302
    request = rf.post("/control/")
    request.user, request.session = elsa, client.session
    (record,) = get_authentication_records(request, elsa)
    assert record["method"] == "password"
    assert not backends.is_password_fresh(request)
    with request_context(request):
        assert backends.confirm_password(request, PASSWORD) == ""
    assert backends.is_password_fresh(request)
