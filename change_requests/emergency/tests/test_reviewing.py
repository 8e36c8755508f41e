"""The review: a verdict for every act, a note where it is due, one signature by somebody else (M27)."""

from datetime import timedelta

import pytest
import time_machine
from django.db import connection

from accounts.models import Office
from change_requests.emergency import operations, policy
from change_requests.emergency.models import ActivityRecord, ActivityVerdict, EmergencyGrant, GrantReview
from change_requests.emergency.operations import reviewing
from change_requests.emergency.review_page import describe_act, list_values
from change_requests.emergency.tests.inside import ADDRESS, WHY, enter, post_change
from factureya.core import clock, guard_install
from factureya.core.models import OutboxMessage
from factureya.core.refusals import Invalid, NotAllowed, Refused, WrongStatus
from factureya.testing.people import give_office, make_staff
from factureya.testing.raw_sql import execute

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.urls("change_requests.emergency.tests.urls"),
    pytest.mark.clause("M27"),
]
NOTE = "Lo pregunté y está bien."


@pytest.fixture
def used(scene) -> EmergencyGrant:
    """An ended emergency: the entry, the named change, another one that was refused, a gap, the end."""
    grant = scene.bring("open")
    client = enter(scene, grant)
    assert post_change(client).status_code == 200
    assert post_change(client, field="phone", new="222 555 0199").status_code == 403
    operations.record_intent(grant.pk, operations.Act(verb="crash", method="GET"))
    operations.end_grant(grant.pk, actor=scene.cast.gina)
    return EmergencyGrant.objects.get(pk=grant.pk)


def judge_all(scene, grant, verdict="conform", note=NOTE) -> None:
    for item in operations.find_items(grant):
        if item.verdict is None:
            operations.judge_record(item.record.pk, verdict, note, actor=scene.cast.elsa)


def test_the_acts_come_in_order_with_what_they_did(scene, used):
    entry, change, other, gap = operations.find_items(used)
    assert entry.record.kind == ActivityRecord.Kind.SYSTEM
    assert (entry.is_gap, entry.is_write, entry.is_foreseen, entry.needs_note) == (False, False, True, False)
    assert (change.is_gap, change.is_write, change.is_foreseen, change.needs_note) == (False, True, True, False)
    assert change.rows[0].row_pk == str(used.customer_id)
    assert (other.is_write, other.is_foreseen, other.needs_note) == (True, False, True)
    assert (gap.is_gap, gap.is_write, gap.is_foreseen, gap.needs_note) == (True, False, False, True)
    assert all(item.verdict is None for item in (entry, change, other, gap))


def test_a_verdict_is_given_once_and_recorded(scene, used):
    _entry, change, *_others = operations.find_items(used)
    verdict = operations.judge_record(change.record.pk, "conform", actor=scene.cast.elsa)
    assert (verdict.reviewer_name, verdict.note) == (scene.cast.elsa.full_name, "")
    event = used.events().filter(verb="grant.judged").get()
    assert (event.data["act"], event.data["foreseen"], event.data["gap"]) == (change.record.seq, True, False)
    with pytest.raises(WrongStatus, match="ya tiene"):
        operations.judge_record(change.record.pk, "observed", NOTE, actor=scene.cast.elsa)


def test_observed_gaps_and_what_was_not_foreseen_need_a_note(scene, used):
    _entry, change, other, gap = operations.find_items(used)
    for item, verdict in ((change, "observed"), (other, "conform"), (gap, "conform"), (gap, "observed")):
        with pytest.raises(Invalid) as refusal:
            operations.judge_record(item.record.pk, verdict, " ", actor=scene.cast.elsa)
        assert list(refusal.value.errors) == ["note"]
    with pytest.raises(Invalid, match="Conforme u Observado"):
        operations.judge_record(change.record.pk, "", NOTE, actor=scene.cast.elsa)
    with pytest.raises(WrongStatus, match="junto con su resultado"):
        operations.judge_record(change.outcome.pk, "conform", NOTE, actor=scene.cast.elsa)
    assert not ActivityVerdict.objects.exists()


def test_only_security_and_never_the_operator(scene, used):
    record = operations.find_items(used)[0].record
    for person in (scene.cast.gina, scene.cast.laura, scene.cast.fabian, scene.cast.ana):
        with pytest.raises(NotAllowed):
            operations.judge_record(record.pk, "conform", actor=person)
        with pytest.raises(NotAllowed):
            operations.sign_review(used.pk, NOTE, True, actor=person)
    give_office(scene.cast.gina, Office.SECURITY_OFFICER)
    with pytest.raises(NotAllowed, match="no la revisa"):
        operations.judge_record(record.pk, "conform", actor=scene.cast.gina)


def test_who_stands_in_for_security_reviews_but_not_for_an_operator(scene, used):
    stand_in = make_staff(Office.SUPERVISOR, full_name="Raquel Suple")
    operations.delegate_office(
        office=Office.SECURITY_OFFICER,
        absent=scene.cast.elsa,
        alternate=stand_in,
        starts_at=clock.now(),
        ends_at=clock.now() + timedelta(days=3),
        reason="Vacaciones de Elsa.",
        actor=scene.cast.elsa,
    )
    assert policy.why_not_review(stand_in, used) is None
    used.operator_id = scene.cast.elsa.pk
    assert isinstance(policy.why_not_review(stand_in, used), NotAllowed)


def test_the_signature_waits_for_every_verdict_and_a_conclusion(scene, used):
    with pytest.raises(Refused, match="Faltan 4"):
        operations.sign_review(used.pk, NOTE, True, actor=scene.cast.elsa)
    *most, last = operations.find_items(used)
    for item in most:
        operations.judge_record(item.record.pk, "conform", NOTE, actor=scene.cast.elsa)
    with pytest.raises(Refused, match="Falta 1"):
        operations.sign_review(used.pk, NOTE, True, actor=scene.cast.elsa)
    operations.judge_record(last.record.pk, "observed", NOTE, actor=scene.cast.elsa)
    with pytest.raises(Invalid, match="la conclusión"):
        operations.sign_review(used.pk, "Sí", True, actor=scene.cast.elsa)
    assert not GrantReview.objects.exclude(signed_at=None).exists()


def test_the_signature_seals_the_head_frees_the_account_and_is_told(scene, used):
    judge_all(scene, used)
    head = used.events().order_by("seq").last()
    review = operations.sign_review(used.pk, NOTE, True, actor=scene.cast.elsa)
    assert (review.head_seq, review.head_hash) == (head.seq, head.hash)
    used.refresh_from_db()
    assert used.status == "reviewed"
    data = used.events().get(verb="grant.reviewed").data
    assert {key: data[key] for key in ("acts", "writes", "gaps", "unforeseen", "observed")} == {
        "acts": 4,
        "writes": 2,
        "gaps": 1,
        "unforeseen": 2,
        "observed": 0,
    }
    assert (data["head_seq"], data["head_hash"], data["late"]) == (head.seq, head.hash, False)
    mails = OutboxMessage.objects.filter(kind="emergency/reviewed")
    assert scene.cast.gina.email in mails.values_list("to", flat=True)
    assert head.hash in mails[0].body
    with pytest.raises(WrongStatus):
        operations.sign_review(used.pk, NOTE, True, actor=scene.cast.elsa)
    scene.seal()
    assert scene.bring("requested").status == "requested"


def test_a_record_that_is_not_whole_is_not_signed(scene, used):
    judge_all(scene, used)
    guard_install.lift(connection)
    execute("UPDATE change_requests_activityrecord SET path = '/otra/' WHERE grant_id = %s", used.pk)
    with pytest.raises(Refused, match="no está íntegra"):
        operations.sign_review(used.pk, NOTE, True, actor=scene.cast.elsa)


def test_a_review_that_is_overdue_is_listed_blocks_the_account_and_is_signed_late(scene, used):
    assert not operations.find_overdue_reviews().exists()
    scene.seal()
    with time_machine.travel(used.review.due_at + timedelta(seconds=1), tick=False):
        assert [review.grant for review in operations.find_overdue_reviews()] == [used]
        assert "vencida" in policy.blocks_next_grant(scene.account)
        with pytest.raises(Refused, match="vencida"):
            scene.request()
        judge_all(scene, used, "observed")
        operations.sign_review(used.pk, NOTE, False, actor=scene.cast.elsa)
        assert used.events().get(verb="grant.reviewed").data["late"] is True
        assert not operations.find_overdue_reviews().exists()


def test_an_emergency_that_was_only_opened_is_signed_at_once(scene):
    grant = scene.bring("ended")
    assert reviewing.count_items(operations.find_items(grant))["acts"] == 0
    assert operations.sign_review(grant.pk, NOTE, True, actor=scene.cast.elsa).conform is True


# -- What is answered late or never ------------------------------------------------------------------


@pytest.mark.clause("M26")
def test_a_gap_has_the_rows_that_changed_after_it(scene):
    grant = scene.bring("open")
    before = operations.record_intent(grant.pk, operations.Act(verb="first", method="GET"))
    operations.record_outcome(before, status=200, ms=1)
    gap = operations.record_intent(grant.pk, operations.Act(verb="change", method="POST"))
    operations.apply_emergency_change(grant.pk, "fiscal_address", ADDRESS, WHY, actor=scene.cast.gina)
    after = operations.record_intent(grant.pk, operations.Act(verb="last", method="GET"))
    operations.record_outcome(after, status=200, ms=1)
    first, changed, last = operations.find_items(grant)
    assert (changed.record, changed.is_gap, changed.is_write) == (gap, True, True)
    assert [row.new["fiscal_address"] for row in changed.rows] == [ADDRESS]
    assert first.rows == last.rows == ()
    assert list_values(changed)[0]["new"] == ADDRESS
    operations.record_outcome(gap, status=200, ms=1)
    assert [len(item.rows) for item in operations.find_items(grant)] == [0, 1, 0]


@pytest.mark.clause("M26")
def test_a_row_that_no_outcome_names_is_of_each_act_that_may_have_changed_it(scene):
    grant = scene.bring("open")
    intents = [operations.record_intent(grant.pk, operations.Act(verb="x", method="POST")) for _number in range(3)]
    operations.record_outcome(intents[2], status=200, ms=1)
    operations.apply_emergency_change(grant.pk, "fiscal_address", ADDRESS, WHY, actor=scene.cast.gina)
    assert [len(item.rows) for item in operations.find_items(grant)] == [1, 1, 0]
    for intent in intents[:2]:  # answered, and the row changed afterwards
        operations.record_outcome(intent, status=200, ms=1)
    late = operations.record_intent(grant.pk, operations.Act(verb="late", method="POST"))
    operations.record_outcome(late, status=200, ms=1)
    operations.apply_emergency_change(grant.pk, "fiscal_address", f"{ADDRESS} 2", WHY, actor=scene.cast.gina)
    assert [len(item.rows) for item in operations.find_items(grant)] == [1, 1, 0, 1]


def test_an_outcome_after_its_verdict_is_an_act_of_its_own_that_must_be_judged(scene):
    grant = scene.bring("open")
    intent = operations.record_intent(grant.pk, operations.Act(verb="change", method="POST"))
    operations.apply_emergency_change(grant.pk, "fiscal_address", ADDRESS, WHY, actor=scene.cast.gina)
    operations.end_grant(grant.pk, actor=scene.cast.gina)
    grant.refresh_from_db()
    judge_all(scene, grant, "observed")
    assert operations.record_outcome(intent, status=200, ms=5) is False
    gap, late = operations.find_items(grant)
    assert gap.is_gap
    assert (late.record.kind, late.record.status) == (ActivityRecord.Kind.SYSTEM, 200)
    assert (late.is_write, late.needs_note, late.verdict) == (True, True, None)
    assert late.rows == gap.rows != ()
    assert describe_act(late) == "Llegó tarde un resultado"
    assert f"Respuesta 200 al acto {intent.seq}" in late.record.object_text
    with pytest.raises(Refused, match="Falta 1"):
        operations.sign_review(grant.pk, NOTE, True, actor=scene.cast.elsa)
    judge_all(scene, grant, "observed")
    assert operations.sign_review(grant.pk, NOTE, True, actor=scene.cast.elsa).signed_at
