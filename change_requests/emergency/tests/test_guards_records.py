"""Raw SQL against acts, rows, verdicts and reviews of emergencies: each guard by its name (M26, M27)."""

from datetime import timedelta

import pytest
from django.db import transaction
from django.db.models import F

from accounts.models import Office
from change_requests.emergency import operations
from change_requests.emergency.models import ActivityRecord, ActivityVerdict, EmergencyGrant, GrantReview, RowDifference
from factureya.core import audit, clock
from factureya.core.models import ChainHead
from factureya.testing.emergencies import Emergency, delegate
from factureya.testing.people import give_office
from factureya.testing.raw_sql import execute, insert, refused_by, update

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M26"), pytest.mark.clause("M27")]


@pytest.fixture
def intent(scene: Emergency) -> ActivityRecord:
    """The one act of an open emergency."""
    return operations.record_intent(scene.bring("open").pk, operations.Act(verb="x"))


@pytest.fixture
def review(scene: Emergency, intent: ActivityRecord) -> GrantReview:
    """The review of the emergency, ended, with its act to be judged."""
    operations.end_grant(intent.grant_id, actor=scene.cast.gina)
    return GrantReview.objects.get(grant=intent.grant_id)


def chain(grant: EmergencyGrant, record: ActivityRecord) -> int:
    """Record an event that fits the record, past the operation, and return its key."""
    with transaction.atomic():
        return audit.record("grant.act_intent", grant, actor=None, sha256=record.sha256).pk


def write_verdict(intent: ActivityRecord, reviewer, **columns) -> None:
    """Insert a verdict past the operation."""
    told = {"record": intent, "reviewer": reviewer, "reviewer_name": "x", "verdict": "conform", "at": clock.now()}
    ActivityVerdict.objects.create(**{**told, **columns})


def sign(review: GrantReview, reviewer, **columns) -> None:
    """Sign a review past the operation, with the true head of its chain."""
    head = ChainHead.objects.get(chain=review.grant.chain)
    told = {
        "signed_at": clock.now(),
        "reviewer_id": reviewer.pk,
        "reviewer_name": "x",
        "findings": "todo bien",
        "conform": True,
        "head_seq": head.seq,
        "head_hash": head.hash,
    }
    update(review, **{**told, **columns})


# -- Acts --------------------------------------------------------------------------------------------


def test_an_act_is_of_its_emergency_while_it_is_open(scene, intent):
    others = {"operator_id": scene.cast.elsa.pk, "account_user_id": scene.cast.elsa.pk}
    event = chain(intent.grant, intent)
    for column, value in others.items():
        with refused_by("record_inside_its_grant"):
            insert(intent, **{"seq": 2, "event_id": event, column: value})
    with refused_by("record_inside_its_grant"):
        insert(intent, seq=2, event_id=event, at=intent.grant.ends_at)
    operations.end_grant(intent.grant_id, actor=scene.cast.gina)
    with refused_by("record_inside_its_grant"):
        insert(intent, seq=2, event_id=event)


def test_acts_are_counted_paired_and_in_their_chain(scene, intent):
    with refused_by("record_counts_on"):
        insert(intent, seq=3, event_id=chain(intent.grant, intent))
    with refused_by("record_is_in_its_chain"):
        insert(intent, seq=2, event_id=intent.grant.events().first().pk)
    with refused_by("record_is_in_its_chain"):
        insert(intent, seq=2, event_id=scene.account.events().first().pk)
    assert operations.record_outcome(intent, status=200, ms=1)
    outcome = ActivityRecord.objects.get(kind="outcome")
    with refused_by("record_outcome_of_an_intent"):
        insert(outcome, seq=3, event_id=chain(intent.grant, outcome), pairs_id=outcome.pk)


@pytest.mark.parametrize("column", ["path", "fields", "operator_id", "at", "sha256"])
def test_an_act_never_changes_and_is_never_deleted(intent, column):
    with refused_by("change_requests_activityrecord_no_update"):
        execute(f"UPDATE change_requests_activityrecord SET {column} = {column}")
    with refused_by("change_requests_activityrecord_no_delete"):
        execute("DELETE FROM change_requests_activityrecord")


def test_a_row_is_written_down_by_an_emergency_alone(intent):
    with refused_by("difference_by_its_emergency"):
        RowDifference.objects.create(grant=intent.grant, table_name="accounts_customer", row_pk="1")


def test_an_act_that_was_judged_takes_no_outcome_and_a_system_record_only_with_an_answer(scene, intent, review):
    write_verdict(intent, scene.cast.elsa)
    event = chain(intent.grant, intent)
    with refused_by("record_outcome_before_its_verdict"):
        insert(intent, seq=2, event_id=event, kind="outcome", pairs_id=intent.pk, status=200)
    with refused_by("record_inside_its_grant"):
        insert(intent, seq=2, event_id=event, kind="system")
    insert(intent, seq=2, event_id=event, kind="system", status=200)


# -- Verdicts ----------------------------------------------------------------------------------------


def test_no_verdict_while_it_is_open_or_by_others(scene, intent):
    with refused_by("verdict_by_security"):
        write_verdict(intent, scene.cast.elsa)
    operations.end_grant(intent.grant_id, actor=scene.cast.gina)
    give_office(scene.cast.gina, Office.SECURITY_OFFICER)
    for person in (scene.cast.gina, scene.cast.laura, scene.cast.ana):
        with refused_by("verdict_by_security"):
            write_verdict(intent, person)
    with refused_by("verdict_by_security"):
        write_verdict(intent, scene.cast.elsa, at=clock.now() - timedelta(days=30))
    write_verdict(intent, scene.cast.elsa)


def test_no_verdict_on_an_outcome(scene, intent):
    operations.record_outcome(intent, status=200, ms=1)
    operations.end_grant(intent.grant_id, actor=scene.cast.gina)
    with refused_by("verdict_of_an_act"):
        write_verdict(ActivityRecord.objects.get(kind="outcome"), scene.cast.elsa)


def test_who_stands_in_may_judge(scene, intent, review):
    delegate(scene.cast, scene.cast.laura)
    write_verdict(intent, scene.cast.laura)
    sign(review, scene.cast.laura)


def test_the_operator_does_not_choose_who_judges(scene, intent, review):
    give_office(scene.cast.gina, Office.SECURITY_OFFICER)
    delegate(scene.cast, scene.cast.laura, actor=scene.cast.gina)
    with refused_by("verdict_by_security"):
        write_verdict(intent, scene.cast.laura)
    write_verdict(intent, scene.cast.elsa)
    with refused_by("review_signed_by_security"):
        sign(review, scene.cast.laura)


# -- Reviews -----------------------------------------------------------------------------------------


def test_a_review_is_born_unsigned_after_the_end(scene):
    grant = scene.bring("open")
    with refused_by("review_born_unsigned"):
        GrantReview.objects.create(grant=grant, due_at=clock.now())


def test_the_deadline_of_a_review_stays(review):
    with refused_by("review_facts_stay"):
        GrantReview.objects.filter(pk=review.pk).update(due_at=F("due_at") + timedelta(days=30))


def test_a_signature_needs_security_every_verdict_and_the_true_head(scene, intent, review):
    with refused_by("review_signed_after_every_verdict"):
        sign(review, scene.cast.elsa)
    write_verdict(intent, scene.cast.elsa)
    give_office(scene.cast.gina, Office.SECURITY_OFFICER)
    for person in (scene.cast.gina, scene.cast.laura):
        with refused_by("review_signed_by_security"):
            sign(review, person)
    for wrong in ({"head_seq": 1}, {"head_hash": "0" * 64}):
        with refused_by("review_seals_the_head"):
            sign(review, scene.cast.elsa, **wrong)
    sign(review, scene.cast.elsa)
    with refused_by("review_signed_stays"):
        update(review, findings="otra cosa")
    assert EmergencyGrant.objects.get(pk=intent.grant_id).status == "ended"
