"""The raw statements of a dishonest administrator against what a request rests on: each is refused by name (M26)."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from accounts.models import Office
from change_requests import operations
from change_requests.models import Evidence, FormalRequest, ReceivedForm, RequestRevision
from factureya.core.clock import now
from factureya.core.files import store
from factureya.core.models import Attachment, InboundMessage
from factureya.testing import request_histories
from factureya.testing.people import Cast, make_hugo, make_staff
from factureya.testing.raw_sql import copy_statement, execute, execute_as_owner, insert, refused_by, sqlite_only, update
from factureya.testing.requests import attempt, decide, make_request, revise, waive

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M20", "M21", "M26")]
Status = FormalRequest.Status
SECOND = timedelta(seconds=1)
RISKY = {"registered_email": "facturas@nuevo.mx"}


@pytest.fixture(autouse=True)
def _store(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path


def with_evidence(cast: Cast, status: str) -> FormalRequest:
    """Bring a request with a file of evidence to a status."""
    request = request_histories.draft(cast)
    request_histories.add_file(cast, request)
    for reached in request_histories.ORDER[1 : request_histories.ORDER.index(Status(status)) + 1]:
        request = request_histories.step(cast, request, reached)
    return request


# -- The wait after the approval ---------------------------------------------------------------------


def approved_columns(request: FormalRequest, wait: timedelta) -> dict[str, Any]:
    at = now()
    return {
        "status": "approved",
        "approved_at": at,
        "execute_after": at + wait,
        "execute_before": at + wait + timedelta(days=7),
        "new_mail_revision": request.revision_no,
    }


def test_an_approval_of_the_registered_mail_waits_its_hours():
    cast = Cast()
    request = request_histories.make(cast, Status.IN_APPROVAL, items=RISKY)
    assert request.read_revision().freeze_hours == 72
    decide(request, cast.fabian, "owner")
    decide(request, cast.elsa, "security")
    for wait in (timedelta(0), timedelta(hours=72) - SECOND):
        with refused_by("request_freeze_holds"):
            update(request, **approved_columns(request, wait))
    update(request, **approved_columns(request, timedelta(hours=72)))


def test_a_request_without_risk_has_no_wait():
    request = request_histories.make(Cast(), Status.APPROVED)
    assert request.read_revision().freeze_hours == 0
    assert request.execute_after == request.approved_at


def test_the_hours_of_a_version_never_change_and_are_always_told():
    request = make_request(Status.SUBMITTED)
    row = RequestRevision.objects.get(request=request)
    with refused_by("change_requests_requestrevision_no_update"):
        update(row, freeze_hours=0)
    update(request, status="returned")
    request.refresh_from_db()
    with refused_by("revision_says_its_freeze"):
        revise(request, {"phone": "222 555 0155"}, columns={"freeze_hours": None})


def test_an_approval_is_not_older_than_its_decisions():
    request = make_request(Status.IN_APPROVAL)
    cast = Cast()
    decide(request, cast.fabian, "owner")
    decide(request, cast.elsa, "security")
    earlier = now() - timedelta(hours=73)
    with refused_by("request_approved_after_its_decisions"):
        update(request, **approved_columns(request, timedelta(0)) | {"approved_at": earlier})


# -- When it was decided -----------------------------------------------------------------------------


def test_a_decision_is_not_older_than_what_it_decides():
    request = make_request(Status.IN_APPROVAL)
    elsa = make_staff(Office.SECURITY_OFFICER)
    execute_as_owner(  # an office that she has had for long
        "UPDATE accounts_roleassignment SET starts_at = %s WHERE user_id = %s", now() - timedelta(days=30), elsa.pk
    )
    assert request.verified_at is not None
    for before in (timedelta(days=1), timedelta(milliseconds=5)):
        with refused_by("decision_after_its_version"):
            decide(request, elsa, "security", decided_at=request.verified_at - before)
    decide(request, elsa, "security", decided_at=request.verified_at)


# -- «No fui yo» -------------------------------------------------------------------------------------


def resumed(by: int, **changes: Any) -> dict[str, Any]:
    return {"suspended_at": None, "resumed_at": now(), "resumed_by_id": by, **changes}


def test_a_stopped_request_goes_on_only_by_the_security_officer():
    request = make_request(Status.APPROVED)
    stopped = now()
    elsa, laura = make_staff(Office.SECURITY_OFFICER), make_staff(Office.SUPERVISOR)
    gone = make_staff(Office.SECURITY_OFFICER, is_active=False)
    with refused_by("request_resumed_with_its_stop"):
        update(request, resumed_at=now(), resumed_by_id=elsa.pk)
    update(request, suspended_at=stopped)
    for columns in (
        {"suspended_at": None},
        {"suspended_at": now() + timedelta(days=1)},
        {"suspended_at": None, "resumed_at": now()},
        resumed(laura.pk),
        resumed(gone.pk),
        resumed(elsa.pk, resumed_at=stopped - SECOND),
    ):
        with refused_by("request_resumed_by_security", "request_resumed_with_its_stop"):
            update(request, **columns)
    update(request, **resumed(elsa.pk))
    update(request, suspended_at=now())
    with refused_by("request_resumed_by_security"):  # her earlier word is no word about this one
        update(request, suspended_at=None)


def test_the_time_to_apply_grows_by_the_stop_and_no_more():
    request = make_request(Status.APPROVED)
    assert request.execute_before is not None
    stopped, elsa = now(), make_staff(Office.SECURITY_OFFICER)
    update(request, suspended_at=stopped)
    for days in (400, 11):
        with refused_by("request_window_grows_by_the_stop"):
            update(request, **resumed(elsa.pk), execute_before=request.execute_before + timedelta(days=days))
    longer = request.execute_before + timedelta(days=9)
    update(request, **resumed(elsa.pk), execute_before=longer)


def test_nothing_is_executed_before_it_was_resumed():
    request = make_request(Status.APPROVED)
    elsa = make_staff(Office.SECURITY_OFFICER)
    update(request, suspended_at=now())
    update(request, **resumed(elsa.pk, resumed_at=now() + timedelta(days=1)))
    request.refresh_from_db()
    with refused_by("execution_after_the_resume"):
        attempt(request)


def test_an_alarm_ends_only_by_the_security_officer():
    cast = Cast()
    request = request_histories.make(cast, Status.EXECUTED)
    with refused_by("request_alarm_seen_with_its_alarm"):
        update(request, alarm_seen_at=now(), alarm_seen_by_id=cast.elsa.pk)
    operations.not_me(request.pk)
    for columns in (
        {"alarmed_at": None},
        {"alarmed_at": None, "alarm_seen_at": now(), "alarm_seen_by_id": cast.laura.pk},
    ):
        with refused_by("request_alarm_seen_by_security"):
            update(request, **columns)
    operations.mark_alarm_seen(request.pk, actor=cast.elsa, reason="La empresa confirmó por teléfono.")
    request.refresh_from_db()
    assert (request.alarmed_at, request.alarm_seen_by) == (None, cast.elsa)


# -- The confirmation --------------------------------------------------------------------------------


def test_a_confirmation_carries_the_mailbox_that_confirmed():
    cast = Cast()
    request = request_histories.make(cast, Status.SUBMITTED)
    for mailbox in ("", "otro@ejemplo.mx"):
        with refused_by("request_confirmed_from_its_mailbox"):
            update(request, status="verifying", confirmed_at=now(), confirmed_mailbox=mailbox)
    request = request_histories.confirm(cast, request)
    assert request.confirmed_mailbox == cast.customer.registered_email
    with refused_by("request_confirmed_from_its_mailbox"):
        update(request, confirmed_mailbox="otro@ejemplo.mx")


# -- Waivers -----------------------------------------------------------------------------------------


@pytest.mark.clause("M25")
def test_a_waiver_is_checked_after_the_execution_and_not_in_its_second():
    request = make_request(Status.APPROVED)
    waiver = waive(request, make_hugo())
    checked = {"conform": True, "findings": "Todo coincide."}
    with refused_by("waiver_checked_after_the_execution"):  # nothing was executed
        update(waiver, checked_at=now() + timedelta(days=1), **checked)
    execution = attempt(request)
    for at in (execution.at - timedelta(days=1), execution.at, execution.at + timedelta(milliseconds=900)):
        with refused_by("waiver_checked_after_the_execution"):
            update(waiver, checked_at=at, **checked)
    update(waiver, checked_at=execution.at + SECOND, **checked)


@pytest.mark.clause("M25")
def test_the_dates_of_a_waiver_follow_its_request():
    request = make_request(Status.IN_APPROVAL)
    elsa, hugo = make_staff(Office.SECURITY_OFFICER), make_hugo()
    execute_as_owner("UPDATE accounts_roleassignment SET starts_at = %s", now() - timedelta(days=30))
    with refused_by("waiver_granted_in_its_time"):
        waive(request, hugo, approved_by=elsa, approved_at=now() - timedelta(days=1))
    with refused_by("waiver_granted_in_its_time"):
        waive(request, hugo, approved_by=elsa, check_due=now() + timedelta(days=1))
    waiver = waive(request, hugo, approved_by=elsa)
    with refused_by("waiver_due_after_the_execution"):
        update(waiver, check_due=now() + timedelta(days=1))


@pytest.mark.clause("M25")
def test_the_check_of_a_waiver_is_not_put_off():
    request = make_request(Status.APPROVED)
    waiver, execution = waive(request, make_hugo()), attempt(request)
    for due in (execution.at, execution.at + timedelta(days=400)):
        with refused_by("waiver_due_after_the_execution"):
            update(waiver, check_due=due)
    update(waiver, check_due=execution.at + timedelta(days=3))


@pytest.mark.clause("M25")
def test_a_waiver_granted_after_the_execution_waives_nothing():
    request = make_request(Status.APPROVED)
    hugo = make_hugo()
    waiver = waive(request, hugo, approved_at=now() + timedelta(hours=1))
    update(request, waiver_id=waiver.pk, implementer_id=hugo.pk, designated_at=now())
    request.refresh_from_db()
    with refused_by("execution_by_office_in_force", "execution_not_by_developer"):
        attempt(request)


# -- Files -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [Status.SUBMITTED, Status.IN_APPROVAL, Status.APPROVED, Status.EXECUTED])
def test_evidence_is_dropped_and_added_only_while_the_request_is_edited(status: str):
    cast = Cast()
    request = with_evidence(cast, status)
    row = Evidence.objects.get(request=request)
    with refused_by("evidence_dropped_with_an_edit"):
        update(row, dropped_at=now())
    file = store.store(SimpleUploadedFile("otra.txt", b"Otra"), draft="k")
    with refused_by("evidence_comes_with_an_edit"):
        insert(row, attachment_id=file.pk, sha256=file.sha256, revision_no=None)


def test_evidence_is_added_as_new_and_dropped_in_a_draft():
    cast = Cast()
    request = request_histories.add_file(cast, request_histories.draft(cast))
    row = Evidence.objects.get(request=request)
    file = store.store(SimpleUploadedFile("otra.txt", b"Otra"), draft="k")
    for columns in ({"revision_no": 1}, {"dropped_at": now()}):
        with refused_by("evidence_comes_with_an_edit"):
            insert(row, attachment_id=file.pk, sha256=file.sha256, **columns)
    update(row, dropped_at=now())


@pytest.mark.parametrize(
    ("column", "value"),
    [("sha256", "0" * 64), ("size", 1), ("name", "otro.txt"), ("token", "x"), ("file", "x/x"), ("content_type", "a/b")],
)
def test_a_stored_file_stays_as_it_was_stored(column: str, value: Any):
    request = with_evidence(Cast(), Status.SUBMITTED)
    with refused_by("core_attachment_never_changes"):
        update(Attachment.objects.get(pk=request.evidence.get().attachment_id), **{column: value})


def test_a_file_that_something_took_stays():
    request = with_evidence(Cast(), Status.SUBMITTED)
    file = request.evidence.get().attachment
    with refused_by("core_attachment_stays_taken"):
        update(file, draft="k")
    with refused_by("core_attachment_no_delete"):
        execute("DELETE FROM core_attachment WHERE id = %s", file.pk)
    other = store.store(SimpleUploadedFile("otra.txt", b"Otra"), draft="k")
    execute("DELETE FROM core_attachment WHERE id = %s", other.pk)  # nobody took it


@sqlite_only
def test_a_stored_file_is_not_replaced():
    request = with_evidence(Cast(), Status.SUBMITTED)
    file = request.evidence.get().attachment
    sql, params = copy_statement(Attachment, file.pk, "INSERT OR REPLACE", id=file.pk, sha256="0" * 64)
    with refused_by("core_attachment_no_replace"):
        execute(sql, *params)


# -- Forms that came by mail -------------------------------------------------------------------------


def received(request: FormalRequest, **columns: Any) -> ReceivedForm:
    mail = InboundMessage.objects.create(source="pipe", received_at=now(), message_id="uno@ocaso", digest="0" * 64)
    file = store.store(SimpleUploadedFile("formato.txt", b"Formato"), draft="k")
    return ReceivedForm.objects.create(
        **{
            "request": request,
            "attachment": file,
            "name": file.name,
            "sha256": file.sha256,
            "size": file.size,
            "inbound": mail,
            "sender": "ana@ocaso.example",
            "message_id": mail.message_id,
            "verdict": "pass",
            "mail_sha256": "1" * 64,
            **columns,
        }
    )


def test_a_received_form_is_for_ever():
    row = received(request_histories.draft(Cast()))
    assert str(row) == f"formato {row.pk}"
    for columns in ({"sender": "otro@ocaso.example"}, {"verdict": "none"}, {"mail_sha256": "2" * 64}):
        with refused_by("change_requests_receivedform_no_update"):
            update(row, **columns)
    with refused_by("change_requests_receivedform_no_delete"):
        execute("DELETE FROM change_requests_receivedform")


@pytest.mark.parametrize(
    ("columns", "name"),
    [
        ({"sha256": "0" * 64}, "received_form_is_its_file"),
        ({"size": 1}, "received_form_is_its_file"),
        ({"message_id": "dos@ocaso"}, "received_form_is_of_its_mail"),
    ],
)
def test_a_received_form_is_its_file_and_of_its_mail(columns: dict[str, Any], name: str):
    row = received(request_histories.draft(Cast()))
    with refused_by(name):
        insert(row, **columns)


def test_no_form_is_received_by_a_request_that_was_sent():
    cast = Cast()
    request = request_histories.draft(cast)
    row = received(request)
    request_histories.step(cast, request, Status.SUBMITTED)
    with refused_by("received_form_comes_with_an_edit"):
        insert(row)
