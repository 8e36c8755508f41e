"""The session of an emergency: whose it is, that it ends by itself, and that no old cookie comes back (M22, M23)."""

from datetime import timedelta

import pytest
import time_machine
from django.contrib.auth import SESSION_KEY, authenticate
from django.contrib.sessions.models import Session
from django.db import IntegrityError, transaction
from django.db.models import F

from accounts.models import User
from accounts.operations import change_password
from accounts.sign_in.backends import EmailBackend
from change_requests.emergency import operations, session
from change_requests.emergency.acts import INSIDE
from change_requests.emergency.backend import EmergencyBackend
from change_requests.emergency.models import EmergencyGrant
from change_requests.emergency.tests.inside import enter
from change_requests.emergency.tests.urls import calls, during
from factureya.core import clock
from factureya.core.refusals import NotAllowed
from factureya.testing.pages import make_client, statements
from factureya.testing.people import end_offices

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.urls("change_requests.emergency.tests.urls"),
    pytest.mark.clause("M22"),
    pytest.mark.clause("M23"),
]


def review(scene, grant):
    """Judge every act and sign, as Elsa."""
    for item in operations.find_items(grant):
        operations.judge_record(item.record.pk, "observed", "Visto en la prueba.", actor=scene.cast.elsa)
    operations.sign_review(grant.pk, "Se revisó todo.", True, actor=scene.cast.elsa)


def is_out(response) -> bool:
    """Return True if the answer leads to the login and the session is nobody's."""
    return response.status_code == 302 and response["Location"].startswith("/cuenta/ingresar/")


def keep_the_session_alive(client) -> None:
    """Let the stored session last a day more, as if only the window were over."""
    Session.objects.update(expire_date=clock.now() + timedelta(days=1))
    kept = Session.objects.get(session_key=client.cookies["sessionid"].value)
    content = kept.get_decoded()
    content["_session_expiry"] = 86400
    Session.objects.filter(pk=kept.pk).update(session_data=Session.objects.encode(content))


def test_the_operator_becomes_the_account_and_both_are_known(scene):
    grant = scene.bring("open")
    client = enter(scene, grant)
    said = client.get(INSIDE).json()
    assert said == {
        "user": scene.account.user.email,
        "operator": scene.cast.gina.email,
        "grant": grant.folio,
        "reads": True,
        "changes": False,
    }
    stored = User.objects.get(pk=scene.account.user_id)
    assert not stored.is_active
    assert not stored.is_staff
    kept = client.session
    assert (kept[session.GRANT_KEY], kept[session.OPERATOR_KEY]) == (grant.pk, scene.cast.gina.pk)
    grant.refresh_from_db()
    assert abs(kept.get_expiry_date() - grant.ends_at) < timedelta(seconds=1)
    assert grant.session_key_hash == operations.hash_session_key(kept.session_key)


def test_nothing_of_the_own_session_stays_but_the_second_factor(scene):
    grant = scene.bring("open")
    client = make_client(scene.cast.gina)
    old = client.session
    old["something"] = "of before"
    old["account_authentication_methods_user"] = str(scene.cast.gina.pk)
    old["account_authentication_methods"] = [{"method": "password", "at": 1}, {"method": "mfa", "at": 2}]
    old.save()
    assert client.get(f"/prueba/entrar/{grant.pk}/").status_code == 200
    assert client.session.session_key != old.session_key
    assert not Session.objects.filter(session_key=old.session_key).exists()
    assert "something" not in client.session
    assert client.session["account_authentication_methods"] == [{"method": "mfa", "at": 2}]
    assert client.session["account_authentication_methods_user"] == str(scene.account.user_id)


def test_whoever_may_not_enter_stays_himself(scene):
    grant = scene.bring("open")
    for person in (scene.cast.elsa, scene.cast.laura):
        client = make_client(person)
        assert client.get(f"/prueba/entrar/{grant.pk}/").status_code == 409
        assert client.session[SESSION_KEY] == str(person.pk)
        assert not client.session.get(session.GRANT_KEY)


def test_nobody_signs_in_with_the_account(scene, rf):
    user = scene.account.user
    scene.bring("open")
    assert authenticate(rf.post("/"), email=user.email, password="x") is None
    assert EmergencyBackend().authenticate(rf.post("/"), email=user.email, password="x") is None
    assert EmailBackend().get_user(user.pk) is None
    assert EmergencyBackend().get_user(user.pk) is None  # open, and nobody entered yet
    assert EmergencyBackend().get_user(scene.cast.gina.pk) is None


def test_only_the_backend_of_emergencies_knows_the_account_and_gives_it_no_other_right(scene):
    enter(scene)
    user = EmergencyBackend().get_user(scene.account.user_id)
    assert user is not None
    assert user.is_active
    assert user.has_perms(["tickets.view_ticket", "accounts.view_customer"])
    assert not user.has_perm("tickets.view_ticket", scene.ticket)
    assert not user.has_perm("accounts.change_customertoverify")
    assert not user.is_superuser
    assert not user.offices
    assert EmailBackend().get_user(user.pk) is None
    assert EmergencyBackend().get_group_permissions(scene.cast.gina) == set()


def test_what_is_active_in_memory_is_never_saved(scene):
    enter(scene)
    user = EmergencyBackend().get_user(scene.account.user_id)
    assert user is not None
    for columns in ({}, {"update_fields": ["last_login"]}, {"update_fields": ["is_active"]}):
        with pytest.raises(NotAllowed):
            user.save(**columns)
    user.emergency_grant = None
    with pytest.raises(IntegrityError, match="emergency_account_rests"), transaction.atomic():
        user.save()
    with pytest.raises(IntegrityError, match="emergency_account_rests"), transaction.atomic():
        User.objects.filter(pk=user.pk).update(is_active=True)


# -- It ends by itself -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("after", "reason"), [(timedelta(minutes=15), "idle"), (timedelta(minutes=60), "time"), (timedelta(days=4), "time")]
)
def test_the_first_request_after_the_end_is_nobodys_with_nothing_running(scene, after, reason):
    grant = scene.bring("open")
    client = enter(scene, grant)
    opened = clock.now()
    with time_machine.travel(opened + after, tick=False):
        assert is_out(client.get(INSIDE))
        assert SESSION_KEY not in client.session
        assert is_out(client.get(INSIDE))
        assert calls == []
        operations.end_over()  # whenever somebody tidies
    grant.refresh_from_db()
    assert (grant.status, grant.end_reason) == ("ended", reason)
    assert grant.ended_at <= grant.ends_at


def test_use_until_the_last_second_and_not_at_it(scene):
    grant = scene.bring("open", minutes=10)
    client = enter(scene, grant)
    with time_machine.travel(grant.ends_at - timedelta(milliseconds=1), tick=False):
        assert client.get(INSIDE).status_code == 200
    calls.clear()
    with time_machine.travel(grant.ends_at, tick=False):
        keep_the_session_alive(client)
        assert is_out(client.get(INSIDE))
    assert calls == []
    assert SESSION_KEY not in client.session


def test_each_use_moves_the_idle_time(scene):
    grant = scene.bring("open")
    client = enter(scene, grant)
    start = clock.now()
    for minutes in (14, 28, 42):
        with time_machine.travel(start + timedelta(minutes=minutes), tick=False):
            assert client.get(INSIDE).status_code == 200
    grant.refresh_from_db()
    assert grant.last_seen_at == start + timedelta(minutes=42)


@pytest.mark.parametrize("offset", [timedelta(minutes=61), -timedelta(minutes=5), timedelta(days=4)])
def test_either_clock_ends_it(scene, monkeypatch, offset):
    client = enter(scene)
    monkeypatch.setattr(clock, "_database_offset", offset)
    assert is_out(client.get(INSIDE))


def test_a_web_clock_that_goes_back_two_hours_ends_it(scene):
    grant = scene.bring("open")
    client = enter(scene, grant)
    with time_machine.travel(clock.now() - timedelta(hours=2)):
        assert is_out(client.get(INSIDE))
    grant.refresh_from_db()
    assert grant.end_reason == "clock"


def test_revoked_is_over_at_the_next_request(scene):
    grant = scene.bring("open")
    client = enter(scene, grant)
    operations.revoke_grant(grant.pk, actor=scene.cast.elsa, reason="Ya no hace falta.")
    response = client.get(INSIDE)
    assert response.status_code != 200
    assert SESSION_KEY not in client.session


def test_an_operator_who_is_closed_or_loses_his_office_is_out(scene):
    client = enter(scene)
    User.objects.filter(pk=scene.cast.gina.pk).update(is_active=False)
    assert is_out(client.get(INSIDE))


def test_an_operator_without_his_office_is_out_before_the_view(scene):
    client = enter(scene)
    end_offices(scene.cast.gina)
    assert is_out(client.get(INSIDE))


def test_the_operators_new_password_ends_the_session_inside(scene):
    grant = scene.bring("open")
    client = enter(scene, grant)
    person = User.objects.get(pk=scene.cast.gina.pk)
    change_password(person, "una frase muy larga 2026")
    calls.clear()
    assert is_out(client.get(INSIDE))
    assert SESSION_KEY not in client.session
    assert calls == []
    assert EmergencyGrant.objects.get(pk=grant.pk).status == "open"
    again = enter(scene, grant, User.objects.get(pk=person.pk))  # who has the new password goes on
    assert again.get(INSIDE).status_code == 200


@pytest.mark.parametrize(
    "columns", [{"session_epoch": F("session_epoch") + 1}, {"password": "md5$a$b"}], ids=["epoch", "password"]
)
def test_what_ends_the_operators_sessions_ends_that_of_the_emergency(scene, columns):
    client = enter(scene)
    User.objects.filter(pk=scene.cast.gina.pk).update(**columns)
    assert is_out(client.get(INSIDE))
    assert SESSION_KEY not in client.session


def test_a_session_that_was_revoked_while_it_entered_is_worth_nothing(scene, monkeypatch):
    grant, enter_grant = scene.bring("open"), operations.enter_grant

    def revoke_meanwhile(*args, **options):
        User.objects.filter(pk=scene.cast.gina.pk).update(session_epoch=F("session_epoch") + 1)
        return enter_grant(*args, **options)

    monkeypatch.setattr(operations, "enter_grant", revoke_meanwhile)
    assert is_out(enter(scene, grant).get(INSIDE))


def test_the_operator_ends_it_with_the_button_or_by_signing_out(scene):
    for address in (f"{INSIDE}terminar/", "/cuenta/salir/"):
        grant = scene.bring("open")
        client = enter(scene, grant)
        assert is_out(client.post(address))
        grant.refresh_from_db()
        assert (grant.status, grant.end_reason, grant.ended_by) == ("ended", "used", scene.cast.gina)
        assert not Session.objects.filter(session_key=client.session.session_key or "-").exists()
        review(scene, grant)
        scene.seal()


def test_another_site_ends_no_emergency_by_signing_out(scene):
    grant = scene.bring("open")
    client = enter(scene, grant)
    client.handler.enforce_csrf_checks = True
    response = client.post("/cuenta/salir/")
    assert response.status_code == 403
    assert EmergencyGrant.objects.get(pk=grant.pk).status == "open"
    page = client.get("/control/emergencias/uso/salida/").json()
    assert is_out(client.post("/cuenta/salir/", {"csrfmiddlewaretoken": page["token"]}))
    assert EmergencyGrant.objects.get(pk=grant.pk).status == "ended"


def test_leaving_after_somebody_else_ended_it_leads_to_the_login(scene):
    grant = scene.bring("open")
    client = enter(scene, grant)
    during.append(lambda: operations.revoke_grant(grant.pk, actor=scene.cast.elsa, reason="Ya no hace falta."))
    assert is_out(client.post(f"{INSIDE}terminar/"))


def test_who_is_in_no_emergency_and_leaves_it_goes_to_the_login(scene):
    client = make_client(scene.cast.gina)
    assert is_out(client.post(f"{INSIDE}terminar/"))
    assert SESSION_KEY not in client.session


# -- No old cookie comes back ------------------------------------------------------------------------


def test_an_old_cookie_does_not_revive_under_a_new_emergency(scene):
    first = scene.bring("open")
    client = enter(scene, first)
    stolen = dict(client.session.items())
    key = client.session.session_key
    operations.end_grant(first.pk, actor=scene.cast.gina)
    review(scene, first)
    scene.seal()
    second = scene.bring("open")
    enter(scene, second)
    assert not Session.objects.filter(session_key=key).exists()
    revived = make_client(scene.cast.gina)  # the old session's content under another key: a restored table
    kept = revived.session
    kept.clear()
    kept.update(stolen)
    kept.save()
    assert is_out(revived.get(INSIDE))
    assert EmergencyGrant.objects.get(pk=second.pk).status == "open"


def test_the_sessions_content_under_another_key_is_worth_nothing(scene):
    grant = scene.bring("open")
    client = enter(scene, grant)
    copy = make_client(scene.cast.gina)
    kept = copy.session
    kept.clear()
    kept.update(dict(client.session.items()))
    kept.save()
    assert is_out(copy.get(INSIDE))
    assert client.get(INSIDE).status_code == 200


def test_entering_again_replaces_the_session_before(scene):
    grant = scene.bring("open")
    first = enter(scene, grant)
    second = enter(scene, grant)
    assert first.get(INSIDE).status_code != 200
    assert second.get(INSIDE).status_code == 200
    assert EmergencyGrant.objects.get(pk=grant.pk).status == "open"


def test_a_session_of_another_operator_or_without_its_keys_is_worth_nothing(scene):
    for key, value in ((session.OPERATOR_KEY, scene.cast.elsa.pk), (session.GRANT_KEY, None)):
        grant = EmergencyGrant.objects.filter(status="open").first() or scene.bring("open")
        client = enter(scene, grant)
        kept = client.session
        kept[key] = value
        kept.save()
        assert is_out(client.get(INSIDE))


# -- Ordinary requests -------------------------------------------------------------------------------


def test_an_ordinary_request_has_no_more_query(scene, settings):
    client = make_client(scene.cast.ana)
    client.get("/tickets/")
    with statements() as with_it:
        assert client.get("/tickets/").status_code == 200
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "emergency" not in name]
    without_client = make_client(scene.cast.ana)
    without_client.get("/tickets/")
    with statements() as without:
        assert without_client.get("/tickets/").status_code == 200
    assert len(with_it) == len(without)
