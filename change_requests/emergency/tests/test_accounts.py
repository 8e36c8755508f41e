"""Emergency accounts at rest, their closed list of causes, and dated delegations (M22, M23)."""

from datetime import timedelta

import pytest
from django.contrib.auth import authenticate
from django.test import Client
from time_machine import travel

from accounts.models import Method, Office, Proof, User
from change_requests.emergency import operations, policy, roles
from change_requests.emergency.models import Delegation, EmergencyAccount, EmergencyCause
from factureya.core.clock import now
from factureya.core.refusals import Invalid, NotAllowed, Refused, WrongStatus
from factureya.testing.emergencies import Emergency, Status, delegate, end_offices
from factureya.testing.people import Cast, make_hugo, make_staff, make_superuser

pytestmark = pytest.mark.django_db
State = EmergencyAccount.State
PROCEDURE = "Llamar al teléfono registrado y cotejar el expediente."
WHY = "Sale de vacaciones dos semanas."


@pytest.fixture
def cast() -> Cast:
    return Cast()


def add(cast: Cast, **changes: object) -> EmergencyAccount:
    asked: dict[str, object] = {
        "alias": "Emergencia 03",
        "purpose": "Corregir un dato",
        "scope": "fix",
        "actor": cast.elsa,
    }
    return operations.add_account(**{**asked, **changes})  # type: ignore[arg-type]


@pytest.mark.clause("M22")
def test_an_account_rests_nobody_signs_in_with_it(cast: Cast, client: Client):
    proof = Proof(Method.PASSWORD, factor=True, at=now(), ip="10.0.0.1")
    account = add(cast, proof=proof)
    assert (account.alias, account.state, str(account)) == ("emergencia-03", State.UNSEALED, "emergencia-03")
    user = account.user
    assert (user.is_active, user.is_staff, user.is_superuser, user.is_emergency) == (False, False, False, True)
    assert not user.has_usable_password()
    assert not user.get_all_permissions()
    assert authenticate(email=user.email, password="") is None
    assert not client.login(email=user.email, password=user.password)
    event = account.events().get()
    assert (event.verb, event.actor, event.data["auth"]["method"]) == ("account.added", cast.elsa, "password")
    assert policy.find_open_grant(user) is None


@pytest.mark.clause("M22")
def test_only_security_adds_an_account_that_is_whole(cast: Cast):
    for person in (cast.laura, cast.fabian, cast.jorge, cast.gina, make_superuser()):
        with pytest.raises(NotAllowed):
            add(cast, actor=person)
    for field, value in (("alias", " -- "), ("purpose", "corto"), ("scope", "todo")):
        with pytest.raises(Invalid) as refusal:
            add(cast, **{field: value})
        assert refusal.value.field == field
    add(cast)
    with pytest.raises(Invalid, match="Ya hay una cuenta"):
        add(cast)
    assert EmergencyAccount.objects.count() == 1
    assert User.objects.filter(is_emergency=True).count() == 1


@pytest.mark.clause("M22")
def test_an_account_is_retired_at_rest_and_for_ever(scene: Emergency):
    cast, account = scene.cast, scene.account
    with pytest.raises(NotAllowed):
        operations.retire_account(account.pk, actor=cast.gina)
    grant = scene.request()
    assert account.state == State.GRANTED
    with pytest.raises(WrongStatus, match="en curso"):
        operations.retire_account(account.pk, actor=cast.elsa)
    operations.revoke_grant(grant.pk, actor=cast.gina, reason="Ya no hace falta.")
    account = operations.retire_account(account.pk, actor=cast.elsa)
    assert account.state == State.RETIRED
    assert account.find_credential() is None
    assert policy.blocks_next_grant(account) == "La cuenta está retirada."
    with pytest.raises(WrongStatus, match="ya está retirada"):
        operations.retire_account(account.pk, actor=cast.elsa)
    bare = operations.retire_account(add(cast).pk, actor=cast.elsa)  # never sealed
    assert bare.state == State.RETIRED


@pytest.mark.clause("M23")
def test_the_list_of_causes_is_closed_and_kept_by_security(cast: Cast):
    codes = set(EmergencyCause.objects.values_list("code", flat=True))
    assert codes >= {"correo-perdido", "datos-corruptos", "acceso-bloqueado", "falla-de-aprobadores"}
    assert not any("otro" in code for code in codes)
    with pytest.raises(NotAllowed):
        operations.add_cause(title="Otra cosa", procedure=PROCEDURE, actor=cast.laura)
    cause = operations.add_cause(title="Sello  del SAT caído", procedure=PROCEDURE, actor=cast.elsa)
    assert (cause.code, str(cause), cause.active) == ("sello-del-sat-caido", "Sello del SAT caído", True)
    for title, procedure, field in (
        ("Sello del SAT caído", PROCEDURE, "title"),
        ("¿¿¿¿¿¿", PROCEDURE, "title"),
        ("No", PROCEDURE, "title"),
        ("Una causa nueva", "corto", "procedure"),
    ):
        with pytest.raises(Invalid) as refusal:
            operations.add_cause(title=title, procedure=procedure, actor=cast.elsa)
        assert refusal.value.field == field
    with pytest.raises(NotAllowed):
        operations.end_cause(cause.pk, actor=cast.jorge)
    assert not operations.end_cause(cause.pk, actor=cast.elsa).active
    with pytest.raises(WrongStatus):
        operations.end_cause(cause.pk, actor=cast.elsa)
    assert list(cause.events().values_list("verb", flat=True)) == ["cause.added", "cause.ended"]


@pytest.mark.clause("M23")
def test_an_alternate_is_named_by_another_for_some_days(cast: Cast):
    dora = make_staff(Office.SUPERVISOR, full_name="Dora Suplente")
    delegation = delegate(cast, dora)
    assert str(delegation) == "Dora Suplente por Elsa Segura: Responsable de Seguridad Informática"
    assert delegation.is_in_force()
    with travel(now() + timedelta(days=14), tick=False):
        assert not delegation.is_in_force()
        with pytest.raises(WrongStatus):
            operations.end_delegation(delegation.pk, actor=cast.elsa)
    assert roles.find_mandate(dora, "security").delegation == delegation
    with pytest.raises(NotAllowed):
        operations.end_delegation(delegation.pk, actor=dora)
    ended = operations.end_delegation(delegation.pk, actor=make_superuser())
    assert not ended.is_in_force()
    assert roles.find_mandate(dora, "security") is None
    with pytest.raises(WrongStatus):
        operations.end_delegation(delegation.pk, actor=cast.elsa)
    verbs = list(delegation.events().values_list("verb", flat=True))
    assert verbs[-2:] == ["delegation.granted", "delegation.ended"]


@pytest.mark.clause("M23")
def test_who_may_not_be_named_or_name(cast: Cast):
    dora = make_staff(Office.SUPERVISOR)
    assert delegate(cast, dora, office=Office.IT_HEAD, absent=cast.jorge, actor=cast.elsa).pk
    assert delegate(cast, dora, office=Office.IT_HEAD, absent=cast.jorge, actor=cast.jorge).pk
    wrong: list[tuple[dict[str, object], type[Refused]]] = [
        ({"office": Office.IMPLEMENTER}, Refused),
        ({"actor": dora}, NotAllowed),
        ({"actor": cast.laura}, NotAllowed),
        ({"alternate": cast.elsa}, NotAllowed),
        ({"absent": cast.gina}, Refused),
        ({"absent": cast.fabian, "office": Office.INFORMATION_OWNER, "alternate": cast.fabian}, Refused),
        ({"alternate": make_hugo()}, Refused),
        ({"alternate": cast.ana}, Refused),
        ({"reason": "corto"}, Invalid),
        ({"ends_at": now() - timedelta(minutes=1), "starts_at": now() - timedelta(days=1)}, Invalid),
        ({"ends_at": now() + timedelta(days=1), "starts_at": now() + timedelta(days=2)}, Invalid),
    ]
    before = Delegation.objects.count()
    for changes, refusal in wrong:
        with pytest.raises(refusal):
            delegate(cast, **{"alternate": dora, **changes})  # type: ignore[arg-type]
    assert Delegation.objects.count() == before


@pytest.mark.clause("M23")
def test_a_delegation_is_worth_nothing_once_the_absent_lost_the_office(cast: Cast):
    dora = make_staff(Office.SUPERVISOR)
    delegate(cast, dora)
    assert dora.pk in roles.find_authorizers("security")
    end_offices(cast.elsa)
    assert roles.find_mandate(dora, "security") is None
    assert dora.pk not in roles.find_authorizers("security")


def test_who_reads_which_emergencies(scene: Emergency):
    cast = scene.cast
    grant = scene.request()
    dora = make_staff(Office.SUPERVISOR)
    auditor = make_staff(Office.AUDITOR)
    for person in (cast.elsa, cast.fabian, cast.jorge, auditor, cast.gina, cast.laura):
        assert policy.visible_to(person).get() == grant
    for person in (dora, cast.ana, make_staff(Office.SECURITY_OFFICER, is_active=False)):
        assert not policy.visible_to(person).exists()
    delegate(cast, dora)
    assert policy.visible_to(User.objects.get(pk=dora.pk)).get() == grant
    assert policy.may_see(dora)
    assert policy.may_see(auditor)
    assert not policy.may_see(cast.ana)
    scene.authorize(grant)
    operations.revoke_grant(grant.pk, actor=cast.elsa, reason="Ya no hace falta.")
    assert not policy.visible_to(User.objects.get(pk=cast.laura.pk)).exists()  # a custodian, of none in course


def test_the_state_of_an_account_is_what_its_grants_say(scene: Emergency):
    account = scene.account
    states = {Status.REQUESTED: State.GRANTED, Status.AUTHORIZED: State.GRANTED, Status.OPEN: State.OPEN}
    grant = scene.request()
    assert account.state == states[Status.REQUESTED]
    scene.authorize(grant)
    assert account.state == states[Status.AUTHORIZED]
    scene.open(grant)
    assert account.state == states[Status.OPEN]
    operations.end_grant(grant.pk, actor=scene.cast.gina)
    assert account.state == State.REVIEW
    assert policy.blocks_next_grant(account) == "Falta la revisión de su última emergencia."
    with travel(now() + timedelta(days=7), tick=False):
        assert account.state == State.OVERDUE
        assert policy.blocks_next_grant(account) == "Está vencida la revisión de su última emergencia."
