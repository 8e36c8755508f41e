"""Each name of allauth's internals does what we need of it: an upgrade that changes one is red here first."""

import pytest
from allauth.account.authentication import get_authentication_records
from allauth.account.stages import EmailVerificationStage
from allauth.core.context import request_context
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.db import SessionStore
from django.core.cache import cache
from django.urls import reverse

from accounts.models import Office
from accounts.sign_in import allauth_internal
from factureya.testing.people import PASSWORD, make_contact, make_staff

pytestmark = [pytest.mark.django_db, pytest.mark.once]


@pytest.fixture
def request_of_elsa(rf):
    request = rf.post("/control/")
    request.user, request.session = make_staff(Office.SECURITY_OFFICER), SessionStore()
    with request_context(request):
        yield request


def test_every_name_has_a_test():
    tested = {name.removeprefix("test_name_") for name in globals() if name.startswith("test_name_")}
    assert {name.lower() for name in allauth_internal.__all__} == tested


def test_name_record_authentication(request_of_elsa):
    allauth_internal.record_authentication(request_of_elsa, request_of_elsa.user, "mfa", type="totp")
    (record,) = get_authentication_records(request_of_elsa, request_of_elsa.user)
    assert (record["method"], record["type"]) == ("mfa", "totp")


def test_name_reauthenticate_by_password(request_of_elsa):
    allauth_internal.reauthenticate_by_password(request_of_elsa)
    (record,) = get_authentication_records(request_of_elsa, request_of_elsa.user)
    assert (record["method"], record["reauthenticated"]) == ("password", True)


def test_name_get_pending_stage(client, request_of_elsa):
    assert allauth_internal.get_pending_stage(request_of_elsa) is None
    person = make_contact(email="nueva@ejemplo.mx")
    person.emailaddress_set.update(verified=False)
    client.post(reverse("account_login"), {"login": person.email, "password": PASSWORD})
    request_of_elsa.user, request_of_elsa.session = AnonymousUser(), client.session
    stage = allauth_internal.get_pending_stage(request_of_elsa)
    assert isinstance(stage, EmailVerificationStage)


def test_name_ratelimit(request_of_elsa):
    cache.clear()
    where = {"app": "allauth.account", "action": "reauthenticate", "user": request_of_elsa.user}
    usages = [allauth_internal.ratelimit.consume(request_of_elsa, **where) for _ in range(100)]
    assert usages[0]
    assert not usages[-1]
    assert callable(usages[0].rollback)


def test_name_secret_session_key(client, settings):
    settings.STAFF_MFA_REQUIRED = False
    client.force_login(make_contact())
    client.get(reverse("mfa_activate_totp"))
    client.post(reverse("account_reauthenticate"), {"password": PASSWORD})
    client.get(reverse("mfa_activate_totp"))
    assert client.session[allauth_internal.SECRET_SESSION_KEY]


def test_name_records_key(request_of_elsa):
    allauth_internal.record_authentication(request_of_elsa, request_of_elsa.user, "mfa")
    (record,) = request_of_elsa.session[allauth_internal.RECORDS_KEY]
    assert record["method"] == "mfa"


def test_name_records_user_key(request_of_elsa):
    allauth_internal.record_authentication(request_of_elsa, request_of_elsa.user, "mfa")
    assert request_of_elsa.session[allauth_internal.RECORDS_USER_KEY] == str(request_of_elsa.user.pk)
    request_of_elsa.session[allauth_internal.RECORDS_USER_KEY] = "0"
    assert get_authentication_records(request_of_elsa, request_of_elsa.user) == []
