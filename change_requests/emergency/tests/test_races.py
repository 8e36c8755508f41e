"""Real threads on PostgreSQL, let loose at one instant: at most one, and none late (M22, M23). RACE_ROUNDS rounds."""

from collections.abc import Iterator
from datetime import timedelta
from functools import partial

import pytest

from change_requests.emergency import operations, policy
from change_requests.emergency.models import CriticalCredential, EmergencyGrant
from factureya.core.clock import now
from factureya.testing.emergencies import WHY, Emergency, Status
from factureya.testing.people import Cast, own_provider
from factureya.testing.races import kinds, race

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True), pytest.mark.clause("M22", "M23")]


@pytest.fixture
def cast() -> Cast:
    own_provider()
    return Cast()


@pytest.fixture
def scenes(cast: Cast, rounds: range) -> Iterator[Emergency]:
    """A sealed account of its own for each round, with the same people."""
    return (Emergency(cast=cast, alias=f"emergencia-{number}") for number in rounds)


def finish(scene: Emergency, grant: EmergencyGrant) -> None:
    """Leave Gina free for the next round."""
    operations.revoke_grant(grant.pk, actor=scene.cast.elsa, reason="Fin de la vuelta.")


def test_two_requests_for_one_account(scenes: Iterator[Emergency]):
    for scene in scenes:
        results = race(scene.request, scene.request)
        assert kinds(results) == {"ok": 1, "WrongStatus": 1}, results
        assert scene.account.grants.filter(status__in=EmergencyGrant.LIVE).count() == 1
        finish(scene, scene.account.grants.get())


def test_a_double_click_makes_one_emergency(scenes: Iterator[Emergency]):
    for scene in scenes:
        results = race(*[partial(scene.request, form_key=f"clave-{scene.alias}")] * 3)
        assert kinds(results) == {"ok": 3}, results
        finish(scene, scene.account.grants.get())


def test_two_reveals_of_one_half(cast: Cast, rounds: range):
    for number in rounds:
        account = operations.add_account(
            alias=f"sello-{number}", purpose="Corregir un dato", scope="fix", actor=cast.elsa
        )
        seal = operations.start_sealing(account.pk, custodian_a=cast.laura, custodian_b=cast.jorge, actor=cast.elsa)
        results = race(*[partial(operations.reveal_half, seal.pk, actor=cast.laura)] * 4)
        assert kinds(results) == {"ok": 1, "WrongStatus": 3}, results
        (half,) = [result for result in results if isinstance(result, str)]
        assert operations.sealing.matches_half(half, CriticalCredential.objects.get(pk=seal.pk).half_a_hash)
        assert [event.verb for event in account.events()].count("credential.revealed") == 1


def test_both_authorize_at_once(scenes: Iterator[Emergency]):
    for scene in scenes:
        grant = scene.request()
        calls = (
            partial(operations.authorize_grant, grant.pk, actor=person, reason=WHY)
            for person in (scene.cast.fabian, scene.cast.elsa)
        )
        assert kinds(race(*calls)) == {"ok": 2}
        grant.refresh_from_db()
        assert grant.status == Status.AUTHORIZED
        finish(scene, grant)


def test_an_authorization_against_a_refusal(scenes: Iterator[Emergency]):
    for scene in scenes:
        grant = scene.request()
        operations.authorize_grant(grant.pk, actor=scene.cast.fabian, reason=WHY)
        elsa = scene.cast.elsa
        results = race(
            partial(operations.authorize_grant, grant.pk, actor=elsa, reason=WHY),
            partial(operations.refuse_grant, grant.pk, actor=elsa, reason=WHY),
        )
        assert kinds(results)["ok"] == 1, results
        grant.refresh_from_db()
        assert grant.status in (Status.AUTHORIZED, Status.REFUSED)
        if grant.is_live:
            finish(scene, grant)


def test_both_halves_at_once_open_one_window(scenes: Iterator[Emergency]):
    for scene in scenes:
        grant = scene.bring(Status.AUTHORIZED)
        calls = [
            partial(operations.give_half, grant.pk, scene.halves[letter], actor=person)
            for letter, person in scene.custodians.items()
        ]
        assert kinds(race(*calls)) == {"ok": 2}
        grant.refresh_from_db()
        assert grant.status == Status.OPEN
        assert grant.ends_at is not None
        assert grant.opened_at is not None
        assert grant.ends_at - grant.opened_at == timedelta(minutes=60)
        assert [event.verb for event in grant.events()].count("grant.opened") == 1
        finish(scene, grant)


def test_wrong_halves_at_once_are_three_tries_at_most(scenes: Iterator[Emergency]):
    for scene in scenes:
        grant = scene.bring(Status.AUTHORIZED)
        wrong = partial(operations.give_half, grant.pk, "AAAA-AAAA", actor=scene.cast.laura)
        results = race(*[wrong] * 6)
        assert kinds(results) == {"WrongHalf": 3, "WrongStatus": 3}, results
        assert scene.account.find_credential() is None
        finish(scene, grant)


def test_a_half_at_the_second_of_expiry(scenes: Iterator[Emergency], settings):
    settings.EMERGENCY_START_MINUTES = 1 / 60 / 2  # half a second
    late = 0
    for scene in scenes:
        grant = scene.request()
        scene.authorize(grant)
        grant.refresh_from_db()
        assert grant.start_before is not None
        give = [
            partial(operations.give_half, grant.pk, scene.halves[letter], actor=person)
            for letter, person in scene.custodians.items()
        ]
        while now() < grant.start_before - timedelta(milliseconds=10):
            pass
        race(*give)
        grant.refresh_from_db()
        if grant.status == Status.OPEN:
            assert grant.opened_at is not None
            assert grant.opened_at < grant.start_before
            finish(scene, grant)
        else:
            late += 1
            operations.lapse_due()
        grant.refresh_from_db()
        assert grant.status in (Status.ENDED, Status.LAPSED)
    assert late >= 0


def test_it_ends_once_and_nobody_is_inside_after(scenes: Iterator[Emergency]):
    for scene in scenes:
        grant = scene.bring(Status.OPEN)
        results = race(
            partial(operations.end_grant, grant.pk, actor=scene.cast.gina),
            partial(operations.revoke_grant, grant.pk, actor=scene.cast.elsa, reason="Ya no hace falta."),
            partial(operations.enter_grant, grant.pk, actor=scene.cast.gina, session_key="clave-de-sesion"),
        )
        outcome = kinds(results[:2])
        assert outcome == {"ok": 1, "WrongStatus": 1}, results
        assert policy.find_open_grant(scene.account.user) is None
        assert [event.verb for event in grant.events()].count("grant.ended") == 1
