"""A request's life: every operation meets every status; one event each; a refusal leaves no trace (M7, M19–M21)."""

from collections.abc import Callable
from inspect import isfunction
from typing import Any, NamedTuple

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from accounts.models import Office
from change_requests import operations
from change_requests.kinds import registry
from change_requests.models import Evidence, FormalRequest, InformationAsset
from factureya.core.files import store
from factureya.core.models import Event, OutboxMessage
from factureya.testing import request_histories
from factureya.testing.people import Cast, make_hugo, make_staff, make_superuser
from factureya.testing.request_histories import WHY

pytestmark = pytest.mark.django_db

Form, Kind, Status = FormalRequest.Form, FormalRequest.Kind, FormalRequest.Status
DRAFT, SUBMITTED, VERIFYING = Status.DRAFT, Status.SUBMITTED, Status.VERIFYING
IN_APPROVAL, APPROVED, EXECUTED = Status.IN_APPROVAL, Status.APPROVED, Status.EXECUTED
CLOSED, RETURNED, CANCELLED, FAILED = (Status.CLOSED, Status.RETURNED, Status.CANCELLED, Status.FAILED)
KINDS = [(kind.form, kind.code) for kind in registry.KINDS]


class Row(NamedTuple):
    """An operation: how it is called, and from which status to which it leads; the others refuse it."""

    call: Callable[[Cast, FormalRequest], Any]
    leads_to: dict[str, str]
    prepare: Callable[[Cast, FormalRequest], Any] = lambda _cast, _request: None


def hash_of(request: FormalRequest) -> str:
    return request_histories.seen(request) if request.revision_no else ""


def waive(cast: Cast, request: FormalRequest) -> Any:
    return operations.grant_waiver(
        request.pk,
        actor=cast.elsa,
        implementer=make_hugo(),
        checker=cast.jorge,
        reason="Nadie más está disponible hoy y la empresa no puede esperar a mañana.",
        controls="Lo acompaña Laura y revisa el registro.",
    )


def ask(cast: Cast, request: FormalRequest) -> Any:
    if request.status in (VERIFYING, IN_APPROVAL):
        actor = cast.laura if request.status == VERIFYING else cast.elsa
        operations.ask_clarification(request.pk, actor=actor, question="¿Cuál es el número interior?")


def execute(cast: Cast, request: FormalRequest) -> Any:
    operations.execute(request.pk, actor=cast.gina)


def stored(content: bytes = b"constancia") -> Any:
    return store.store(SimpleUploadedFile("constancia.txt", content), draft="k")


def with_file(cast: Cast, request: FormalRequest) -> Any:
    if request.status in FormalRequest.EDITABLE:
        operations.add_evidence(request.pk, actor=cast.ana, files=[stored()])


def suspend(_cast: Cast, request: FormalRequest) -> Any:
    operations.not_me(request.pk)


OPEN = (DRAFT, RETURNED, SUBMITTED, VERIFYING, IN_APPROVAL, APPROVED, FAILED)
SENT = OPEN[1:]
MATRIX = {
    "save_draft": Row(
        lambda c, r: operations.save_draft(
            r.pk, actor=c.ana, draft={"reason": "Otra razón, más larga que la primera."}
        ),
        {DRAFT: DRAFT, RETURNED: RETURNED},
    ),
    "add_evidence": Row(
        lambda c, r: operations.add_evidence(r.pk, actor=c.ana, files=[stored()]), {DRAFT: DRAFT, RETURNED: RETURNED}
    ),
    "remove_evidence": Row(
        lambda c, r: operations.remove_evidence(
            r.pk, actor=c.ana, evidence=Evidence.objects.filter(request=r).last() or Evidence()
        ),
        {DRAFT: DRAFT, RETURNED: RETURNED},
        with_file,
    ),
    "submit": Row(lambda c, r: operations.submit(r.pk, actor=c.ana), {DRAFT: SUBMITTED, RETURNED: SUBMITTED}),
    "confirm_from_registered_email": Row(
        lambda c, r: operations.confirm_from_registered_email(r.pk, actor=c.ana, revision_no=r.revision_no),
        {SUBMITTED: VERIFYING},
    ),
    "verify": Row(lambda c, r: operations.verify(r.pk, actor=c.laura), {VERIFYING: IN_APPROVAL}),
    "return_to_requester": Row(
        lambda c, r: operations.return_to_requester(r.pk, actor=c.laura, reason="Falta el código postal."),
        {SUBMITTED: RETURNED, VERIFYING: RETURNED, IN_APPROVAL: RETURNED},
    ),
    "reopen_draft": Row(
        lambda c, r: operations.reopen_draft(r.pk, actor=c.ana),
        {RETURNED: DRAFT, SUBMITTED: DRAFT, VERIFYING: DRAFT, IN_APPROVAL: DRAFT, FAILED: DRAFT},
    ),
    "ask_clarification": Row(
        lambda c, r: operations.ask_clarification(
            r.pk, actor=c.elsa if r.status == IN_APPROVAL else c.laura, question="¿Desde cuándo es el domicilio?"
        ),
        {VERIFYING: VERIFYING, IN_APPROVAL: IN_APPROVAL},
    ),
    "answer_clarification": Row(
        lambda c, r: operations.answer_clarification(r.pk, actor=c.ana, answer="Interior 4."),
        {VERIFYING: VERIFYING, IN_APPROVAL: IN_APPROVAL},
        ask,
    ),
    "approve": Row(
        lambda c, r: operations.approve(r.pk, actor=c.fabian, reason=WHY, seen_hash=hash_of(r)),
        {IN_APPROVAL: IN_APPROVAL},
    ),
    "reject": Row(
        lambda c, r: operations.reject(r.pk, actor=c.fabian, reason="Falta evidencia.", seen_hash=hash_of(r)),
        {IN_APPROVAL: Status.REJECTED},
    ),
    "designate": Row(
        lambda c, r: operations.designate(r.pk, actor=c.elsa, implementer=c.gina),
        {IN_APPROVAL: IN_APPROVAL, APPROVED: APPROVED},
    ),
    "grant_waiver": Row(waive, {IN_APPROVAL: IN_APPROVAL, APPROVED: APPROVED}),
    "execute": Row(execute, {APPROVED: EXECUTED}),
    "close": Row(lambda c, r: operations.close(r.pk, actor=c.laura), {EXECUTED: CLOSED}),
    "withdraw": Row(
        lambda c, r: operations.withdraw(r.pk, actor=c.ana, reason="Ya no hace falta."), dict.fromkeys(OPEN, CANCELLED)
    ),
    "resume": Row(
        lambda c, r: operations.resume(r.pk, actor=c.elsa, reason="La empresa lo confirmó por teléfono."),
        {status: status for status in SENT},
        suspend,
    ),
    "mark_alarm_seen": Row(
        lambda c, r: operations.mark_alarm_seen(r.pk, actor=c.elsa, reason="La empresa confirmó que sí la pidió."),
        {EXECUTED: EXECUTED, CLOSED: CLOSED},
        suspend,
    ),
    "revert": Row(
        lambda c, r: operations.revert(r.pk, actor=c.laura, reason="Se pidió por error, según la empresa."),
        {EXECUTED: EXECUTED, CLOSED: CLOSED},
    ),
}
# Told apart below: they begin a request, are sweeps, need a special one, or refuse nothing.
ELSEWHERE = {
    "create_draft",
    "confirm_new_email",
    "send_new_email_code",
    "check_waiver",
    "expire_due",
    "remind_due",
    "set_asset_owner",
    "set_password",
    "void_undelivered_password_link",
    "find_overdue_checks",
    "not_me",
    "report_altered_evidence",
    "keep_mail_text",
    "keep_received_form",
    "find_readings_chain",
    "record_download",
    "record_evidence_read",
}


def trace(request: FormalRequest) -> tuple[int, int, Any]:
    """What a refusal must leave as it was."""
    row = FormalRequest.objects.filter(pk=request.pk).values().get()
    mails = OutboxMessage.objects.filter(about=request.chain).count()
    return Event.objects.filter(chain=request.chain).count(), mails, row


@pytest.mark.clause("M1", "M7", "M8", "M19", "M20", "M21", "M24", "M25")
@pytest.mark.once
@pytest.mark.parametrize("before", Status)
@pytest.mark.parametrize("name", MATRIX)
def test_every_operation_in_every_status(name, before, tmp_path, settings):
    settings.MEDIA_ROOT = tmp_path
    row, cast = MATRIX[name], Cast()
    request = request_histories.make(cast, before)
    row.prepare(cast, request)
    request.refresh_from_db()
    was = trace(request)
    if before not in row.leads_to:
        with pytest.raises(operations.Refused):
            row.call(cast, request)
        assert trace(request) == was
        return
    row.call(cast, request)
    request.refresh_from_db()
    assert request.status == row.leads_to[before]
    assert trace(request)[0] == was[0] + (name != "revert")  # exactly one event, in its chain


def test_the_matrix_is_whole():
    public = {name for name, value in vars(operations).items() if isfunction(value)}
    assert public == set(MATRIX) | ELSEWHERE


@pytest.mark.clause("M1", "M7", "M8", "M20", "M21")
@pytest.mark.parametrize(("form", "kind"), KINDS)
def test_each_kind_lives_to_its_end(form, kind):
    cast = Cast()
    request = request_histories.make(cast, CLOSED, form, kind)
    verbs = [event.verb for event in request.events()]
    assert verbs[:4] == ["request.created", "request.saved", "request.submitted", "request.confirmed"]
    assert verbs[-3:] == ["request.approved", "request.executed", "request.closed"]
    revision, done = request_histories.revision(request), request.executions.get()
    assert {d.sha256 for d in request.decisions.all()} == {revision.sha256} == {done.sha256}
    assert not request.requested_assets.filter(open=True).exists()


@pytest.mark.clause("M21")
@pytest.mark.parametrize("status", [s for s in Status if s != DRAFT])
def test_not_me_stops_what_is_under_way_and_tells_of_what_was_applied(status):
    cast = Cast()
    request = request_histories.make(cast, status)
    before = trace(request)[0]
    operations.not_me(request.pk)
    operations.not_me(request.pk)  # again: nothing more
    request.refresh_from_db()
    ended = status in (Status.REJECTED, CANCELLED, Status.EXPIRED, Status.REVERTED)
    assert (request.suspended_at is not None) == (status in SENT)
    assert trace(request)[0] == before + (not ended)
    told = OutboxMessage.objects.filter(kind="change_requests/disowned", about=request.chain)
    applied = {cast.laura.email, make_superuser().email} if status in (EXECUTED, CLOSED) else set()
    assert {mail.to for mail in told} == (set() if ended else {cast.elsa.email} | applied)
    assert told.count() == (0 if ended else 1 + len(applied))


@pytest.mark.clause("M21")
@pytest.mark.parametrize("name", sorted(set(MATRIX) - {"withdraw", "resume", "mark_alarm_seen", "revert", "close"}))
def test_while_it_is_stopped_nothing_moves(name, tmp_path, settings):
    settings.MEDIA_ROOT = tmp_path
    row, cast = MATRIX[name], Cast()
    before = next(status for status in row.leads_to if status != DRAFT)
    request = request_histories.make(cast, before)
    row.prepare(cast, request)
    operations.not_me(request.pk)
    was = trace(request)
    request.refresh_from_db()
    with pytest.raises(operations.Refused):
        row.call(cast, request)
    assert trace(request) == was


@pytest.mark.clause("M20")
def test_the_same_key_begins_one_request():
    cast = Cast()
    begin = {"actor": cast.ana, "customer": cast.customer, "form": Form.CHANGE, "kind": Kind.CHANGE}
    first = operations.create_draft(**begin, key="k1")
    assert operations.create_draft(**begin, key="k1") == first
    assert operations.create_draft(**begin, key="k2") != first
    assert first.folio.startswith("SC-")
    with pytest.raises(operations.Invalid):
        operations.create_draft(**{**begin, "kind": Kind.CLAVE})


@pytest.mark.clause("M3", "M16")
def test_assets_are_named_by_a_superuser_to_holders_of_the_office():
    cast, root = Cast(), make_superuser()
    asset = InformationAsset.objects.get(code="location")
    other = make_staff(Office.INFORMATION_OWNER)
    operations.set_asset_owner(asset.pk, actor=root, owner=other)
    asset.refresh_from_db()
    assert asset.owner == other
    assert [e.verb for e in asset.events()] == ["asset.owner_set"]
    for bad in (
        {"actor": cast.laura, "owner": other},
        {"actor": root, "owner": cast.elsa},
        {"actor": root, "owner": root},
        {"actor": root, "owner": other, "alternate": other},
        {"actor": root, "owner": other, "alternate": cast.fabian},
    ):
        with pytest.raises(operations.Refused):
            operations.set_asset_owner(asset.pk, **bad)
    access = InformationAsset.objects.get(code="access")
    with pytest.raises(operations.Invalid):
        operations.set_asset_owner(access.pk, actor=root, owner=other)
    assert asset.events().count() == 1
