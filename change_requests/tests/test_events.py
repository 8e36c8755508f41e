"""What the events of a request say: all that the auditor asks, and how each act was authenticated (M20, M21, M26)."""

import hashlib
import json
from datetime import timedelta
from typing import Any
from unittest.mock import Mock

import pytest
from django.db import DatabaseError
from django.test import Client
from django.urls import reverse

from accounts.models import Method, Proof, User
from change_requests import links, operations
from change_requests.documents import archive, evidence, receipt
from change_requests.kinds.fields import REGISTERED_EMAIL
from change_requests.models import DecisionSlot, FormalRequest
from change_requests.record import facts
from change_requests.tests.control.test_control_pages import act, browser, look
from factureya.core import audit, clock
from factureya.core.models import Event
from factureya.testing import request_histories
from factureya.testing.people import add_alternate, make_hugo, make_staff
from factureya.testing.request_histories import WHY, code_in_mail, link_in_mail, seen

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M20", "M21", "M26")]
Status = FormalRequest.Status
PROOF = Proof(Method.PASSWORD, True, clock.now(), "192.0.2.7")


@pytest.fixture(autouse=True)
def _store(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path


def last(request: FormalRequest, verb: str) -> dict[str, Any]:
    data: dict[str, Any] = request.events().filter(verb=f"request.{verb}").latest("seq").data
    return data


def named(person: User) -> dict[str, Any]:
    return {"pk": person.pk, "name": person.get_full_name()}


def test_a_submission_says_who_what_and_by_which_powers(cast):
    request = request_histories.add_file(cast, request_histories.draft(cast))
    request = operations.submit(request.pk, actor=cast.ana, proof=PROOF)
    data, file, powers = last(request, "submitted"), request.evidence.get().attachment, request.representative
    assert data["revision"] == 1
    assert data["sha256"] == request.read_revision().sha256
    assert data["oath"] is True
    assert data["freeze_hours"] == 0
    assert data["evidence"] == [{"name": file.name, "sha256": file.sha256, "bytes": file.size}]
    assert (data["form"], data["mail"], data["revert_of"], data["channel"]) == (None, None, None, "portal")
    assert data["requester"] == named(cast.ana)
    assert data["customer"] == facts.describe_customer(cast.customer)
    assert data["representative"]["pk"] == powers.pk
    assert data["representative"]["valid_from"] == powers.valid_from.isoformat()
    assert data["representative"]["document_sha256"] is None
    assert data["acuse_sha256"] == receipt.hash_facts(request, request.read_revision())
    assert data["auth"] == PROOF.as_data()
    assert data["company"] == cast.customer.legal_name  # as before
    assert receipt.read_receipt(request).requester == "Ana Robles"


def test_the_document_of_the_powers_is_told_by_its_hash(cast):
    request, _ = request_histories.approve_representative(cast)
    request.execute_after = clock.now()
    with clock.at(clock.now() + timedelta(hours=72)):
        operations.execute(request.pk, actor=cast.gina)
    powers = cast.customer.representatives.latest("pk")
    told = facts.describe_representative(powers)
    assert told["document_sha256"] == powers.document.sha256
    assert told["valid_until"] is None


def test_evidence_is_told_by_name_hash_and_size(cast):
    request = request_histories.add_file(cast, request_histories.draft(cast))
    row = request.evidence.select_related("attachment").get()
    told = facts.describe_file(row.attachment)
    assert last(request, "evidence_added")["evidence"] == [told]
    operations.remove_evidence(request.pk, actor=cast.ana, evidence=row, proof=PROOF)
    assert last(request, "evidence_dropped") == {**told, "auth": PROOF.as_data()}


def test_a_confirmation_says_which_mailbox_which_link_and_from_where(cast):
    request = request_histories.make(cast, Status.SUBMITTED)
    address = link_in_mail(cast.customer.registered_email, "confirmar")
    client = browser(cast.ana)
    assert client.post(address, REMOTE_ADDR="192.0.2.9").status_code == 302
    data, token = last(request, "confirmed"), address.rstrip("/").rpartition("/")[2]
    assert data["mailbox"] == cast.customer.registered_email
    assert data["token_sha256"] == hashlib.sha256(token.encode()).hexdigest()
    assert data["sent_at"][:16] == request.submitted_at.isoformat()[:16]
    assert (data["auth"]["method"], data["auth"]["ip"]) == ("link", "192.0.2.9")
    assert token not in json.dumps(list(Event.objects.values_list("data", flat=True)))


def test_no_fui_yo_says_which_link_and_from_where(cast):
    request = request_histories.make(cast, Status.SUBMITTED)
    address = link_in_mail(cast.customer.registered_email, "no-fui-yo")
    Client().post(address, REMOTE_ADDR="192.0.2.9")
    data, token = last(request, "disowned"), address.rstrip("/").rpartition("/")[2]
    assert (data["mailbox"], data["before_status"], data["revision"]) == (
        cast.customer.registered_email,
        "submitted",
        1,
    )
    assert data["token_sha256"] == hashlib.sha256(token.encode()).hexdigest()
    assert data["sent_at"]
    assert (data["auth"]["method"], data["auth"]["ip"]) == ("link", "192.0.2.9")
    assert links.NO_LINK.as_data() == {"token_sha256": "", "sent_at": None}


def test_a_new_mail_is_proven_by_the_code_from_some_address(cast):
    items = {REGISTERED_EMAIL.code: "facturas@nuevo.mx"}
    request = request_histories.draft(cast, items=items)
    request = request_histories.step(cast, request, Status.SUBMITTED)
    request = request_histories.confirm(cast, request)
    code = code_in_mail("facturas@nuevo.mx")
    browser(cast.ana).post(reverse("requests:code", args=[request.folio]), {"code": code}, REMOTE_ADDR="192.0.2.9")
    data = last(request, "new_mail_proven")
    assert (data["mailbox"], data["columns"]) == ("facturas@nuevo.mx", {"new_mail_revision": 1})
    assert data["sent_at"]
    assert (data["auth"]["method"], data["auth"]["ip"]) == ("code", "192.0.2.9")


def test_a_verification_keeps_its_note_and_what_was_checked(cast):
    request = request_histories.make(cast, Status.VERIFYING)
    operations.verify(request.pk, actor=cast.laura, note="Llamé a la empresa", proof=PROOF)
    data = last(request, "verified")
    assert data["note"] == "Llamé a la empresa"
    assert data["checks"] == {
        "mailbox": cast.customer.registered_email,
        "powers": request.representative_id,
        "evidence": 0,
    }
    assert data["auth"] == PROOF.as_data()


def test_a_decision_says_office_mandate_assets_and_content(cast):
    request = request_histories.make(cast, Status.IN_APPROVAL)
    decided = {"reason": WHY, "seen_hash": seen(request), "proof": PROOF}
    operations.approve(request.pk, actor=cast.fabian, **decided)
    data, row = last(request, "approved_by"), request.decisions.get()
    assert (data["office"], data["mandate"], data["verdict"]) == ("owner", "owner", "approve")
    assert data["office_assignment"] == row.assignment_id
    assert data["assets"] == [slot.asset.code for slot in DecisionSlot.objects.order_by("pk")]
    assert (data["reason"], data["sha256"], data["decided_at"]) == (WHY, row.sha256, facts.show_instant(row.decided_at))
    assert data["auth"] == PROOF.as_data()
    operations.approve(request.pk, actor=cast.elsa, **decided)
    data = last(request, "approved")
    assert (data["office"], data["mandate"], data["assets"]) == ("security", "", [])
    request.refresh_from_db()
    assert data["execute_after"] == facts.show_instant(request.execute_after)


def test_an_alternate_decides_by_delegation(cast):
    request = request_histories.make(cast, Status.IN_APPROVAL)
    other = make_staff("information_owner", full_name="Jorge Suplente")
    now = clock.now()
    add_alternate(other, now - timedelta(days=1), now + timedelta(days=1))
    operations.reject(request.pk, actor=other, reason=WHY, seen_hash=seen(request))
    data = last(request, "rejected")
    assert (data["mandate"], data["verdict"]) == ("alternate", "reject")
    assert data["auth"] == {"method": "none", "factor": False, "at": "", "ip": ""}


def test_designation_execution_and_close_name_people_and_values(cast):
    request = request_histories.make(cast, Status.APPROVED)
    assert last(request, "designated")["implementer"] == named(cast.gina)
    execution = operations.execute(request.pk, actor=cast.gina, proof=PROOF)
    data = last(request, "executed")
    assert data["executor"] == named(cast.gina)
    assert (data["values_before"], data["values_after"]) == (execution.before, execution.after)
    assert (data["sha256"], data["at"], data["revision"]) == (execution.sha256, facts.show_instant(execution.at), 1)
    assert data["auth"] == PROOF.as_data()
    operations.close(request.pk, actor=cast.laura, proof=PROOF)
    assert last(request, "closed")["auth"] == PROOF.as_data()


def test_a_failed_execution_says_the_values_it_found(cast):
    request = request_histories.make(cast, Status.FAILED)
    data = last(request, "failed")
    assert data["values_before"] == {"phone": "999"}
    assert data["values_after"] == {}


@pytest.mark.clause("M25")
@pytest.mark.parametrize("is_late", [False, True])
def test_a_waiver_and_its_check_tell_all(cast, is_late):
    hugo, request = make_hugo(), request_histories.make(cast, Status.APPROVED)
    text = {
        "reason": "Nadie más está disponible hoy y la empresa no puede esperar a mañana.",
        "controls": "Lo acompaña Laura.",
    }
    request = operations.grant_waiver(request.pk, actor=cast.elsa, implementer=hugo, checker=cast.jorge, **text)
    data, waiver = last(request, "waived"), request.waiver
    assert data["waiver"] == waiver.pk
    assert (data["implementer"], data["checker"]) == (named(hugo), named(cast.jorge))
    assert {key: data[key] for key in text} == text
    operations.execute(request.pk, actor=hugo)
    waiver.refresh_from_db()
    assert last(request, "executed")["check_due"] == facts.show_instant(waiver.check_due)
    with clock.at(waiver.check_due + timedelta(seconds=1 if is_late else -1)):
        operations.check_waiver(request.pk, actor=cast.jorge, findings="Todo coincide.", ok=True)
    data = last(request, "waiver_checked")
    assert (data["waiver"], data["conform"], data["findings"]) == (waiver.pk, True, "Todo coincide.")
    assert data["due_at"] == facts.show_instant(waiver.check_due)
    assert data["late"] is is_late


def test_every_act_of_a_person_says_how_he_was_authenticated(cast):
    request = request_histories.make(cast, Status.CLOSED)
    operations.revert(request.pk, actor=cast.laura, reason="Se pidió por error, según la empresa.")
    acts = Event.objects.filter(verb__startswith="request.", actor__isnull=False)
    assert acts.count() > 8
    assert all(set(event.data["auth"]) == {"method", "factor", "at", "ip"} for event in acts)
    assert not list(audit.find_flaws())


def test_the_system_has_no_proof(cast):
    request = request_histories.make(cast, Status.EXPIRED)
    assert "auth" not in last(request, "expired")


# -- By the pages ------------------------------------------------------------------------------------


def test_the_pages_of_mesa_de_control_tell_the_password_typed_again(cast):
    request = request_histories.make(cast, Status.VERIFYING)
    act(cast.laura, request, "verify", outcome="verify", reason="Revisé el poder y el correo.")
    auth = last(request, "verified")["auth"]
    assert (auth["method"], auth["ip"]) == ("password", "127.0.0.1")
    assert auth["at"]


def test_the_pages_of_the_customer_tell_the_session(cast):
    request = request_histories.draft(cast)
    browser(cast.ana).post(reverse("requests:withdraw", args=[request.folio]))
    client = browser(cast.ana)
    request = request_histories.make(cast, Status.SUBMITTED)
    client.post(reverse("requests:not_me_here", args=[request.folio]))
    auth = last(request, "disowned")["auth"]
    assert (auth["method"], auth["ip"]) == ("session", "127.0.0.1")


# -- Readings ----------------------------------------------------------------------------------------


def readings(request: FormalRequest) -> list[Event]:
    return list(Event.objects.filter(chain=operations.find_readings_chain(request)).order_by("seq"))


def finish(page: Any) -> None:
    """Close the file of an answer, but not the connection to the database, as the server would after an answer."""
    for close in page._resource_closers:
        close()


def test_a_download_of_the_expediente_is_recorded_with_its_hash(cast):
    request = request_histories.make(cast, Status.IN_APPROVAL)
    count = request.events().count()
    page = look(cast.elsa, request, "expediente_zip")
    content = b"".join(page.streaming_content)
    event = readings(request)[0]
    assert event.verb == "request.expediente_downloaded"
    assert event.data["sha256"] == hashlib.sha256(content).hexdigest()
    assert (event.data["who"], event.data["folio"]) == (named(cast.elsa), request.folio)
    assert event.data["auth"]["method"] == "session"
    again = b"".join(look(cast.elsa, request, "expediente_zip").streaming_content)
    assert again == content  # a reading moves nothing of the request
    assert request.events().count() == count
    finish(browser(cast.elsa).head(reverse("control:expediente_zip", args=[request.folio])))
    assert len(readings(request)) == 2


def test_staff_that_reads_evidence_is_recorded_and_the_company_is_not(cast):
    request = request_histories.add_file(cast, request_histories.draft(cast))
    for reached in (Status.SUBMITTED, Status.VERIFYING):
        request = request_histories.step(cast, request, reached)
    file = request.evidence.get().attachment
    address = reverse("control:evidence", args=[request.folio, file.token])
    pages = [
        browser(cast.laura).get(address),
        browser(cast.laura).head(address),
        browser(cast.ana).get(reverse("requests:evidence", args=[file.token])),
    ]
    assert [page.status_code for page in pages] == [200, 200, 200]
    for page in pages:
        finish(page)
    (event,) = readings(request)
    assert (event.verb, event.data["name"], event.data["sha256"]) == ("request.evidence_read", file.name, file.sha256)


@pytest.mark.parametrize("name", ["expediente_zip", "evidence"])
def test_a_file_whose_reading_cannot_be_recorded_is_not_sent_and_is_closed(cast, monkeypatch, name):
    request = request_histories.add_file(cast, request_histories.draft(cast))
    for reached in (Status.SUBMITTED, Status.VERIFYING):
        request = request_histories.step(cast, request, reached)
    opened: list[Any] = []

    def keep(module, opener):
        call = getattr(module, opener)
        monkeypatch.setattr(module, opener, lambda *args: opened.append(call(*args)) or opened[-1])

    keep(evidence, "open_as_sent")
    keep(archive, "build_zip")
    for record in ("record_download", "record_evidence_read"):
        monkeypatch.setattr(operations, record, Mock(side_effect=DatabaseError))
    args = {"expediente_zip": [request.folio], "evidence": [request.folio, request.evidence.get().attachment.token]}
    with pytest.raises(DatabaseError):
        browser(cast.laura).get(reverse(f"control:{name}", args=args[name]))
    (answer,) = opened
    assert (answer[1] if name == "evidence" else answer).closed


def test_an_archive_that_cannot_be_made_is_closed(cast, monkeypatch):
    files: list[Any] = []
    monkeypatch.setattr(archive, "_write_zip", lambda _request, _data, file: files.append(file) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        archive.build_zip(request_histories.make(cast, Status.VERIFYING))
    assert files[0].closed
