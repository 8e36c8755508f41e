"""Owner and security officer decide, each once, on the exact content that they saw (M21); questions stop the clock."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import transaction

from accounts.models import Office, RoleAssignment, User
from accounts.operations import deactivate_user, end_office
from change_requests import operations, policy
from change_requests.approvals import find_needed_approvals
from change_requests.models import Decision, DecisionSlot, FormalRequest, InformationAsset
from change_requests.progress import find_waiting
from factureya.core import clock
from factureya.core.clock import now
from factureya.core.models import OutboxMessage
from factureya.testing import request_histories
from factureya.testing.people import Cast, add_alternate, give_office, make_staff, make_superuser, name_owner
from factureya.testing.request_histories import NEW, WHY, seen

pytestmark = pytest.mark.django_db

Form, Kind, Status = FormalRequest.Form, FormalRequest.Kind, FormalRequest.Status


def approve(request: FormalRequest, actor: User, seen_hash: str = "") -> FormalRequest:
    return operations.approve(request.pk, actor=actor, reason=WHY, seen_hash=seen_hash or seen(request))


def grant(person: User, office: str) -> None:
    give_office(person, office)
    person.__dict__.pop("assignments", None)


@pytest.mark.clause("M21")
def test_two_people_approve_in_either_order():
    for first, second in (("fabian", "elsa"), ("elsa", "fabian")):
        cast = Cast()
        request = request_histories.make(cast, Status.IN_APPROVAL)
        request = approve(request, getattr(cast, first))
        assert request.status == Status.IN_APPROVAL
        request = approve(request, getattr(cast, second))
        assert request.status == Status.APPROVED
        assert request.decisions.count() == request.slots.count() == 2


@pytest.mark.clause("M7", "M21")
def test_access_is_approved_by_the_security_officer_alone():
    cast = Cast()
    request = request_histories.make(cast, Status.IN_APPROVAL, Form.ACCESS, Kind.ALTA)
    with pytest.raises(operations.NotAllowed):
        approve(request, cast.fabian)
    assert approve(request, cast.elsa).status == Status.APPROVED


@pytest.mark.clause("M21")
def test_d5_an_owner_is_not_offered_securitys_decision():
    cast = Cast()
    jorge = make_staff(Office.INFORMATION_OWNER)
    add_alternate(jorge, now() - timedelta(1), now() + timedelta(9))
    for owner in (cast.fabian, jorge):
        grant(owner, Office.SECURITY_OFFICER)
    request = request_histories.make(cast, Status.IN_APPROVAL)
    security = find_needed_approvals(request)[-1]
    assert security.deciders == {cast.elsa.pk}
    approve(request, jorge)
    with pytest.raises(operations.NotAllowed):  # the owner's place is taken; security's is not his
        approve(request, cast.fabian)
    assert approve(request, cast.elsa).status == Status.APPROVED


@pytest.mark.clause("M21")
def test_an_owner_fills_the_slots_of_all_he_owns_and_others_theirs():
    cast = Cast()
    other = make_staff(Office.INFORMATION_OWNER)
    name_owner("identity", other)
    items = {**NEW, "legal_name": "Papelería Ñandú & Cía SA de CV"}
    request = request_histories.draft(cast, items=items)
    request_histories.add_file(cast, request)
    for reached in (Status.SUBMITTED, Status.VERIFYING, Status.IN_APPROVAL):
        request = request_histories.step(cast, request, reached)
    slots = find_needed_approvals(request)
    assert [(s.office, [a.code for a in s.assets]) for s in slots] == [
        ("owner", ["identity"]),
        ("owner", ["location"]),
        ("security", []),
    ]
    assert slots[1].deciders == {cast.fabian.pk}
    approve(request, cast.fabian)
    approve(request, cast.elsa)
    request.refresh_from_db()
    assert request.status == Status.IN_APPROVAL
    assert approve(request, other).status == Status.APPROVED


@pytest.mark.clause("M21")
def test_nobody_decides_twice_or_in_two_offices():
    cast = Cast()
    grant(cast.fabian, Office.SECURITY_OFFICER)
    request = request_histories.make(cast, Status.IN_APPROVAL)
    approve(request, cast.fabian)
    for act in (operations.approve, operations.reject):
        with pytest.raises(operations.NotAllowed):
            act(request.pk, actor=cast.fabian, reason=WHY, seen_hash=seen(request))
    assert Decision.objects.count() == 1


@pytest.mark.clause("M21")
def test_who_may_not_decide_is_refused_and_nothing_is_stored():
    cast = Cast()
    request = request_histories.make(cast, Status.IN_APPROVAL)
    operations.designate(request.pk, actor=cast.elsa, implementer=cast.gina)
    grant(cast.gina, Office.SECURITY_OFFICER)
    alternate = make_staff(Office.INFORMATION_OWNER)  # not of this asset
    for person in (cast.ana, cast.laura, cast.gina, alternate, make_superuser(), cast.colleague()):
        with pytest.raises(operations.NotAllowed):
            approve(request, person)
    gone = make_staff(Office.SECURITY_OFFICER)
    deactivate_user(gone.pk, reason="Se fue.", actor=make_superuser())
    ended = make_staff(Office.SECURITY_OFFICER)
    end_office(RoleAssignment.objects.get(user=ended).pk, actor=make_superuser())
    for person in (gone, ended):
        with pytest.raises(operations.NotAllowed):
            approve(request, person)
    assert not Decision.objects.exists()


@pytest.mark.clause("M21")
def test_an_alternate_decides_inside_his_dates():
    cast = Cast()
    alternate, now = make_staff(Office.INFORMATION_OWNER), clock.now()
    operations.set_asset_owner(
        InformationAsset.objects.get(code="location").pk,
        actor=make_superuser(),
        owner=cast.fabian,
        alternate=alternate,
        alternate_from=now,
        alternate_until=now + timedelta(days=7),
    )
    request = request_histories.make(cast, Status.IN_APPROVAL)
    with clock.at(now + timedelta(days=7)), pytest.raises(operations.NotAllowed):
        approve(request, alternate)
    approve(request, alternate)
    with pytest.raises(operations.NotAllowed):
        approve(request, cast.fabian)


@pytest.mark.clause("M21")
@pytest.mark.parametrize("reason", ["", "  \n ", "Sí."])
def test_a_written_reason_always(reason):
    cast = Cast()
    request = request_histories.make(cast, Status.IN_APPROVAL)
    for act in (operations.approve, operations.reject):
        with pytest.raises(operations.Invalid) as refusal, transaction.atomic():
            act(request.pk, actor=cast.elsa, reason=reason, seen_hash=seen(request))
        assert set(refusal.value.errors) == {"reason"}
    assert not Decision.objects.exists()


@pytest.mark.clause("M21")
def test_content_that_changed_is_read_again():
    cast = Cast()
    request = request_histories.make(cast, Status.IN_APPROVAL)
    old = seen(request)
    operations.reopen_draft(request.pk, actor=cast.ana)
    operations.save_draft(request.pk, actor=cast.ana, draft={"items": {"phone": "222 555 0101"}})
    for reached in (Status.SUBMITTED, Status.VERIFYING, Status.IN_APPROVAL):
        request = request_histories.step(cast, request, reached)
    with pytest.raises(operations.StaleContent):
        approve(request, cast.elsa, old)
    assert not Decision.objects.exists()


@pytest.mark.clause("M21")
def test_only_an_edit_voids_approvals():
    cast = Cast()
    request = request_histories.make(cast, Status.IN_APPROVAL)
    approve(request, cast.fabian)
    operations.ask_clarification(request.pk, actor=cast.elsa, question="¿Desde cuándo es el domicilio?")
    operations.answer_clarification(request.pk, actor=cast.ana, answer="Desde diciembre.")
    request.refresh_from_db()
    assert [s.decision is not None for s in find_needed_approvals(request)] == [True, False]
    operations.reopen_draft(request.pk, actor=cast.ana)
    for reached in (Status.SUBMITTED, Status.VERIFYING, Status.IN_APPROVAL):
        request = request_histories.step(cast, request, reached)
    assert [s.decision is not None for s in find_needed_approvals(request)] == [False, False]
    approve(request, cast.elsa)
    assert approve(request, cast.fabian).status == Status.APPROVED


@pytest.mark.clause("M21")
def test_a_question_stops_the_clock_and_is_no_decision():
    monday = datetime(2026, 11, 23, 16, tzinfo=UTC)  # 10:00 in Mexico City
    with clock.at(monday - timedelta(days=1)):
        cast = Cast()
    with clock.at(monday):
        request = request_histories.make(cast, Status.IN_APPROVAL)
    assert request.due_at == monday + timedelta(days=2)
    with clock.at(monday + timedelta(hours=1)):
        request = operations.ask_clarification(request.pk, actor=cast.elsa, question="¿Cuál es el interior?")
        assert (request.due_at, request.due_minutes_left) == (None, 17 * 60)
        assert find_waiting(request).is_company
        with pytest.raises(operations.WrongStatus):
            operations.ask_clarification(request.pk, actor=cast.fabian, question="¿Y la colonia es esa?")
        with pytest.raises(operations.WrongStatus):
            approve(request, cast.elsa)
        with pytest.raises(operations.NotAllowed):
            operations.answer_clarification(request.pk, actor=cast.laura, answer="No es mía.")
    with clock.at(monday + timedelta(days=30)):  # a Wednesday, 10:00
        assert operations.remind_due(clock.now()) == 0
        request = operations.answer_clarification(request.pk, actor=cast.ana, answer="El 4.")
        assert request.due_at == clock.now() + timedelta(hours=33)  # 17 business hours later
        assert request.due_minutes_left is None
        with pytest.raises(operations.WrongStatus):
            operations.answer_clarification(request.pk, actor=cast.ana, answer="Otra vez.")
    assert not Decision.objects.exists()
    assert request.revision_no == 1


@pytest.mark.clause("M21")
def test_any_refusal_ends_it_and_its_reason_is_told():
    cast = Cast()
    request = request_histories.make(cast, Status.IN_APPROVAL)
    approve(request, cast.fabian)
    request = operations.reject(
        request.pk, actor=cast.elsa, reason="La constancia es de otra empresa.", seen_hash=seen(request)
    )
    assert request.status == Status.REJECTED
    mail = OutboxMessage.objects.filter(kind="change_requests/rejected").first()
    assert "La constancia es de otra empresa." in mail.body


@pytest.mark.clause("M5", "M21")
def test_a_new_registered_mail_is_proven_by_its_code_before_approval():
    cast = Cast()
    request = request_histories.make(cast, Status.SUBMITTED, items={"registered_email": "facturas@kemper.mx"})
    request = operations.confirm_from_registered_email(request.pk, actor=cast.ana, revision_no=request.revision_no)
    request = operations.verify(request.pk, actor=cast.laura)
    with pytest.raises(operations.Refused, match="correo nuevo"):
        approve(request, cast.fabian)
    mail = OutboxMessage.objects.get(kind="change_requests/new_email_code")
    code = next(line for line in mail.body.splitlines() if line.isdigit())
    assert (mail.to, mail.is_secret, len(code)) == ("facturas@kemper.mx", True, 6)
    wrong = f"{(int(code) + 1) % 10**6:06d}"
    for _ in range(5):
        with pytest.raises(operations.Invalid):
            operations.confirm_new_email(request.pk, code=wrong)
    with pytest.raises(operations.Invalid, match="ya no sirve"):
        operations.confirm_new_email(request.pk, code=code)
    with pytest.raises(operations.NotAllowed):
        operations.send_new_email_code(request.pk, actor=cast.elsa)
    operations.send_new_email_code(request.pk, actor=cast.ana)
    mail = OutboxMessage.objects.filter(kind="change_requests/new_email_code").latest("pk")
    code = next(line for line in mail.body.splitlines() if line.isdigit())
    operations.confirm_new_email(request.pk, code=f" {code[:3]} {code[3:]} ")
    operations.confirm_new_email(request.pk, code="whatever")  # once is enough
    with pytest.raises(operations.WrongStatus):
        operations.send_new_email_code(request.pk, actor=cast.ana)
    assert request_histories.approve(cast, request).status == Status.APPROVED


@pytest.mark.clause("M8")
def test_the_confirmation_is_of_this_revision_and_in_time():
    cast = Cast()
    request = request_histories.make(cast, Status.SUBMITTED)
    stale = FormalRequest.objects.get(pk=request.pk)
    with clock.at(request.due_at), pytest.raises(operations.WrongStatus):
        operations.confirm_from_registered_email(request.pk, actor=cast.ana, revision_no=request.revision_no)
    operations.reopen_draft(request.pk, actor=cast.ana)
    request = operations.submit(request.pk, actor=cast.ana)
    with pytest.raises(operations.WrongStatus, match="anterior"):
        operations.confirm_from_registered_email(stale.pk, actor=cast.ana, revision_no=stale.revision_no)
    with clock.at(request.due_at - timedelta(microseconds=1)):
        assert (
            operations.confirm_from_registered_email(request.pk, actor=cast.ana, revision_no=request.revision_no).status
            == Status.VERIFYING
        )


@pytest.mark.clause("M8")
def test_mesa_de_control_verifies_powers_that_hold():
    cast = Cast(ana=request_histories.representative_for(days=1))
    request = request_histories.make(cast, Status.VERIFYING)
    with pytest.raises(operations.NotAllowed):
        operations.verify(request.pk, actor=cast.elsa)
    operations.ask_clarification(request.pk, actor=cast.laura, question="¿Cuál es el interior?")
    with pytest.raises(operations.WrongStatus):
        operations.verify(request.pk, actor=cast.laura)
    operations.answer_clarification(request.pk, actor=cast.ana, answer="El 4.")
    with clock.at(clock.now() + timedelta(days=3)), pytest.raises(operations.WrongStatus):
        operations.verify(request.pk, actor=cast.laura)
    assert operations.verify(request.pk, actor=cast.laura, note="Todo coincide.").verified_by == cast.laura


@pytest.mark.clause("M24")
def test_who_implements_is_named_by_security_and_is_somebody_else():
    cast = Cast()
    request = request_histories.make(cast, Status.IN_APPROVAL)
    approve(request, cast.fabian)
    grant(cast.fabian, Office.IMPLEMENTER)
    grant(cast.elsa, Office.IMPLEMENTER)
    hugo = make_staff(Office.DEVELOPER)
    grant(hugo, Office.IMPLEMENTER)
    for bad in (cast.fabian, cast.elsa, hugo, cast.laura, cast.ana):
        with pytest.raises(operations.Invalid):
            operations.designate(request.pk, actor=cast.elsa, implementer=bad)
    with pytest.raises(operations.NotAllowed):
        operations.designate(request.pk, actor=cast.laura, implementer=cast.gina)
    other = make_staff(Office.IMPLEMENTER)
    operations.designate(request.pk, actor=cast.elsa, implementer=cast.gina)
    request = approve(request, cast.elsa)
    request = operations.designate(request.pk, actor=cast.elsa, implementer=other)  # changeable
    assert request.implementer == other
    with pytest.raises(operations.NotAllowed):
        operations.execute(request.pk, actor=cast.gina)


@pytest.mark.clause("M3", "M21")
def test_who_sees_a_request():
    cast = Cast()
    request = request_histories.make(cast, Status.IN_APPROVAL)
    unsent = request_histories.draft(cast, items={"rfc": "EKU9003173C9"})
    operations.designate(request.pk, actor=cast.elsa, implementer=cast.gina)
    everything, nothing = {request}, set()
    expected = [
        (cast.ana, {request, unsent}),
        (cast.laura, everything),
        (cast.elsa, everything),
        (cast.fabian, everything),
        (cast.gina, everything),
        (make_staff(Office.IT_HEAD), everything),
        (make_staff(Office.IMPLEMENTER), nothing),
        (make_staff(Office.DEVELOPER), nothing),
        (make_staff(Office.AGENT), nothing),
        (make_superuser(), nothing),
        (cast.colleague(), nothing),
        (request_histories.representative_for(days=1), nothing),
        (cast.colleague(is_active=False), nothing),
    ]
    for person, sees in expected:
        person = User.objects.get(pk=person.pk)
        assert set(policy.visible_to(person)) == sees, person


@pytest.mark.clause("M21")
def test_slots_are_told_in_a_fixed_number_of_queries(django_assert_max_num_queries):
    request = request_histories.make(Cast(), Status.IN_APPROVAL)
    with django_assert_max_num_queries(6):
        slots = find_needed_approvals(request)
    assert [slot.label for slot in slots] == ["Propietario de la Información", "Responsable de Seguridad Informática"]
    assert not DecisionSlot.objects.exists()
    assert request.read_payload()["version"] == 1
