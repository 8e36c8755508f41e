"""Who is told what, at once and later: folio only to staff, the old mail, whom it touches; deadlines."""

import re
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from time_machine import travel

from accounts.models import RoleAssignment
from accounts.operations import end_office
from change_requests import checks, links, operations, tasks
from change_requests.models import FormalRequest
from factureya.core.models import Heartbeat, OutboxMessage
from factureya.core.record import anchors
from factureya.testing import request_histories
from factureya.testing.people import Cast, make_superuser
from factureya.testing.request_histories import NEW, seen

pytestmark = pytest.mark.django_db

Form, Kind, Status = FormalRequest.Form, FormalRequest.Kind, FormalRequest.Status
STAFF = {"your_turn", "deadline", "disowned", "check_due", "check_failed"}
MONDAY = datetime(2026, 11, 23, 16, tzinfo=UTC)  # 10:00 in Mexico City


def sent(request: FormalRequest, *verbs: str) -> list[tuple[str, str]]:
    """Which mails about the request went to whom, oldest first; only of these verbs, if any are named."""
    mails = OutboxMessage.objects.filter(about=request.chain, kind__startswith="change_requests/")
    pairs = [(mail.kind.partition("/")[2], mail.to) for mail in mails.order_by("pk")]
    return [pair for pair in pairs if not verbs or pair[0] in verbs]


def token_of(url: str) -> str:
    return url.rstrip("/").rpartition("/")[2]


def to_company(cast: Cast, verb: str) -> set[tuple[str, str]]:
    return {(verb, cast.customer.registered_email), (verb, cast.ana.email)}


@pytest.mark.clause("M20", "M21")
def test_each_step_tells_whom_it_concerns():
    cast = Cast()
    request = request_histories.make(cast, Status.CLOSED)
    registered = cast.customer.registered_email
    assert set(sent(request, "confirm", "submitted")) == {("confirm", registered), ("submitted", cast.ana.email)}
    for verb in ("confirmed", "verified", "approved", "executed", "closed"):
        assert set(sent(request, verb)) == to_company(cast, verb)
    turns = [to for _, to in sent(request, "your_turn")]
    assert turns == [cast.laura.email, cast.fabian.email, cast.elsa.email, cast.gina.email, cast.laura.email]


@pytest.mark.clause("M21")
def test_mails_to_staff_hold_the_folio_and_no_data():
    cast = Cast()
    request = request_histories.make(cast, Status.EXECUTED)
    operations.not_me(request.pk)
    secrets = [
        *NEW.values(),
        cast.customer.legal_name,
        cast.customer.rfc,
        cast.ana.email,
        cast.ana.full_name,
        request_histories.REASON,
    ]
    mails = [m for m in OutboxMessage.objects.all() if m.kind.partition("/")[2] in STAFF]
    assert {m.kind.partition("/")[2] for m in mails} == {"your_turn", "disowned"}
    for mail in mails:
        assert request.folio in mail.subject
        assert not [s for s in secrets if s in mail.subject + mail.body]
        assert f"/control/{request.folio}/" in mail.body


@pytest.mark.clause("M20")
def test_the_acuse_says_what_was_asked_its_hash_and_what_comes_next():
    cast = Cast()
    request = request_histories.make(cast, Status.SUBMITTED)
    confirm = OutboxMessage.objects.get(kind="change_requests/confirm")
    for text in (request.folio, seen(request), NEW["phone"], NEW["fiscal_address"], "Qué sigue"):
        assert text in confirm.subject + confirm.body
    (token,) = re.findall(r"/solicitudes/confirmar/([^/\s]+)/", confirm.body)
    assert links.read_confirm_link(token) == request
    assert confirm.is_secret  # wiped once it left
    submitted = OutboxMessage.objects.get(kind="change_requests/submitted")
    assert "/solicitudes/confirmar/" not in submitted.body
    (token,) = re.findall(r"/solicitudes/no-fui-yo/([^/\s]+)/", submitted.body)
    assert links.read_not_me_link(token) == (request, (cast.ana.email, "requester"))


@pytest.mark.clause("M8")
def test_the_confirmation_link_is_of_one_revision_one_mail_and_48_hours():
    with travel(MONDAY, tick=False):
        cast = Cast()
        request = request_histories.make(cast, Status.SUBMITTED)
        url = links.make_confirm_url(request)
        token = url.rstrip("/").rpartition("/")[2]
        assert links.read_confirm_link(token) == request
    with travel(MONDAY + timedelta(hours=48), tick=False), pytest.raises(links.BadLink):
        links.read_confirm_link(token)
    with travel(MONDAY, tick=False):
        request_histories.unguarded(registered_email="otro@ejemplo.mx")
        with pytest.raises(links.BadLink):
            links.read_confirm_link(token)
        with pytest.raises(links.BadLink):
            links.read_confirm_link(token_of(links.make_not_me_url(request, cast.ana.email, "requester")))
        with pytest.raises(links.BadLink):
            links.read_not_me_link(token_of(links.make_not_me_url(FormalRequest(folio="SC-0000-0000"), "a@b.mx", "")))


@pytest.mark.clause("M8", "M21")
def test_the_old_mail_is_told_when_it_is_asked_and_when_it_is_done(settings):
    settings.SENSITIVE_FREEZE_HOURS = 0
    cast = Cast()
    old = cast.customer.registered_email
    request = request_histories.make(cast, Status.EXECUTED, items={"registered_email": "facturas@kemper.mx"})
    assert ("confirm", old) in sent(request)
    asked = OutboxMessage.objects.get(kind="change_requests/confirm")
    assert "cambia el correo registrado" in asked.body
    assert ("warn_executed", old) in sent(request)
    assert ("executed", "facturas@kemper.mx") in sent(request)
    assert ("submitted", old) not in sent(request)
    for mail in OutboxMessage.objects.filter(kind__in=["change_requests/confirm", "change_requests/warn_executed"]):
        assert "/solicitudes/no-fui-yo/" in mail.body


@pytest.mark.clause("M21")
def test_whom_it_touches_hears_at_approval_without_data():
    cast = Cast()
    beto = cast.colleague()
    cast.colleague(is_active=False)
    request = request_histories.make(cast, Status.APPROVED)
    assert sent(request, "affected") == [("affected", beto.email)]
    body = OutboxMessage.objects.get(kind="change_requests/affected").body
    assert "cambio de domicilio fiscal y teléfono" in body
    assert not [value for value in NEW.values() if value in body]
    baja = request_histories.make(cast, Status.APPROVED, Form.ACCESS, Kind.BAJA, person={"user": beto.pk})
    assert sent(baja, "affected") == []
    assert sent(baja, "warn_approved") == [("warn_approved", beto.email)]
    request_histories.step(cast, request, Status.EXECUTED)
    service = request_histories.make(cast, Status.APPROVED, Form.CHANGE, Kind.BAJA, effective_date="")
    body = OutboxMessage.objects.filter(kind="change_requests/affected", about=service.chain).first().body
    assert "se suspende" in body


@pytest.mark.clause("M21")
@pytest.mark.parametrize(
    ("end", "verb"),
    [
        (Status.RETURNED, "returned"),
        (Status.REJECTED, "rejected"),
        (Status.CANCELLED, None),
        (Status.EXPIRED, "expired"),
        (Status.FAILED, "failed"),
        (Status.REVERTED, "reverted"),
    ],
)
def test_every_end_is_told_with_its_reason(end, verb):
    cast = Cast()
    request = request_histories.make(cast, end)
    if verb is None:  # a draft that nobody saw
        assert not sent(request)
        return
    assert set(sent(request, verb)) == to_company(cast, verb)
    mail = OutboxMessage.objects.filter(kind=f"change_requests/{verb}").first()
    assert request.outcome_reason in mail.body


@pytest.mark.clause("M21")
def test_the_other_notices_are_sent():
    cast = Cast()
    request = request_histories.make(cast, Status.IN_APPROVAL)
    operations.ask_clarification(request.pk, actor=cast.elsa, question="¿Cuál es el interior de la calle?")
    assert set(sent(request, "clarification")) == to_company(cast, "clarification")
    assert "interior" not in OutboxMessage.objects.filter(kind="change_requests/clarification").first().body
    operations.answer_clarification(request.pk, actor=cast.ana, answer="El 4.")
    operations.not_me(request.pk)
    assert set(sent(request, "suspended")) == to_company(cast, "suspended")
    operations.resume(request.pk, actor=cast.elsa, reason="La empresa lo confirmó por teléfono.")
    assert set(sent(request, "resumed")) == to_company(cast, "resumed")
    operations.withdraw(request.pk, actor=cast.ana, reason="Ya no hace falta.")
    assert set(sent(request, "cancelled")) == to_company(cast, "cancelled")


# -- Deadlines ---------------------------------------------------------------------------------------


@pytest.mark.clause("M21")
def test_who_is_late_is_told_and_people_are_added():
    with travel(MONDAY, tick=False):
        cast = Cast()
        jorge = cast.jorge
        request = request_histories.make(cast, Status.IN_APPROVAL)
    told: Counter[str] = Counter()
    deadline = MONDAY + timedelta(days=2)
    for instant, level, people in (
        (MONDAY + timedelta(days=1) - timedelta(seconds=1), 0, set()),
        (MONDAY + timedelta(days=1), 1, {cast.fabian, cast.elsa}),
        (deadline - timedelta(seconds=1), 1, set()),
        (deadline, 2, {cast.fabian, cast.elsa, cast.laura}),
        (deadline + timedelta(days=1), 3, {cast.fabian, cast.elsa, cast.laura, jorge}),
        (deadline + timedelta(days=9), 3, set()),
    ):
        with travel(instant, tick=False):
            assert tasks.remind_due() == bool(people)
        request.refresh_from_db()
        assert (request.reminded, request.status) == (level, Status.IN_APPROVAL)  # silence never approves
        now_told = Counter(to for _, to in sent(request, "deadline"))
        assert set((now_told - told).elements()) == {person.email for person in people}
        told = now_told
    assert Heartbeat.objects.filter(name="remind_due").exists()


@pytest.mark.clause("M21")
def test_each_turn_has_its_own_deadline():
    with travel(MONDAY, tick=False):
        cast = Cast()
        request = request_histories.make(cast, Status.SUBMITTED)
        assert request.due_at == MONDAY + timedelta(hours=48)
        request = request_histories.step(cast, request, Status.VERIFYING)
        assert request.due_at == MONDAY + timedelta(days=1)
    with travel(MONDAY + timedelta(days=3), tick=False):
        tasks.remind_due()
        request = operations.verify(request.pk, actor=cast.laura)
        assert (request.reminded, request.turn_since) == (0, MONDAY + timedelta(days=3))
        assert request.due_at == MONDAY + timedelta(days=7)  # the weekend does not count


@pytest.mark.clause("M8", "M21")
def test_what_nobody_confirms_or_applies_expires_at_its_instant():
    with travel(MONDAY, tick=False):
        cast = Cast()
        first = request_histories.make(cast, Status.SUBMITTED)
        second = request_histories.make(cast, Status.APPROVED, Form.ACCESS, Kind.ALTA)
    for request, instant in ((first, first.due_at), (second, second.execute_before)):
        with travel(instant - timedelta(seconds=1), tick=False):
            assert tasks.expire_due() == 0
        with travel(instant, tick=False):
            assert tasks.expire_due() == 1
            assert tasks.expire_due() == 0
        request.refresh_from_db()
        assert request.status == Status.EXPIRED
    assert Heartbeat.objects.filter(name="expire_due").exists()


@pytest.mark.clause("M21")
def test_a_sweep_goes_on_past_one_that_fails(monkeypatch, caplog):
    with travel(MONDAY, tick=False):
        cast = Cast()
        for kind in (Kind.ALTA, Kind.BAJA):
            request_histories.make(cast, Status.SUBMITTED, Form.ACCESS, kind)
    first = FormalRequest.objects.order_by("pk").first()
    real = operations.sweeping.expire_request

    def expire(request):
        if request.pk == first.pk:
            raise RuntimeError("disk")
        real(request)

    monkeypatch.setattr(operations.sweeping, "expire_request", expire)
    with travel(MONDAY + timedelta(days=3), tick=False):
        assert tasks.expire_due() == 1
    assert "goes on without it" in caplog.text


@pytest.mark.clause("M21")
def test_a_sweep_leaves_what_somebody_acted_on_in_between(monkeypatch):
    with travel(MONDAY, tick=False):
        cast = Cast()
        request = request_histories.make(cast, Status.VERIFYING)
    stale = [request.pk]
    with travel(MONDAY, tick=False):
        for act in (operations.sweeping._expire, operations.sweeping._remind):
            assert operations.sweeping._act_on_each(stale, act) == 0
    with travel(MONDAY, tick=False):
        operations.ask_clarification(request.pk, actor=cast.laura, question="¿Cuál es el interior?")
        assert operations.sweeping._act_on_each(stale, operations.sweeping._remind) == 0
        operations.answer_clarification(request.pk, actor=cast.ana, answer="El 4.")
        again = request_histories.make(cast, Status.SUBMITTED, Form.ACCESS, Kind.ALTA)
        assert operations.sweeping._act_on_each([again.pk], operations.sweeping._expire) == 0
    assert not sent(request, "deadline")


# -- The lawful set of people ------------------------------------------------------------------------


@pytest.mark.clause("M21", "M24")
def test_going_live_without_the_people_is_refused():
    def problems():
        return [
            e.msg
            for e in run_checks(include_deployment_checks=True, databases=["default"])
            if e.id == "change_requests.E001"
        ]

    assert "Supervisor" in problems()[0]
    cast = Cast()
    assert problems() == []
    assert checks.check_lawful_people(databases=None) == []
    end_office(RoleAssignment.objects.get(user=cast.elsa).pk, actor=make_superuser())
    assert "Seguridad" in problems()[0]
    with pytest.raises(CommandError, match="E001"):
        call_command("check", deploy=True, databases=["default"])


@pytest.mark.clause("M26")
def test_approved_executed_and_closed_name_the_last_anchor(settings, tmp_path):
    settings.ANCHORS_DIR = tmp_path
    cast = Cast()
    anchor = anchors.seal_day()
    assert anchor is not None
    request = request_histories.make(cast, Status.CLOSED)
    mails = OutboxMessage.objects.filter(about=request.chain)
    naming = {mail.kind for mail in mails if "ancla 1 de la bitácora" in mail.body}
    assert naming == {f"change_requests/{verb}" for verb in ("approved", "executed", "closed")}
    assert all(anchor.hash[:16] in mail.body for mail in mails if mail.kind in naming)
