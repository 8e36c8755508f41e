"""Two halves open the window, the operator enters, and it ends by itself, never later than granted (M22, M23)."""

from datetime import datetime, timedelta

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from time_machine import travel

from accounts.models import Office, User
from change_requests.emergency import operations, policy
from change_requests.emergency.models import EmergencyGrant
from change_requests.emergency.operations import opening
from factureya.core import clock
from factureya.core.clock import now
from factureya.core.refusals import Invalid, NotAllowed, Refused, WrongStatus
from factureya.testing.emergencies import Emergency, Status, end_offices
from factureya.testing.people import give_office, make_staff

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M23")]
START = datetime.fromisoformat("2027-02-02T15:00:00+00:00")


def give(scene: Emergency, grant: EmergencyGrant, letter: str, half: str | None = None) -> EmergencyGrant:
    text = scene.halves[letter] if half is None else half
    return operations.give_half(grant.pk, text, actor=scene.custodians[letter])


def find_open(scene: Emergency) -> EmergencyGrant | None:
    return policy.find_open_grant(scene.account.user)


def make_session() -> str:
    session = SessionStore()
    session["x"] = 1
    session.create()
    assert session.session_key is not None
    return session.session_key


# -- The halves --------------------------------------------------------------------------------------


@pytest.mark.clause("M22")
@pytest.mark.parametrize("order", ["ab", "ba"])
def test_the_second_half_opens_the_window(scene: Emergency, order: str):
    with travel(START, tick=False):
        grant = scene.authorize(scene.request(minutes=90), minutes=75)
    with travel(START + timedelta(minutes=5), tick=False):
        grant = give(scene, grant, order[0])
        assert (grant.status, find_open(scene)) == (Status.AUTHORIZED, None)
    with travel(START + timedelta(minutes=14), tick=False):
        grant = give(scene, grant, order[1])
        assert grant.status == Status.OPEN
        assert grant.opened_at == now()
        assert grant.ends_at == now() + timedelta(minutes=75)
        assert find_open(scene) == grant
        assert not User.objects.get(pk=scene.account.user_id).is_active
    credential = scene.account.find_credential()
    assert credential is not None
    assert (grant.credential, credential.used_at) == (credential, grant.opened_at)
    assert [event.verb for event in grant.events()][-2:] == ["grant.half_given", "grant.opened"]


def test_a_first_half_is_good_for_ten_minutes(scene: Emergency):
    with travel(START, tick=False):
        grant = scene.authorize(scene.request())
        give(scene, grant, "a")
    with travel(START + timedelta(minutes=10, seconds=1), tick=False):
        assert give(scene, grant, "b").status == Status.AUTHORIZED
        assert give(scene, grant, "a").status == Status.OPEN  # repeated, and the other is of now


@pytest.mark.parametrize(("seconds", "opens"), [(-1, True), (0, False), (1, False)])
def test_it_is_opened_before_its_time_to_start_is_over(scene: Emergency, seconds: int, opens: bool):
    with travel(START, tick=False):
        grant = scene.authorize(scene.request())
    with travel(START + timedelta(minutes=30, seconds=seconds), tick=False):
        if opens:
            assert scene.open(grant).status == Status.OPEN
        else:
            with pytest.raises(WrongStatus, match="Ya pasó el tiempo"):
                scene.open(grant)


@pytest.mark.clause("M22")
def test_each_half_is_typed_by_its_custodian(scene: Emergency):
    grant = scene.bring(Status.AUTHORIZED)
    for person in (scene.cast.gina, scene.cast.elsa, scene.cast.fabian, make_staff(Office.SUPERVISOR)):
        with pytest.raises(NotAllowed, match="Cada mitad"):
            operations.give_half(grant.pk, scene.halves["a"], actor=person)
    with pytest.raises(Invalid, match="Escriba la mitad"):
        give(scene, grant, "a", "  ")
    User.objects.filter(pk=scene.cast.laura.pk).update(is_active=False)
    with pytest.raises(NotAllowed):
        give(scene, grant, "a")
    assert scene.account.find_credential().tries == 0


@pytest.mark.clause("M22")
def test_three_wrong_halves_retire_the_seal(scene: Emergency):
    grant = scene.bring(Status.AUTHORIZED)
    for text, wrong in (("quedan 2 intentos", scene.halves["b"]), ("queda 1 intento", "AAAA")):
        with pytest.raises(operations.WrongHalf) as refusal:
            give(scene, grant, "a", wrong)
        assert text in str(refusal.value)
        assert wrong not in str(refusal.value)
    give(scene, grant, "a")  # a right one does not give the tries back
    with pytest.raises(operations.WrongHalf, match="tercera"):
        give(scene, grant, "b", "BBBB")
    credential = scene.account.credentials.get()
    assert (credential.tries, credential.retired_reason) == (3, "tries")
    with pytest.raises(WrongStatus, match="por sellar"):
        give(scene, grant, "b")
    assert [event.verb for event in grant.events()].count("grant.wrong_half") == 3
    assert scene.account.state == "granted"
    scene.seal()  # a new seal, in time, opens it
    assert scene.open(grant).status == Status.OPEN


@pytest.mark.clause("M22")
def test_a_half_of_an_older_seal_opens_nothing(scene: Emergency):
    grant, old = scene.bring(Status.AUTHORIZED), dict(scene.halves)
    scene.seal()
    with pytest.raises(operations.WrongHalf):
        give(scene, grant, "a", old["a"])


@pytest.mark.clause("M22")
def test_a_half_of_an_older_seal_does_not_count_with_one_of_the_new(scene: Emergency):
    grant = scene.bring(Status.AUTHORIZED)
    give(scene, grant, "a")
    scene.seal()
    assert give(scene, grant, "b").status == Status.AUTHORIZED
    grant = give(scene, grant, "a")
    assert grant.status == Status.OPEN
    assert grant.credential is not None
    assert grant.credential.generation == 2


def test_a_seal_begun_again_is_no_seal(scene: Emergency):
    grant, cast = scene.bring(Status.AUTHORIZED), scene.cast
    operations.start_sealing(scene.account.pk, custodian_a=cast.laura, custodian_b=cast.jorge, actor=cast.elsa)
    with pytest.raises(WrongStatus, match="por sellar"):
        give(scene, grant, "a")


def test_who_authorized_keeps_no_half_of_a_later_seal(scene: Emergency):
    grant, cast = scene.bring(Status.AUTHORIZED), scene.cast
    credential = operations.start_sealing(
        scene.account.pk, custodian_a=cast.laura, custodian_b=cast.fabian, actor=cast.elsa
    )
    for person in (cast.laura, cast.fabian):
        half = operations.reveal_half(credential.pk, actor=person)
        operations.confirm_sealed(credential.pk, actor=person)
    with pytest.raises(WrongStatus, match="otros custodios"):
        operations.give_half(grant.pk, half, actor=cast.fabian)


def test_who_authorized_is_still_in_office_when_it_opens(scene: Emergency):
    grant, cast = scene.bring(Status.AUTHORIZED), scene.cast
    end_offices(cast.fabian)
    with pytest.raises(WrongStatus, match="ya no tiene el cargo"):
        give(scene, grant, "a")


def test_a_delegation_that_ended_opens_nothing(scene: Emergency):
    cast, dora = scene.cast, make_staff(Office.SUPERVISOR)
    delegation = operations.delegate_office(
        office=Office.SECURITY_OFFICER,
        absent=cast.elsa,
        alternate=dora,
        starts_at=now(),
        ends_at=now() + timedelta(days=7),
        reason="Está de vacaciones.",
        actor=cast.elsa,
    )
    grant = scene.request()
    for person in (dora, cast.fabian):
        grant = operations.authorize_grant(grant.pk, actor=person, reason="Lo comprobé por teléfono.")
    give(scene, grant, "a")
    operations.end_delegation(delegation.pk, actor=cast.elsa)
    with pytest.raises(WrongStatus, match="ya no tiene el cargo"):
        give(scene, grant, "b")


def test_an_operator_who_became_a_developer_opens_nothing(scene: Emergency):
    grant = scene.bring(Status.AUTHORIZED)
    give_office(scene.cast.gina, Office.DEVELOPER)
    with pytest.raises(NotAllowed, match="Desarrollo"):
        give(scene, grant, "a")


@pytest.mark.parametrize("status", [Status.REQUESTED, Status.OPEN, Status.ENDED])
def test_only_an_authorized_emergency_is_opened(scene: Emergency, status: str):
    grant = scene.bring(status)
    with pytest.raises(WrongStatus):
        give(scene, grant, "a")


def test_a_half_that_was_right_before_the_lock_is_asked_again_under_it(scene: Emergency, monkeypatch):
    grant = scene.bring(Status.AUTHORIZED)
    check = opening._check_half

    def reseal_meanwhile(*args: object) -> str:
        checked = check(*args)  # type: ignore[arg-type]
        scene.seal()
        return checked

    monkeypatch.setattr(opening, "_check_half", reseal_meanwhile)
    with pytest.raises(operations.WrongHalf):
        give(scene, grant, "a")


# -- The window and the clocks -----------------------------------------------------------------------


def test_the_window_ends_at_its_second_with_nobody_to_end_it(scene: Emergency):
    with travel(START, tick=False):
        grant = scene.bring(Status.OPEN, minutes=10)
        assert find_open(scene) == grant
    with travel(START + timedelta(minutes=10, seconds=-1), tick=False):
        assert find_open(scene) == grant
    with travel(START + timedelta(minutes=10), tick=False):
        assert find_open(scene) is None  # nothing ran in between
        assert policy.find_end_reason(grant) == "time"


@pytest.mark.parametrize(
    ("web", "database", "reason"),
    [
        (timedelta(days=4), timedelta(0), "time"),
        (timedelta(hours=-2), timedelta(0), "clock"),
        (timedelta(minutes=1), timedelta(minutes=5), None),
        (timedelta(minutes=1), timedelta(minutes=-5), "clock"),
        (timedelta(minutes=8), timedelta(minutes=5), "time"),
        (timedelta(seconds=-2), timedelta(0), None),
        (timedelta(seconds=-3), timedelta(0), "clock"),
        (timedelta(days=-4), timedelta(days=4), "clock"),
    ],
)
def test_no_moved_clock_makes_a_window_longer(scene: Emergency, web, database, reason, monkeypatch):
    with travel(START, tick=False):
        grant = scene.bring(Status.OPEN, minutes=10)
    monkeypatch.setattr(clock, "_database_offset", database)
    with travel(START + web, tick=False):
        assert policy.find_end_reason(grant) == reason
        assert (find_open(scene) is None) == (reason is not None)


def test_clocks_that_differ_open_nothing(scene: Emergency, monkeypatch):
    grant = scene.bring(Status.AUTHORIZED)
    for minutes in (5, -5):
        monkeypatch.setattr(clock, "_database_offset", timedelta(minutes=minutes))
        with pytest.raises(Refused, match="reloj"):
            scene.open(grant)


def test_a_window_is_seen_forward_only(scene: Emergency):
    with travel(START, tick=False):
        grant = scene.bring(Status.OPEN, minutes=30)
    with travel(START + timedelta(minutes=9), tick=False):
        assert operations.mark_seen(grant.pk)
    with travel(START + timedelta(minutes=8), tick=False):
        assert not operations.mark_seen(grant.pk)
        assert find_open(scene) is None  # the clock went back behind the last use
    with travel(START + timedelta(minutes=9 + 14), tick=False):
        assert find_open(scene) is not None
    with travel(START + timedelta(minutes=9 + 15), tick=False):
        grant.refresh_from_db()
        assert policy.find_end_reason(grant) == "idle"
        assert find_open(scene) is None
    with travel(START + timedelta(minutes=31), tick=False):
        assert not operations.mark_seen(grant.pk)


def test_an_operator_without_an_account_has_no_window(scene: Emergency):
    scene.bring(Status.OPEN)
    User.objects.filter(pk=scene.cast.gina.pk).update(is_active=False)
    assert find_open(scene) is None


# -- Entering ----------------------------------------------------------------------------------------


def test_the_operator_enters_and_his_session_is_bound(scene: Emergency):
    grant, key = scene.bring(Status.OPEN), make_session()
    token = operations.enter_grant(grant.pk, actor=scene.cast.gina, session_key=key)
    grant.refresh_from_db()
    assert (grant.session_key_hash, token) == (token, operations.hash_session_key(key))
    assert key not in token
    assert grant.entered_at is not None
    for person in (scene.cast.laura, scene.cast.elsa):
        with pytest.raises(NotAllowed, match="quien la pidió"):
            operations.enter_grant(grant.pk, actor=person, session_key=make_session())
    again = make_session()
    operations.enter_grant(grant.pk, actor=scene.cast.gina, session_key=again)
    assert not Session.objects.filter(session_key=key).exists()  # the older one is gone
    operations.enter_grant(grant.pk, actor=scene.cast.gina, session_key=again)
    assert Session.objects.filter(session_key=again).exists()


def test_nobody_enters_what_is_not_open(scene: Emergency):
    with travel(START, tick=False):
        grant = scene.bring(Status.AUTHORIZED, minutes=10)
        with pytest.raises(WrongStatus):
            operations.enter_grant(grant.pk, actor=scene.cast.gina, session_key=make_session())
        scene.open(grant)
    with travel(START + timedelta(minutes=10), tick=False), pytest.raises(WrongStatus):
        operations.enter_grant(grant.pk, actor=scene.cast.gina, session_key=make_session())


def test_a_developer_does_not_enter(scene: Emergency):
    grant = scene.bring(Status.OPEN)
    give_office(scene.cast.gina, Office.DEVELOPER)
    with pytest.raises(NotAllowed):
        operations.enter_grant(grant.pk, actor=scene.cast.gina, session_key=make_session())


# -- Ending ------------------------------------------------------------------------------------------


@pytest.mark.clause("M27")
def test_one_click_ends_it_and_its_session_seal_and_account(scene: Emergency):
    grant, key, other = scene.bring(Status.OPEN), make_session(), make_session()
    operations.enter_grant(grant.pk, actor=scene.cast.gina, session_key=key)
    with pytest.raises(NotAllowed):
        operations.end_grant(grant.pk, actor=scene.cast.elsa)
    grant = operations.end_grant(grant.pk, actor=scene.cast.gina)
    assert (grant.status, grant.end_reason, grant.ended_by) == (Status.ENDED, "used", scene.cast.gina)
    assert list(Session.objects.values_list("session_key", flat=True)) == [other]
    assert find_open(scene) is None
    assert grant.review.signed_at is None
    assert grant.review.due_at > now() + timedelta(days=1)
    assert scene.account.find_credential() is None
    with pytest.raises(WrongStatus):
        operations.end_grant(grant.pk, actor=scene.cast.gina)
    event = grant.events().last()
    assert event is not None
    assert (event.verb, event.data["changes"]) == ("grant.ended", [])


def test_the_system_ends_only_what_is_over_or_says_why(scene: Emergency):
    with travel(START, tick=False):
        grant = scene.bring(Status.OPEN, minutes=10)
        with pytest.raises(WrongStatus, match="sigue abierta"):
            operations.end_grant(grant.pk)
        assert operations.end_over() == 0
    with travel(START + timedelta(hours=3), tick=False):
        assert operations.end_over() == 1
    grant.refresh_from_db()
    assert (grant.end_reason, grant.ended_at) == ("time", grant.ends_at)  # not when somebody tidied


def test_the_system_may_end_it_for_another_reason(scene: Emergency):
    grant = scene.bring(Status.OPEN)
    assert operations.end_grant(grant.pk, EmergencyGrant.EndReason.REPLACED).end_reason == "replaced"


def test_ended_by_a_clock_that_went_back_it_ended_when_it_began(scene: Emergency):
    with travel(START, tick=False):
        grant = scene.bring(Status.OPEN, minutes=10)
    with travel(START - timedelta(hours=2), tick=False):
        grant = operations.end_grant(grant.pk)
    assert (grant.end_reason, grant.ended_at) == ("clock", grant.opened_at)


def test_a_late_click_says_that_time_ended_it(scene: Emergency):
    with travel(START, tick=False):
        grant = scene.bring(Status.OPEN, minutes=10)
    with travel(START + timedelta(minutes=12), tick=False):
        assert operations.end_grant(grant.pk, actor=scene.cast.gina).end_reason == "time"


def test_a_sweep_leaves_what_ended_in_between(scene: Emergency, monkeypatch):
    grant = scene.bring(Status.OPEN, minutes=10)
    lock = opening.lock_grant

    def end_meanwhile(pk: int):
        monkeypatch.setattr(opening, "lock_grant", lock)
        operations.end_grant(pk, actor=scene.cast.gina)
        return lock(pk)

    monkeypatch.setattr(opening, "lock_grant", end_meanwhile)
    assert operations.end_over() == 0
    grant.refresh_from_db()
    assert grant.status == Status.ENDED
