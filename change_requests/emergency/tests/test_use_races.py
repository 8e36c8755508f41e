"""Two things at one instant: a use and the end, a use and a revocation, two entries (M23, M26). PostgreSQL only."""

from datetime import timedelta
from functools import partial

import pytest
from django.utils import timezone

from accounts.models import Customer
from change_requests.emergency import operations, record_checks
from change_requests.emergency.models import ActivityRecord, EmergencyGrant
from change_requests.emergency.tests.inside import WHY
from factureya.core.refusals import Refused, WrongStatus
from factureya.testing.emergencies import Emergency
from factureya.testing.races import race

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres, pytest.mark.clause("M23")]
ACT = operations.Act(verb="x")


@pytest.fixture
def scene() -> Emergency:
    """A sealed account and its people."""
    return Emergency()


def change(scene, grant, new):
    """Return the call that changes the field, as Gina."""
    return partial(operations.apply_emergency_change, grant.pk, "fiscal_address", new, WHY, actor=scene.cast.gina)


def sign(scene, grant):
    """Return the call that signs the review, as Elsa."""
    return partial(operations.sign_review, grant.pk, "Se revisó todo.", True, actor=scene.cast.elsa)


def judge(scene, record_pk):
    """Return the call that judges an act, as Elsa."""
    return partial(operations.judge_record, record_pk, "observed", "Visto en la prueba.", actor=scene.cast.elsa)


def finish(scene, grant) -> None:
    """End and review, so that the next round can begin with a new seal."""
    if EmergencyGrant.objects.get(pk=grant.pk).status == "open":
        operations.end_grant(grant.pk, actor=scene.cast.gina)
    for item in operations.find_items(grant):
        if item.verdict is None:
            judge(scene, item.record.pk)()
    sign(scene, grant)()


def test_a_change_and_a_revocation_one_is_first_and_nothing_is_written_late(scene, rounds):
    for turn in rounds:
        grant, new = scene.bring("open"), f"Calle {turn}, Puebla"
        revoke = partial(operations.revoke_grant, grant.pk, actor=scene.cast.elsa, reason="Ya no hace falta.")
        changed, revoked = race(change(scene, grant, new), revoke)
        assert not isinstance(revoked, Exception)
        verbs = list(grant.events().order_by("seq").values_list("verb", flat=True))
        value = Customer.objects.get(pk=grant.customer_id).fiscal_address
        if isinstance(changed, Refused):
            assert value != new
            assert "grant.changed" not in verbs
        else:
            assert value == new
            assert verbs.index("grant.changed") < verbs.index("grant.ended")
        finish(scene, grant)
        scene.seal()


def test_a_use_at_the_second_of_its_end_is_before_it_or_refused(scene, rounds, monkeypatch):
    real = timezone.now
    for turn in rounds:
        grant = scene.bring("open", minutes=1)
        shift = grant.ends_at - real() - timedelta(milliseconds=5 + turn % 40)
        monkeypatch.setattr(timezone, "now", lambda by=shift: real() + by)
        uses = [change(scene, grant, f"Avenida {turn}, número {number}, Puebla") for number in range(2)]
        intents = [partial(operations.record_intent, grant.pk, ACT)] * 2
        results = race(*uses, *intents, operations.end_over)
        assert {type(result) for result in results if isinstance(result, Exception)} <= {WrongStatus}
        assert all(made.at < grant.ends_at for made in grant.changes.all())
        assert all(record.at < grant.ends_at for record in ActivityRecord.objects.filter(grant=grant))
        monkeypatch.setattr(timezone, "now", lambda by=shift: real() + by + timedelta(minutes=2))
        operations.end_over()
        assert EmergencyGrant.objects.get(pk=grant.pk).ended_at <= grant.ends_at
        finish(scene, grant)
        monkeypatch.setattr(timezone, "now", real)
        scene.seal()  # by the real clock, as the halves that open it


def test_two_requests_at_once_have_two_numbers(scene, rounds):
    grant = scene.bring("open")
    for _ in rounds:
        intents = race(*[partial(operations.record_intent, grant.pk, ACT)] * 4)
        outcomes = race(*[partial(operations.record_outcome, intent, status=200, ms=1) for intent in intents])
        assert outcomes == [True] * 4
    seqs = list(ActivityRecord.objects.filter(grant=grant).order_by("seq").values_list("seq", flat=True))
    assert seqs == list(range(1, len(seqs) + 1))
    assert record_checks.find_flaws_of_grant(grant) == []


def test_two_entries_at_once_leave_one_session(scene, rounds):
    grant = scene.bring("open")
    for turn in rounds:
        enter = partial(operations.enter_grant, grant.pk, actor=scene.cast.gina)
        tokens = race(*[partial(enter, session_key=f"{turn}-{number}") for number in range(3)])
        assert EmergencyGrant.objects.get(pk=grant.pk).session_key_hash in tokens


def test_two_signatures_at_once_are_one(scene, rounds):
    for _ in rounds:
        grant = scene.bring("ended")
        results = race(*[sign(scene, grant)] * 3)
        assert sum(not isinstance(result, Exception) for result in results) == 1
        scene.seal()


def test_two_verdicts_at_once_are_one(scene, rounds):
    for _ in rounds:
        grant = scene.bring("open")
        intent = operations.record_intent(grant.pk, ACT)
        operations.end_grant(grant.pk, actor=scene.cast.gina)
        results = race(*[judge(scene, intent.pk)] * 3)
        assert sum(not isinstance(result, Exception) for result in results) == 1
        finish(scene, grant)
        scene.seal()
