"""What is asked is listed, real, hashed and never changed (M19, M20): tried by ORM and by raw SQL."""

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.db import connection

from change_requests import payload
from change_requests.models import (
    Clarification,
    Evidence,
    FormalRequest,
    InformationAsset,
    RequestedAsset,
    RequestRevision,
)
from factureya.core.clock import now
from factureya.core.models import Attachment
from factureya.testing.people import make_customer, make_staff
from factureya.testing.raw_sql import (
    copy_statement,
    execute,
    execute_bare,
    named,
    postgres_only,
    refused_by,
    sqlite_only,
    update,
)
from factureya.testing.requests import NEW, REASON, Status, current_revision, make_request, revise, write_revision

pytestmark = [pytest.mark.django_db, pytest.mark.clause("M19")]


@pytest.fixture
def formal() -> FormalRequest:
    """A draft."""
    return make_request()


def item(asset: str, field: str, old: str = "", new: str = "Nuevo") -> dict[str, str]:
    """An item of a payload."""
    return {"asset": asset, "field": field, "old": old, "new": new}


# -- The content -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "items",
    [
        [],
        [item("identity", "phone")],
        [item("location", "verified_at")],
        [item("location", "phone"), item("identity", "id")],
        [item("nada", "phone")],
        [item("access", "full_name")],
    ],
    ids=named,
)
def test_only_listed_fields_are_asked(formal: FormalRequest, items: list[dict[str, str]]):
    with refused_by("revision_items_are_listed_fields"):
        write_revision(formal, items=items)


@pytest.mark.clause("M7")
def test_an_access_request_asks_for_access():
    formal = make_request(form="access", kind="alta")
    with refused_by("revision_items_are_listed_fields"):
        write_revision(formal, items=[item("location", "phone")])
    write_revision(formal, items=[item("access", "phone")])


@pytest.mark.parametrize(
    "items",
    [
        [item("location", "phone", "222", "222")],
        [item("location", "phone", "", "")],
        [item("location", "phone", "", "1"), item("location", "phone", "", "2")],
        [{"asset": "location", "field": "phone", "new": "1"}],
        [{"asset": "location", "field": "phone", "old": "1"}],
    ],
    ids=named,
)
def test_only_real_changes_are_asked(formal: FormalRequest, items: list[dict[str, str]]):
    with refused_by("revision_items_are_real_changes"):
        write_revision(formal, items=items)


@pytest.mark.parametrize("content", [{"folio": "SC-0000-0000"}, {"form": "access"}, {"kind": "baja"}], ids=named)
def test_the_content_is_of_its_request(formal: FormalRequest, content: dict[str, str]):
    with refused_by("revision_payload_is_of_its_request"):
        write_revision(formal, items=[item("location", "phone")], **content)


@pytest.mark.clause("M21")
@pytest.mark.parametrize("payload_too", [False, True])
def test_nobody_lies_about_the_hash(formal: FormalRequest, payload_too: bool):
    columns = {"sha256": "0" * 64}
    if payload_too:
        other = write_revision(make_request(), items=[item("location", "phone")])
        columns["sha256"] = other.sha256
    with refused_by("revision_hash_is_of_its_payload"):
        write_revision(formal, items=[item("location", "phone")], columns=columns)


@pytest.mark.clause("M21")
def test_nobody_lies_about_who_asks(formal: FormalRequest):
    with refused_by("revision_names_the_requester"):
        write_revision(formal, items=[item("location", "phone")], columns={"requester": make_staff()})


@pytest.mark.parametrize("text", ["Ñandú & Compañía", "a\u0301rbol", "«comillas» \\ \" '", "línea\ndos", "日本"])
def test_any_text_is_hashed_as_it_is(formal: FormalRequest, text: str):
    revision = write_revision(formal, items=[item("location", "phone", "", text)], reason=text)
    revision.refresh_from_db()
    assert hashlib.sha256(revision.payload.encode()).hexdigest() == revision.sha256


@pytest.mark.parametrize("number", [0, 2])
def test_versions_follow_each_other(formal: FormalRequest, number: int):
    with refused_by("revision_follows_an_edit", "revisions_count_from_one"):
        write_revision(formal, items=[item("location", "phone")], columns={"no": number})


@pytest.mark.parametrize("status", ["submitted", "verifying", "in_approval", "approved"])
def test_a_version_is_born_of_an_edit(status: str):
    formal = make_request(status)
    with refused_by("revision_follows_an_edit"):
        revise(formal, NEW | {"phone": "222 555 0111"})


@pytest.mark.clause("M21")
@pytest.mark.parametrize("columns", [{"payload": "{}"}, {"sha256": "0" * 64}, {"reason": "otro"}, {"no": 2}], ids=named)
def test_a_version_is_not_edited(columns: dict[str, Any]):
    revision = current_revision(make_request(Status.SUBMITTED))
    with refused_by("change_requests_requestrevision_no_update"):
        update(revision, **columns)
    with refused_by("change_requests_requestrevision_no_update"):
        RequestRevision.objects.update(**columns)
    with refused_by("change_requests_requestrevision_no_delete"):
        execute("DELETE FROM change_requests_requestrevision")


@sqlite_only
@pytest.mark.clause("M21")
@pytest.mark.parametrize("run", [execute, execute_bare], ids=["django", "bare"])
def test_a_version_is_not_replaced(run: Callable[..., None]):
    revision = current_revision(make_request(Status.SUBMITTED))
    for keys in ({"id": revision.pk}, {}):
        sql, params = copy_statement(RequestRevision, revision.pk, "REPLACE", **keys)
        # A bare shell has no SHA256 and can write no version at all.
        with refused_by("requestrevision_no_replace", "revision_follows_an_edit", "no such function"):
            run(sql, *params)


@postgres_only
@pytest.mark.clause("M21")
def test_versions_are_not_truncated():
    make_request(Status.SUBMITTED)
    connection.check_constraints()
    with refused_by("_no_truncate"):
        execute("TRUNCATE change_requests_requestrevision CASCADE")


# -- One open request per asset ----------------------------------------------------------------------

TAKEN = ("one_open_request_per_asset", "requested_asset_insert_replaces_none")


@pytest.mark.clause("M21")
def test_one_open_request_per_company_and_asset():
    formal = make_request(Status.IN_APPROVAL)
    other = make_request(requester=formal.requester)
    with refused_by(*TAKEN):
        revise(other, {"phone": "222 555 0111"})
    revise(other, {"legal_name": "Otra SC"})  # another asset
    make_request(Status.IN_APPROVAL)  # another company
    update(formal, status="cancelled")
    formal.requested_assets.update(open=False)
    location = InformationAsset.objects.get(code="location")
    RequestedAsset.objects.create(request=other, asset=location, customer=other.customer)
    with refused_by("one_open_request_per_asset", "requested_asset_update_replaces_none"):
        formal.requested_assets.update(open=True)


@pytest.mark.clause("M7")
def test_one_open_access_request_per_person():
    new = {"full_name": "Beto", "email": "beto@ejemplo.mx"}
    formal = make_request(Status.SUBMITTED, form="access", kind="alta", new=new)
    other = make_request(requester=formal.requester, form="access", kind="alta")
    with refused_by(*TAKEN):
        revise(other, new)
    revise(other, new | {"email": "carla@ejemplo.mx"})


def test_a_requested_asset_is_of_its_request():
    formal = make_request(Status.SUBMITTED)
    row = formal.requested_assets.first()
    assert row is not None
    service = InformationAsset.objects.get(code="service")
    with refused_by("requested_asset_is_of_the_customer"):
        RequestedAsset.objects.create(request=formal, asset=service, customer=make_customer())
    with refused_by("requested_asset_never_changes"):
        update(row, asset_id=service.pk)
    with refused_by("requested_asset_no_delete"):
        execute("DELETE FROM change_requests_requestedasset")


@sqlite_only
@pytest.mark.clause("M21")
@pytest.mark.parametrize("run", [execute, execute_bare], ids=["django", "bare"])
def test_a_requested_asset_is_not_replaced(run: Callable[..., None]):
    row = make_request(Status.SUBMITTED).requested_assets.first()
    other = make_request()
    for columns in ({"id": row.pk}, {"request_id": other.pk}, {}):
        sql, params = copy_statement(RequestedAsset, row.pk, "REPLACE", **columns)
        with refused_by("requestedasset_no_replace", "insert_replaces_none", "is_of_the_customer"):
            run(sql, *params)


# -- Evidence and messages ---------------------------------------------------------------------------


def make_file(content: bytes = b"%PDF") -> Attachment:
    """A stored file."""
    digest = hashlib.sha256(content).hexdigest()
    return Attachment.objects.create(
        token=digest[:43],
        file=ContentFile(content, "x"),
        name="acta.pdf",
        content_type="application/pdf",
        size=len(content),
        sha256=digest,
    )


def test_evidence_has_the_hash_of_its_file(formal: FormalRequest):
    file = make_file()
    with refused_by("evidence_is_its_file"):
        Evidence.objects.create(request=formal, attachment=file, sha256="0" * 64)
    Evidence.objects.create(request=formal, attachment=file, sha256=file.sha256)


def test_evidence_that_was_sent_stays(formal: FormalRequest):
    file, other = make_file(), make_file(b"otro")
    row = Evidence.objects.create(request=formal, attachment=file, sha256=file.sha256)
    with refused_by("evidence_never_changes"):
        update(row, attachment_id=other.pk)
    update(row, revision_no=1)
    for columns in ({"revision_no": None}, {"revision_no": 2}, {"sha256": other.sha256}):
        with refused_by("evidence_never_changes"):
            update(row, **columns)
    with refused_by("evidence_no_delete"):
        row.delete()
    update(row, dropped_at=now())
    with refused_by("evidence_never_changes"):
        update(row, dropped_at=None)


def test_evidence_of_a_draft_may_be_taken_back(formal: FormalRequest):
    file = make_file()
    Evidence.objects.create(request=formal, attachment=file, sha256=file.sha256).delete()
    assert not Evidence.objects.exists()


def ask(formal: FormalRequest, **columns: Any) -> Clarification:
    """A message of the expediente."""
    author = make_staff()
    whole = {"author": author, "author_name": author.full_name, "body": REASON, "request": formal}
    return Clarification.objects.create(**whole | columns)


def test_messages_are_for_ever(formal: FormalRequest):
    question = ask(formal)
    ask(formal, answers=question)
    with refused_by("change_requests_clarification_no_update"):
        update(question, body="otra")
    with refused_by("change_requests_clarification_no_delete"):
        execute("DELETE FROM change_requests_clarification")


def test_an_answer_is_of_a_question_of_the_same_request(formal: FormalRequest):
    question = ask(formal)
    with refused_by("clarification_answers_its_question"):
        ask(make_request(), answers=question)
    answer = ask(formal, answers=question)
    with refused_by("clarification_answers_its_question"):
        ask(formal, answers=answer)


# -- The canonical bytes -----------------------------------------------------------------------------


def test_the_canonical_text_is_one():
    content = payload.build_content(
        folio="SC-7K3M-9QX1",
        form="change",
        kind="change",
        customer_rfc="ABC010101AB1",
        requester="ana@ejemplo.mx",
        items=[item("location", "phone", "1", "2"), item("identity", "legal_name", "A", "Nin\u0303o")],
        reason="Cambio",
        effective_date="2026-12-01",
        evidence=[{"name": "b.pdf", "sha256": "1", "size": 3}],
    )
    assert payload.write_canonical(content).decode() == (
        '{"customer_rfc":"ABC010101AB1","effective_date":"2026-12-01",'
        '"evidence":[{"name":"b.pdf","sha256":"1","size":3}],"folio":"SC-7K3M-9QX1","form":"change",'
        '"items":[{"asset":"identity","field":"legal_name","new":"Niño","old":"A"},'
        '{"asset":"location","field":"phone","new":"2","old":"1"}],'
        '"kind":"change","reason":"Cambio","requester":"ana@ejemplo.mx","version":1}'
    )
    assert payload.hash_bytes(b"") == hashlib.sha256().hexdigest()


@pytest.mark.parametrize("value", [1.5, object(), b"x"], ids=["float", "object", "bytes"])
def test_what_has_no_one_way_to_be_written_is_refused(value: Any):
    with pytest.raises(TypeError):
        payload.write_canonical({"size": [value]})
