"""What was approved is applied, exactly and once, by whom and when it may be, or not at all (M1, M7, M24, M25)."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from time_machine import travel

from accounts.models import Contact, Customer, Invitation, Office, Representative, RoleAssignment, User
from accounts.operations import deactivate_user, end_office
from change_requests import links, operations, policy
from change_requests.models import Execution, FormalRequest
from change_requests.progress import Task, find_waiting
from factureya.core import clock
from factureya.core.models import OutboxMessage
from factureya.testing import request_histories
from factureya.testing.people import PASSWORD, Cast, give_office, make_hugo, make_staff, make_superuser, own_assets
from factureya.testing.request_histories import NEW, WHY, seen

pytestmark = pytest.mark.django_db

Form, Kind, Status = FormalRequest.Form, FormalRequest.Kind, FormalRequest.Status
MICROSECOND = timedelta(microseconds=1)
FRIDAY = datetime(2026, 11, 27, 17, tzinfo=UTC)  # 11:00 in Mexico City


def customer_of(request: FormalRequest) -> Customer:
    return Customer.objects.get(pk=request.customer_id)


def end(person: User, office: str) -> None:
    end_office(RoleAssignment.objects.get(user=person, office=office).pk, actor=make_superuser())


def mail(verb: str, request: FormalRequest) -> OutboxMessage:
    return OutboxMessage.objects.filter(kind=f"change_requests/{verb}", about=request.chain).latest("pk")


# -- What each kind does -----------------------------------------------------------------------------


@pytest.mark.clause("M1", "M21")
def test_a_change_writes_exactly_what_was_approved():
    cast = Cast()
    request = request_histories.make(cast, Status.EXECUTED)
    customer, done = customer_of(request), request.executions.get()
    assert (customer.fiscal_address, customer.phone) == (NEW["fiscal_address"], NEW["phone"])
    assert done.after == NEW
    assert done.before == {"fiscal_address": "", "phone": ""}
    assert (done.result, done.executor) == (Execution.Result.OK, cast.gina)


@pytest.mark.clause("M7")
def test_alta_sends_an_invitation_that_works():
    cast = Cast()
    request = request_histories.make(cast, Status.EXECUTED, Form.ACCESS, Kind.ALTA)
    invitation = Invitation.objects.get(customer=cast.customer)
    assert (invitation.email, invitation.invited_by) == ("rosa1@ejemplo.mx", cast.ana)
    sent = OutboxMessage.objects.get(kind="accounts/invited")
    assert sent.to == invitation.email
    assert request.events().filter(verb="request.executed").exists()


@pytest.mark.clause("M7")
def test_baja_ends_the_account_and_its_sessions_at_once():
    cast, client = Cast(), Client()
    beto = cast.colleague()
    client.force_login(beto)
    request = request_histories.make(cast, Status.APPROVED, Form.ACCESS, Kind.BAJA, person={"user": beto.pk})
    assert client.get("/cuenta/").wsgi_request.user.is_authenticated
    operations.execute(request.pk, actor=cast.gina)
    assert not client.get("/cuenta/").wsgi_request.user.is_authenticated
    beto.refresh_from_db()
    assert not beto.is_active
    assert beto.events().last().data["reason"] == request.folio


@pytest.mark.clause("M7")
def test_clave_ends_sessions_and_sends_a_link_that_works_once():
    cast, client = Cast(), Client()
    beto = cast.colleague()
    client.force_login(beto)
    request = request_histories.make(cast, Status.EXECUTED, Form.ACCESS, Kind.CLAVE, person={"user": beto.pk})
    assert not client.get("/cuenta/").wsgi_request.user.is_authenticated
    beto.refresh_from_db()
    assert not beto.check_password(PASSWORD)
    sent = mail("set_password", request)
    assert (sent.to, sent.is_secret) == (beto.email, True)
    (token,) = re.findall(r"/solicitudes/clave/([^/\s]+)/", sent.body)
    assert links.read_password_link(token) == (beto, request.folio)
    operations.set_password(token, password="Otra-clave-larga-2026")
    beto.refresh_from_db()
    assert beto.check_password("Otra-clave-larga-2026")
    with pytest.raises(links.BadLink):
        operations.set_password(token, password="Una-tercera-clave-2026")


@pytest.mark.clause("M7")
def test_the_link_of_a_clave_dies_after_30_minutes_or_with_the_account():
    cast = Cast()
    beto = cast.colleague()
    with travel(FRIDAY, tick=False):
        cast = Cast()
        beto = cast.colleague()
        request = request_histories.make(cast, Status.EXECUTED, Form.ACCESS, Kind.CLAVE, person={"user": beto.pk})
    (token,) = re.findall(r"/solicitudes/clave/([^/\s]+)/", mail("set_password", request).body)
    with travel(FRIDAY + timedelta(minutes=30) - MICROSECOND, tick=False):
        assert links.read_password_link(token)[0] == beto
        deactivate_user(beto.pk, reason="Se fue.", actor=make_superuser())
        with pytest.raises(links.BadLink):
            operations.set_password(token, password="Otra-clave-larga-2026")
        User.objects.filter(pk=beto.pk).update(is_active=True)
        with pytest.raises(links.BadLink):  # its sessions were ended meanwhile
            links.read_password_link(token)
    with travel(FRIDAY + timedelta(minutes=30), tick=False), pytest.raises(links.BadLink):
        links.read_password_link(token)
    with pytest.raises(links.BadLink):
        links.read_password_link("forged")


@pytest.mark.clause("M7", "M19")
def test_the_service_ends_on_its_day():
    with travel(FRIDAY, tick=False):
        cast = Cast()
        day = "2026-12-01"
        request = request_histories.make(cast, Status.EXECUTED, Form.CHANGE, Kind.BAJA, effective_date=day)
    customer = customer_of(request)
    midnight = datetime(2026, 12, 1, 6, tzinfo=UTC)
    assert (customer.status, customer.suspended_at) == (Customer.Status.SUSPENDED, midnight)
    with travel(midnight - MICROSECOND, tick=False):
        assert not customer.is_suspended
    with travel(midnight, tick=False):
        assert customer.is_suspended


@pytest.mark.clause("M7")
def test_the_service_ends_at_once_without_a_day():
    request = request_histories.make(Cast(), Status.EXECUTED, Form.CHANGE, Kind.BAJA)
    assert customer_of(request).is_suspended


@pytest.mark.clause("M8")
def test_a_new_representative_takes_the_place_and_both_sign_in_again(settings):
    settings.SENSITIVE_FREEZE_HOURS = 0
    cast, client = Cast(), Client()
    client.force_login(cast.ana)
    request, beto = request_histories.approve_representative(cast)
    operations.execute(request.pk, actor=cast.gina)
    row = Representative.objects.in_force().get(customer=cast.customer)
    assert (row.user, row.power_kind, row.verified_by) == (beto, "attorney", cast.laura)
    assert row.document is not None
    assert Contact.objects.get(user=beto).is_representative
    assert not Contact.objects.get(user=cast.ana).is_representative
    assert not client.get("/cuenta/").wsgi_request.user.is_authenticated
    assert policy.find_powers(User.objects.get(pk=cast.ana.pk), cast.customer) is None
    told = OutboxMessage.objects.filter(kind="change_requests/executed", about=request.chain)
    assert cast.ana.email in {sent.to for sent in told}  # who went is told, with «no fui yo»


@pytest.mark.clause("M8")
def test_a_representative_whose_powers_are_only_renewed_keeps_the_place(settings):
    settings.SENSITIVE_FREEZE_HOURS = 0
    cast = Cast()
    items = {"representative_rfc": "GODE561231GR8", "representative_instrument": "Escritura 78"}
    request = request_histories.draft(cast, items=items)
    request_histories.add_file(cast, request)
    for reached in request_histories.ORDER[1:6]:
        request = request_histories.step(cast, request, reached)
    assert Representative.objects.in_force().get(customer=cast.customer).instrument == "Escritura 78"
    assert Contact.objects.get(user=cast.ana).is_representative
    assert User.objects.get(pk=cast.ana.pk).session_epoch == 0


# -- When it may be applied --------------------------------------------------------------------------


@pytest.mark.clause("M21")
@pytest.mark.parametrize("what", ["registered_email", "representative"])
def test_the_freeze_holds_to_the_second(what, settings):
    settings.SENSITIVE_FREEZE_HOURS = 72
    with travel(FRIDAY, tick=False):
        cast = Cast()
        request = (
            request_histories.approve_representative(cast)[0]
            if what == "representative"
            else request_histories.make(cast, Status.APPROVED, items={what: "facturas@kemper.mx", "phone": "222"})
        )
    assert request.execute_after == FRIDAY + timedelta(hours=72)
    with travel(FRIDAY + timedelta(hours=72) - MICROSECOND, tick=False), pytest.raises(operations.WrongStatus):
        operations.execute(request.pk, actor=cast.gina)
    with travel(FRIDAY + timedelta(hours=72), tick=False):
        assert operations.execute(request.pk, actor=cast.gina).result == Execution.Result.OK


@pytest.mark.clause("M21")
def test_an_effective_date_is_waited_for():
    with travel(FRIDAY, tick=False):
        cast = Cast()
        request = request_histories.make(cast, Status.APPROVED, effective_date="2026-12-01")
    midnight = datetime(2026, 12, 1, 6, tzinfo=UTC)
    assert request.execute_after == midnight
    with travel(midnight - MICROSECOND, tick=False), pytest.raises(operations.WrongStatus):
        operations.execute(request.pk, actor=cast.gina)
    with travel(midnight, tick=False):
        operations.execute(request.pk, actor=cast.gina)


@pytest.mark.clause("M21")
def test_an_approval_expires_at_use_too():
    with travel(FRIDAY, tick=False):
        cast = Cast()
        request = request_histories.make(cast, Status.APPROVED)
    assert request.execute_before == FRIDAY + timedelta(days=7)  # five business days
    with travel(request.execute_before, tick=False), pytest.raises(operations.WrongStatus, match="venció"):
        operations.execute(request.pk, actor=cast.gina)
    request.refresh_from_db()
    assert request.status == Status.EXPIRED
    assert customer_of(request).phone == ""
    assert mail("expired", request)


@pytest.mark.clause("M21")
def test_an_approval_holds_to_its_last_instant():
    with travel(FRIDAY, tick=False):
        cast = Cast()
        request = request_histories.make(cast, Status.APPROVED)
    with travel(request.execute_before - timedelta(seconds=1), tick=False):
        operations.execute(request.pk, actor=cast.gina)


# -- Who may still -----------------------------------------------------------------------------------


@pytest.mark.clause("M21", "M24")
@pytest.mark.parametrize("who", ["fabian", "elsa"])
@pytest.mark.parametrize("how", ["office", "account"])
def test_an_approver_who_could_not_any_more_sends_it_back(who, how):
    cast = Cast()
    request = request_histories.make(cast, Status.APPROVED)
    person = getattr(cast, who)
    office = Office.INFORMATION_OWNER if who == "fabian" else Office.SECURITY_OFFICER
    if how == "office":
        end(person, office)
    else:
        deactivate_user(person.pk, reason="Se fue.", actor=make_superuser())
    with pytest.raises(operations.SentBack, match=person.full_name):
        operations.execute(request.pk, actor=cast.gina)
    request.refresh_from_db()
    assert (request.status, request.approved_at) == (Status.IN_APPROVAL, None)
    assert customer_of(request).phone == ""
    assert person.full_name in mail("sent_back", request).body
    heir = make_staff(office)
    if who == "fabian":
        own_assets(heir)
    assert mail("your_turn", request)
    request = operations.approve(request.pk, actor=heir, reason=WHY, seen_hash=seen(request))
    assert request.status == Status.APPROVED
    assert operations.execute(request.pk, actor=cast.gina).result == Execution.Result.OK


@pytest.mark.clause("M8")
@pytest.mark.parametrize("how", ["expired", "disabled"])
def test_a_requester_without_powers_sends_it_back(how):
    with travel(FRIDAY, tick=False):
        cast = Cast(ana=request_histories.representative_for(days=1))
        request = request_histories.make(cast, Status.APPROVED)
    later = FRIDAY + timedelta(days=3)
    if how == "disabled":
        later = FRIDAY
        deactivate_user(cast.ana.pk, reason="Se fue.", actor=make_superuser())
    with travel(later, tick=False), pytest.raises(operations.SentBack, match="poderes"):
        operations.execute(request.pk, actor=cast.gina)
    request.refresh_from_db()
    assert request.status == Status.IN_APPROVAL
    assert find_waiting(request).task == Task.GIVE_BACK
    assert mail("your_turn", request).to == cast.laura.email
    assert customer_of(request).phone == ""
    with travel(later, tick=False):
        operations.withdraw(request.pk, actor=cast.laura, reason="El poder venció el sábado.")


@pytest.mark.clause("M24")
@pytest.mark.parametrize("how", ["developer", "office", "account"])
def test_an_implementer_who_may_not_any_more_is_refused(how):
    cast = Cast()
    request = request_histories.make(cast, Status.APPROVED)
    if how == "developer":
        give_office(cast.gina, Office.DEVELOPER)
    elif how == "office":
        end(cast.gina, Office.IMPLEMENTER)
    else:
        deactivate_user(cast.gina.pk, reason="Se fue.", actor=make_superuser())
    with pytest.raises(operations.NotAllowed):
        operations.execute(request.pk, actor=cast.gina)
    request.refresh_from_db()
    assert request.status == Status.APPROVED
    assert not Execution.objects.exists()
    other = make_staff(Office.IMPLEMENTER)
    operations.designate(request.pk, actor=cast.elsa, implementer=other)
    operations.execute(request.pk, actor=other)


@pytest.mark.clause("M24")
def test_only_the_designated_person_and_only_once():
    cast = Cast()
    request = request_histories.make(cast, Status.APPROVED)
    for person in (cast.laura, cast.elsa, cast.fabian, cast.ana, make_staff(Office.IMPLEMENTER)):
        with pytest.raises(operations.NotAllowed):
            operations.execute(request.pk, actor=person)
    operations.execute(request.pk, actor=cast.gina)
    with pytest.raises(operations.WrongStatus):
        operations.execute(request.pk, actor=cast.gina)
    assert Execution.objects.count() == 1


# -- Drift, and what undoes --------------------------------------------------------------------------


@pytest.mark.clause("M1", "M21")
def test_with_drift_nothing_is_written():
    cast = Cast()
    request = request_histories.make(cast, Status.FAILED)
    done = request.executions.get()
    assert (done.result, done.before, done.after) == (Execution.Result.DRIFT, {"phone": "999"}, {})
    customer = customer_of(request)
    assert (customer.phone, customer.fiscal_address) == ("999", "")
    assert mail("failed", request)
    request = operations.reopen_draft(request.pk, actor=cast.ana)
    for reached in request_histories.ORDER[1:6]:
        request = request_histories.step(cast, request, reached)
    assert customer_of(request).phone == NEW["phone"]


@pytest.mark.clause("M7")
@pytest.mark.parametrize("kind", [Kind.BAJA, Kind.CLAVE])
def test_a_person_who_left_meanwhile_is_drift(kind):
    cast = Cast()
    beto = cast.colleague()
    request = request_histories.make(cast, Status.APPROVED, Form.ACCESS, kind, person={"user": beto.pk})
    deactivate_user(beto.pk, reason="Se fue.", actor=make_superuser())
    assert operations.execute(request.pk, actor=cast.gina).result == Execution.Result.DRIFT


@pytest.mark.clause("M7")
def test_a_person_who_came_in_meanwhile_is_drift():
    cast = Cast()
    request = request_histories.make(cast, Status.APPROVED, Form.ACCESS, Kind.ALTA)
    cast.colleague(email="rosa1@ejemplo.mx")
    assert operations.execute(request.pk, actor=cast.gina).result == Execution.Result.DRIFT
    assert not Invitation.objects.exists()


@pytest.mark.clause("M8")
def test_a_representative_who_lost_the_account_is_drift(settings):
    settings.SENSITIVE_FREEZE_HOURS = 0
    cast = Cast()
    request, beto = request_histories.approve_representative(cast)
    deactivate_user(beto.pk, reason="Se fue.", actor=make_superuser())
    assert operations.execute(request.pk, actor=cast.gina).result == Execution.Result.DRIFT
    assert Representative.objects.in_force().get(customer=cast.customer).user == cast.ana


@pytest.mark.clause("M1", "M21")
@pytest.mark.parametrize("kind", [Kind.CHANGE, Kind.BAJA])
def test_what_was_applied_is_undone_by_a_new_request(kind):
    cast = Cast()
    request = request_histories.make(cast, Status.CLOSED, Form.CHANGE, kind)
    assert customer_of(request).is_suspended == (kind == Kind.BAJA)
    request_histories.undo(cast, request)
    customer = customer_of(request)
    assert (customer.phone, customer.status, customer.suspended_at) == ("", "active", None)
    assert request.status == Status.REVERTED
    undoing = request.reverts.get()
    assert undoing.revisions.get().author == cast.laura
    assert undoing.requester == cast.ana
    assert undoing.folio in mail("reverted", request).body
    with pytest.raises(operations.Refused):
        operations.reopen_draft(undoing.pk, actor=cast.ana)


@pytest.mark.clause("M8", "M21")
def test_what_undoes_a_change_of_mail_is_confirmed_from_the_old_one(settings):
    settings.SENSITIVE_FREEZE_HOURS = 0
    cast = Cast()
    old = cast.customer.registered_email
    request = request_histories.make(cast, Status.EXECUTED, items={"registered_email": "ladron@ejemplo.mx"})
    undoing = operations.revert(request.pk, actor=cast.laura, reason="La empresa dice que no la pidió.")
    assert {m.to for m in OutboxMessage.objects.filter(kind="change_requests/confirm", about=undoing.chain)} == {old}
    with pytest.raises(operations.NotAllowed):
        operations.revert(request.pk, actor=cast.elsa, reason="La empresa dice que no la pidió.")


@pytest.mark.clause("M21")
def test_what_was_changed_again_is_not_undone():
    cast = Cast()
    request = request_histories.make(cast, Status.EXECUTED)
    request_histories.make(cast, Status.EXECUTED, items={"phone": "222 555 0001"})
    for actor in (cast.laura, cast.ana):
        with pytest.raises(operations.Refused, match="ya no son"):
            operations.revert(request.pk, actor=actor, reason="Se pidió por error, según la empresa.")
    with pytest.raises(operations.NotAllowed):
        operations.revert(request.pk, actor=cast.colleague(), reason="Se pidió por error, según dicen.")


# -- Additional controls (M25) -----------------------------------------------------------------------


def waived(cast: Cast, request: FormalRequest, hugo: User, **more: Any) -> FormalRequest:
    return operations.grant_waiver(
        request.pk,
        **{
            "actor": cast.elsa,
            "implementer": hugo,
            "checker": cast.jorge,
            "reason": "Nadie más está disponible hoy y la empresa no puede esperar a mañana.",
            "controls": "Lo acompaña Laura y revisa el registro.",
            **more,
        },
    )


@pytest.mark.clause("M24", "M25")
def test_a_developer_executes_under_a_waiver_and_somebody_else_checks():
    with travel(FRIDAY, tick=False):
        cast = Cast()
        hugo = make_hugo()
        request = waived(cast, request_histories.make(cast, Status.APPROVED), hugo)
        operations.execute(request.pk, actor=hugo)
        request.refresh_from_db()
        verbs = [event.verb for event in request.events()]
        assert verbs[-2:] == ["request.execution_intended", "request.executed"]
        assert request.waiver.check_due == FRIDAY + timedelta(days=3)  # one business day
        assert mail("check_due", request).to == cast.jorge.email
        with pytest.raises(operations.Refused, match="revisión independiente"):
            operations.close(request.pk, actor=cast.laura)
        for person in (hugo, cast.elsa, cast.laura):
            with pytest.raises(operations.NotAllowed):
                operations.check_waiver(request.pk, actor=person, findings="Todo coincide.", ok=True)
        with pytest.raises(operations.Refused, match="Se acaba de aplicar"):
            operations.check_waiver(request.pk, actor=cast.jorge, findings="Todo coincide.", ok=True)
    with travel(FRIDAY + timedelta(seconds=1), tick=False):
        operations.check_waiver(request.pk, actor=cast.jorge, findings="Todo coincide.", ok=True)
        with pytest.raises(operations.Refused):
            operations.check_waiver(request.pk, actor=cast.jorge, findings="Otra vez todo.", ok=True)
        operations.close(request.pk, actor=cast.laura)


@pytest.mark.clause("M25")
def test_without_its_check_no_other_waiver_is_granted():
    with travel(FRIDAY, tick=False):
        cast = Cast()
        hugo = make_hugo()
        first = waived(cast, request_histories.make(cast, Status.APPROVED), hugo)
        operations.execute(first.pk, actor=hugo)
        second = request_histories.make(cast, Status.APPROVED, Form.ACCESS, Kind.ALTA)
        waived(cast, second, hugo)
    first.refresh_from_db()
    with travel(first.waiver.check_due + MICROSECOND, tick=False):
        assert operations.find_overdue_checks().count() == 1
        with pytest.raises(operations.Refused, match=first.folio):
            waived(cast, second, hugo)
        operations.check_waiver(first.pk, actor=cast.jorge, findings="El teléfono no coincide.", ok=False)
        assert mail("check_failed", first)
        waived(cast, second, hugo)


@pytest.mark.clause("M25")
def test_a_waiver_says_why_and_names_somebody_independent():
    cast = Cast()
    hugo, request = make_hugo(), request_histories.make(cast, Status.APPROVED)
    for bad, field in (
        ({"reason": "Porque urge."}, "reason"),
        ({"controls": "x"}, "controls"),
        ({"checker": hugo}, "checker"),
        ({"checker": cast.ana}, "checker"),
        ({"checker": make_staff(Office.DEVELOPER)}, "checker"),
        ({"implementer": make_staff(Office.DEVELOPER)}, "implementer"),
        ({"implementer": cast.fabian}, "implementer"),
    ):
        with pytest.raises(operations.Invalid) as refusal:
            waived(cast, request, hugo, **bad)
        assert set(refusal.value.errors) == {field}
    with pytest.raises(operations.NotAllowed):
        waived(cast, request, hugo, actor=cast.laura)
    waived(cast, request, hugo)
    operations.designate(request.pk, actor=cast.elsa, implementer=cast.gina)  # takes it back
    request.refresh_from_db()
    assert request.waiver is None
    with pytest.raises(operations.NotAllowed):
        operations.execute(request.pk, actor=hugo)


@pytest.mark.clause("M21")
def test_a_resumed_request_gets_its_time_back():
    with travel(FRIDAY, tick=False):
        cast = Cast()
        submitted = request_histories.make(cast, Status.SUBMITTED, Form.ACCESS, Kind.ALTA)
        deciding = request_histories.make(cast, Status.IN_APPROVAL)
    with travel(FRIDAY + timedelta(hours=1), tick=False):
        for request in (submitted, deciding):
            operations.not_me(request.pk)
    with travel(FRIDAY + timedelta(days=31, hours=1), tick=False):  # a Monday
        assert operations.expire_due(clock.now()) == 0
        with pytest.raises(operations.NotAllowed):
            operations.resume(deciding.pk, actor=cast.laura, reason="La empresa lo confirmó.")
        for request in (submitted, deciding):
            operations.resume(request.pk, actor=cast.elsa, reason="La empresa lo confirmó por teléfono.")
            request.refresh_from_db()
    assert submitted.due_at == FRIDAY + timedelta(days=31, hours=48)
    assert deciding.due_at == FRIDAY + timedelta(days=33)
    assert deciding.read_payload()["items"]


@pytest.mark.clause("M21")
def test_a_resumed_approval_gets_its_time_back():
    with travel(FRIDAY, tick=False):
        cast = Cast()
        request = request_histories.make(cast, Status.APPROVED)
        operations.not_me(request.pk)
    with travel(FRIDAY + timedelta(days=31), tick=False):
        assert operations.expire_due(clock.now()) == 0
        request = operations.resume(request.pk, actor=cast.elsa, reason="La empresa lo confirmó.")
        assert request.execute_before == request.due_at == FRIDAY + timedelta(days=39)
        operations.execute(request.pk, actor=cast.gina)
