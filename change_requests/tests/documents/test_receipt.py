"""The receipt of a formal request, and a draft's own form (M20)."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from change_requests.documents import form_draw, form_read, receipt, signing
from change_requests.models import FormalRequest
from factureya.core.mail import outbox
from factureya.core.models import OutboxMessage
from factureya.core.record import anchors
from factureya.testing import pdfs, request_histories
from factureya.testing.people import Cast
from factureya.testing.requests import NEW, make_request, revise

Status = FormalRequest.Status
MONDAY = datetime(2026, 11, 23, 16, 5, tzinfo=UTC)  # 10:05 in Mexico City
pytestmark = [pytest.mark.django_db, pytest.mark.once]


def flat(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.clause("M20")
def test_it_says_folio_hash_content_and_what_happens_next_and_by_when():
    with time_machine.travel(MONDAY, tick=False):
        request = make_request(Status.SUBMITTED)
    revision = request.revisions.get()

    said = flat(pdfs.texts(receipt.render_receipt(request)))

    assert request.folio in said
    assert revision.sha256 in said
    assert signing.find_present_key().fingerprint in said
    assert all(new in said for new in NEW.values())
    assert "23 de noviembre de 2026 a las 10:05" in said  # received
    assert "25 de noviembre de 2026 a las 10:05" in said  # confirmed, 48 h
    assert "24 de noviembre de 2026 a las 10:05" in said  # verified, one business day
    assert "26 de noviembre de 2026 a las 10:05" in said  # decided


@pytest.mark.clause("M20")
def test_it_is_the_same_whenever_it_is_drawn_and_each_version_keeps_its_own():
    request = make_request(Status.SUBMITTED)
    first = receipt.render_receipt(request)
    with time_machine.travel("2031-01-01T12:00Z"):
        assert receipt.render_receipt(request) == first

    request.status = Status.RETURNED
    FormalRequest.objects.filter(pk=request.pk).update(status=Status.RETURNED)
    revise(request, {"phone": "222 555 0001"})

    assert receipt.draw_receipt(receipt.read_receipt(request, 1)) == first
    assert receipt.read_receipt(request).version == 2


@pytest.mark.clause("M26")
def test_it_names_the_last_anchor_of_its_day_and_no_later_one(settings, tmp_path):
    settings.ANCHORS_DIR = tmp_path
    with time_machine.travel(MONDAY - timedelta(hours=1), tick=False):
        anchor = anchors.seal_day()
    with time_machine.travel(MONDAY, tick=False):
        request = make_request(Status.SUBMITTED)
    first = receipt.render_receipt(request)
    assert anchor is not None
    assert f"ancla 1 de la bitácora, del 23 de noviembre de 2026: {anchor.hash[:16]}" in flat(pdfs.texts(first))
    with time_machine.travel(MONDAY + timedelta(days=1), tick=False):
        anchors.seal_day()
        assert receipt.render_receipt(request) == first


@pytest.mark.clause("M20")
def test_it_goes_with_the_mail_of_its_submission(mailoutbox):
    cast = Cast()
    request = request_histories.make(cast, Status.SUBMITTED)
    sent = OutboxMessage.objects.get(kind="change_requests/confirm")

    assert outbox.deliver(sent.pk)

    ((name, content, kind),) = mailoutbox[-1].attachments
    assert (name, kind) == (f"acuse-{request.folio}.pdf", "application/pdf")
    said = flat(pdfs.texts(content))
    assert request.revisions.get().sha256 in said
    assert request.events().get(verb="request.submitted").hash in said


@pytest.mark.clause("M8")
def test_the_link_that_confirms_leaves_even_if_the_receipt_cannot_be_drawn(mailoutbox, monkeypatch, caplog):
    request_histories.make(Cast(), Status.SUBMITTED)
    monkeypatch.setattr(receipt, "draw_receipt", lambda _acuse: 1 / 0)

    assert outbox.deliver(OutboxMessage.objects.get(kind="change_requests/confirm").pk)

    assert not mailoutbox[-1].attachments
    assert "leaves without its file" in caplog.text


@pytest.mark.clause("M20")
@pytest.mark.parametrize(("asset", "waits"), [("registered_email", True), ("location", False)])
def test_it_tells_of_the_freeze_only_where_there_is_one(asset, waits):
    steps = receipt.list_steps("change", {asset}, MONDAY)

    assert any("72 horas" in step for step in steps) == waits


@pytest.mark.clause("M7", "M20")
def test_a_drafts_form_is_filled_with_the_draft_and_reads_back_the_same():
    draft = {
        "items": {
            "phone": "222 555 0178",
            "representative_power": "attorney",
            "representative_valid_from": "2026-01-15",
        },
        "reason": "Cambio de oficinas & de número; Ñandú",
        "effective_date": "2026-12-01",
    }
    request = make_request(draft=draft)
    customer = request.customer

    content = form_draw.render_form(request.form, form_draw.read_form_data(request))
    read = form_read.read_form(pdfs.fill(content, {"oath": "/Yes"}))
    form_read.check_owner(read, owner=customer.pk, sender=customer.pk)
    answers = form_read.compare_form(read, customer)

    assert read.folio == request.folio
    assert answers.draft == draft
    assert answers.kind == request.kind
    assert customer.fiscal_address in flat(pdfs.texts(content))


@pytest.mark.clause("M7")
def test_the_form_of_a_baja_names_the_person_by_mail():
    request = make_request(form="access", kind="baja")
    request.draft = {"person": {"user": request.requester_id}}

    assert form_draw.read_form_data(request).values["person_email"] == request.requester.email
